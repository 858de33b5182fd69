"""The headers of an RPM as bytes, laid out as rpm 4.18 does (lib/header.c, lib/rpmlead.c, lib/signature.c)."""

from __future__ import annotations

import struct

from msgspec import Struct, field

from xspack_tool.errors import StepError
from xspack_tool.rpm.header import BIN, ENTRY, I18N, INT16, INT32, INT64, MAGIC, STRING, STRINGS

#: The tag of the region that a header is, for the header itself and for the signature header.
IMMUTABLE, SIGNATURES = 63, 62
#: What the signature header keeps free, so that a signature changes neither its size nor the payload's place.
_RESERVED, _RESERVED_TAG = 32 + 4096, 1008
_WIDTHS, _FORMATS = {INT16: 2, INT32: 4, INT64: 8}, {INT16: "H", INT32: "I", INT64: "Q"}
_TEXTS = (STRING, STRINGS, I18N)
#: The architecture's number in the lead, which no rpm of this century reads.
_LEAD_NUMBERS = {"aarch64": 19}

Value = int | bytes


class HeaderWriter(Struct):
    """Tags with their type, the number of their values, and these as they are stored; in any order."""

    tags: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)

    def put(self, tag: int, kind: int, *values: Value) -> None:
        """Set a tag. Raises StepError for a text that holds a NUL."""
        data = _data(kind, values)
        if kind in _TEXTS and data.count(0) > len(values):
            raise StepError(f"a text of the RPM's header (tag {tag}) holds a NUL; remove it")
        self.tags[tag] = (kind, len(data) if kind == BIN else len(values), data)

    def pack(self, region: int) -> bytes:
        """The header with its magic, as one region."""
        store: list[bytes] = []
        index: list[bytes] = []
        size = 0
        for tag, (kind, length, data) in sorted(self.tags.items()):
            if pad := -size % _WIDTHS.get(kind, 1):
                store.append(bytes(pad))
                size += pad
            index.append(ENTRY.pack(tag, kind, size, length))
            store.append(data)
            size += len(data)
        count = len(index) + 1
        trailer = struct.pack("!IIiI", region, BIN, -16 * count, 16)
        begin = MAGIC + struct.pack("!4xII", count, size + 16) + ENTRY.pack(region, BIN, size, 16)
        return b"".join((begin, *index, *store, trailer))

    def size(self) -> int:
        """rpm's headerSizeof of a header that is no region yet."""
        total = 16
        for _, (kind, _, data) in sorted(self.tags.items()):
            total += -total % _WIDTHS.get(kind, 1) + 16 + len(data)
        return total


def _data(kind: int, values: tuple[Value, ...]) -> bytes:
    if kind in _WIDTHS:
        return struct.pack(f"!{len(values)}{_FORMATS[kind]}", *values)
    parts = [value for value in values if isinstance(value, bytes)]
    return parts[0] if kind == BIN else b"\0".join(parts) + b"\0"


def lead(name: str, arch: str) -> bytes:
    """The 96 bytes before everything, for programs such as file(1); ``name`` is name-[epoch:]version-release."""
    number = _LEAD_NUMBERS.get(arch, 1)
    return struct.pack("!4sBBHH66sHH16x", b"\xed\xab\xee\xdb", 3, 0, 0, number, name.encode()[:65], 1, 5)


class Sums(Struct, frozen=True):
    """What the signature header says: digests of the header, and of header and payload (``md5``), the size of both
    and that of the archive before its compression."""

    sha256: str
    sha1: str
    md5: bytes
    size: int
    archive: int


def signature_header(sums: Sums) -> bytes:
    """The signature header of an RPM that nobody signed, padded to the header's place."""
    writer = HeaderWriter()
    writer.put(273, STRING, sums.sha256.encode())
    writer.put(269, STRING, sums.sha1.encode())
    writer.put(1004, BIN, sums.md5)
    writer.put(1000, INT32, sums.size & 0xFFFFFFFF)
    writer.put(1007, INT32, sums.archive & 0xFFFFFFFF)
    reserved = _RESERVED
    if sums.size >= 0xFFFFFFFF or sums.archive >= 0xFFFFFFFF:
        reserved += writer.size()
        del writer.tags[1000], writer.tags[1007]
        writer.put(270, INT64, sums.size)
        writer.put(271, INT64, sums.archive)
        reserved -= writer.size()
    writer.put(_RESERVED_TAG, BIN, bytes(reserved))
    return padded(writer)


def padded(writer: HeaderWriter) -> bytes:
    """A signature header as bytes; the header behind it begins at a multiple of 8."""
    made = writer.pack(SIGNATURES)
    return made + bytes(-len(made) % 8)

"""The two headers of an RPM file, checked byte by byte before rpmfile takes them apart.

rpmfile trusts the sizes and counts in a header. So everything that costs memory or time is checked here
first, and rpmfile is given only the tags that xspack uses. Layout: rpm's ``lib/header.c``.
"""

from __future__ import annotations

import io
import os
import struct
from typing import Any, BinaryIO

from msgspec import Struct

from xspack_tool.errors import BadInput

LEAD_SIZE = 96
_INTRO = struct.Struct("!4sIII")
ENTRY = struct.Struct("!IIII")
MAGIC = b"\x8e\xad\xe8\x01"

#: What rpm 4.11 itself takes (headerMaxbytes); bigger headers are no RPM for its hosts.
MAX_STORE = 32 * 1024 * 1024
#: Tags in a header; real ones have less than 200.
MAX_ENTRIES = 1024
#: Single values in all tags that are used, of about 50 bytes each once read.
MAX_VALUES = 2_000_000

NULL, CHAR, INT8, INT16, INT32, INT64, STRING, BIN, STRINGS, I18N = range(10)
_SIGSIZE, _LONGSIGSIZE, _BUILDTIME = 1000, 270, 1006
_SIZES = {NULL: 0, CHAR: 1, INT8: 1, INT16: 2, INT32: 4, INT64: 8, BIN: 1}
_TEXTS = (STRING, STRINGS, I18N)

_STRING_TAGS = (
    "name version release arch rpmversion target vendor copyright packager url buildhost sourcerpm archive_format "
    "archive_compression prein postin preun postun pretrans posttrans preuntrans postuntrans verifyscript"
)
_ARRAY_TAGS = (
    "basenames dirnames fileusername filegroupname filemd5s filelinktos requirename requireversion provides "
    "provideversion conflictname conflictversion obsoletes obsoleteversion authors comments payloaddigest "
    "triggerscripts triggerscriptprog filetriggerscripts filetriggerscriptprog transfiletriggerscripts "
    "transfiletriggerscriptprog"
)
_INT32_TAGS = (
    "serial buildtime size filesizes fileflags filemtimes dirindexes requireflags provideflags conflictflags "
    "obsoleteflags changelogtime sourcepackage triggerindex triggerflags filetriggerindex filetriggerflags "
    "transfiletriggerindex transfiletriggerflags"
)
_PROGRAM_TAGS = (
    "preinprog postinprog preunprog postunprog pretransprog posttransprog preuntransprog postuntransprog "
    "verifyscriptprog"
)
#: The tags that are used, by rpmfile's names, with the types they may have.
_USED: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(_STRING_TAGS.split(), (STRING, I18N)),
    **dict.fromkeys(_ARRAY_TAGS.split(), (STRINGS,)),
    **dict.fromkeys(_INT32_TAGS.split(), (INT32,)),
    **dict.fromkeys(_PROGRAM_TAGS.split(), (STRING, STRINGS)),
    **dict.fromkeys(("summary", "description"), (STRING, I18N)),
    **dict.fromkeys(("longsize", "longfilesizes"), (INT64,)),
    "filemodes": (INT16,),
}
_USED_SIGNATURE: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("rsaheader", "signature", "pgp", "gpg", "sigmd5"), (BIN,)),
    "sha256": (STRING,),
}


class Headers(Struct, frozen=True):
    """The values of both headers by rpmfile's names, and where the header and the payload begin in the file."""

    values: dict[str, Any]
    payload_offset: int
    is_source_lead: bool
    header_offset: int = 0


class Outline(Struct, frozen=True):
    """What of an RPM is known without its values: when it was built, in seconds since 1970, and where its payload
    begins."""

    build_time: int
    payload_offset: int


def read_outline(file: BinaryIO, name: str) -> Outline:
    """Read no more than that. Raises BadInput, one line that begins with ``name``."""
    parts = RpmParts(file, name)
    return Outline(parts.main.number(_BUILDTIME), parts.payload_offset)


def read_headers(file: BinaryIO, name: str) -> Headers:
    """Read the lead and both headers. Raises BadInput, one line that begins with ``name``."""
    import rpmfile.headers as rpmfile_headers
    from rpmfile.errors import RPMError

    parts = RpmParts(file, name)
    picked = parts.signature.only(_USED_SIGNATURE, rpmfile_headers.sigtags)
    picked_main = parts.main.only(_USED, rpmfile_headers.tags)
    try:
        _, values = rpmfile_headers.get_headers(io.BytesIO(parts.lead + picked + picked_main))
    except (RPMError, ValueError, AssertionError, struct.error) as why:
        raise BadInput(name, f"damaged header: {why}") from None
    return Headers(
        {**values, **parts.main.wide_numbers()},
        parts.payload_offset,
        parts.lead[6:8] == b"\x00\x01",
        parts.header_offset,
    )


class RpmParts:
    """The lead and the headers of an RPM, and where the rest begins; ``file`` then stands there. Raises BadInput, one
    line that begins with ``name``."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.lead = file.read(LEAD_SIZE)
        if len(self.lead) < LEAD_SIZE or self.lead[:4] != b"\xed\xab\xee\xdb":
            raise BadInput(name, "not an RPM: it does not begin as one")
        self.signature = Header(file, size, name, "signature header")
        file.seek(-file.tell() % 8, os.SEEK_CUR)
        self.header_offset = file.tell()
        self.main = Header(file, size, name, "header")
        self.payload_offset = file.tell()
        said = self.signature.number(_SIGSIZE) or self.signature.number(_LONGSIGSIZE)
        _check_size(said, size - self.header_offset, name)


def _check_size(said: int, found: int, name: str) -> None:
    """The signature header says how many bytes follow it, if it says anything."""
    if said > found:
        raise BadInput(name, f"truncated: {found} bytes follow its signature header, which says {said}")
    if 0 < said < found:
        raise BadInput(name, f"{found} bytes follow its signature header, which says {said}")


class Header:
    """One header: its index is checked against its store. ``entries`` are (tag, kind, offset, count)."""

    def __init__(self, file: BinaryIO, size: int, name: str, what: str) -> None:
        self.name, self.what = name, what
        intro = file.read(_INTRO.size)
        if len(intro) < _INTRO.size:
            raise BadInput(name, f"truncated in its {what}")
        magic, _, count, store_size = _INTRO.unpack(intro)
        if magic != MAGIC:
            raise BadInput(name, f"its {what} does not begin as one")
        if store_size > MAX_STORE or count > MAX_ENTRIES:
            said = f"{count} tags in {store_size} bytes"
            raise BadInput(name, f"its {what} claims {said}, more than rpm takes on the hosts")
        if count * ENTRY.size + store_size > size - file.tell():
            raise BadInput(name, f"truncated: its {what} claims more than the file holds")
        index, self.store = file.read(count * ENTRY.size), file.read(store_size)
        self.entries = list(ENTRY.iter_unpack(index))
        self.as_read = b"".join((intro, index, self.store))
        self._check()

    def _check(self) -> None:
        """Entries lie in the store, do not overlap, and hold as many values as they say."""
        tags = [entry[0] for entry in self.entries]
        if len(set(tags)) < len(tags):
            raise self._bad("has a tag twice")
        ordered = sorted(self.entries, key=lambda entry: entry[2])
        ends = [*(entry[2] for entry in ordered[1:]), len(self.store)]
        for (tag, kind, offset, count), end in zip(ordered, ends, strict=False):
            if kind in _TEXTS:
                fits = (kind != STRING or count == 1) and 0 < count <= self.store.count(0, offset, end)
            else:
                fits = kind in _SIZES and count > 0 and offset + count * _SIZES[kind] <= end
            if not fits:
                raise self._bad(f"has no room for what tag {tag} claims")

    def only(self, used: dict[str, tuple[int, ...]], numbers: dict[str, int]) -> bytes:
        """The same header with no other tags than ``used``."""
        wanted = {numbers[name]: (name, kinds) for name, kinds in used.items()}
        kept, values = [], 0
        for entry in self.entries:
            if entry[0] not in wanted:
                continue
            name, kinds = wanted[entry[0]]
            if entry[1] not in kinds:
                raise self._bad(f"has {name} of a type that it cannot have")
            values += 1 if entry[1] == BIN else entry[3]
            if entry[1] != INT64:
                kept.append(ENTRY.pack(*entry))
        if values > MAX_VALUES:
            raise self._bad(f"holds {values} values, more than xspack reads ({MAX_VALUES})")
        intro = _INTRO.pack(MAGIC, 0, len(kept), len(self.store))
        return b"".join([intro, *kept, self.store])

    def number(self, tag: int) -> int:
        """The first number of a tag, 0 if it is not there."""
        for number, kind, offset, _ in self.entries:
            if number == tag and kind in (INT32, INT64):
                return int(struct.unpack_from("!I" if kind == INT32 else "!Q", self.store, offset)[0])
        return 0

    def wide_numbers(self) -> dict[str, tuple[int, ...]]:
        """The 64-bit numbers, a type that rpmfile does not know."""
        names = {5008: "longfilesizes", 5009: "longsize"}
        return {
            names[tag]: struct.unpack_from(f"!{count}Q", self.store, offset)
            for tag, kind, offset, count in self.entries
            if tag in names and kind == INT64
        }

    def _bad(self, why: str) -> BadInput:
        return BadInput(self.name, f"damaged: its {self.what} {why}")

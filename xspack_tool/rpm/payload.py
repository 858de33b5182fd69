"""Streaming through an RPM's cpio payload, never holding more than a block of it.

The header is the measure: a path that it does not name, a size other than it says or a path that comes
twice is refused, so a payload cannot be made to unpack to more than its header admits.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from xspack_tool.errors import BadInput
from xspack_tool.rpm.info import PayloadFile, RpmInfo
from xspack_tool.rpm.read import open_rpm, read_info

_BLOCK = 256 * 1024
#: What xz may take to unpack: `xz -9` needs 65 MiB.
_XZ_MEMORY = 128 * 1024 * 1024
_ZSTD_WINDOW = 128 * 1024 * 1024
_MAX_NAME = 4200
#: How payloads begin, and what rpm calls them; plain cpio is read under any name but is written without one.
_MAGICS = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x5d\x00\x00", "lzma"),
    (b"070701", "none"),
    (b"070702", "none"),
    (b"07070X", "none"),
)
_FIELDS = re.compile(rb"07070[12][0-9A-Fa-f]{104}")


def payload(path: str | Path) -> Iterator[tuple[tuple[PayloadFile, ...], BinaryIO]]:
    """Each regular file of the payload, in its order: the names it has (hard links), and its content.

    The content can be read only until the next step of the iteration; what is not read is passed over.
    Raises BadInput for a payload that is damaged or says other than its header.
    """
    with open_rpm(path) as file:
        info, offset = read_info(file, str(path))
        yield from payload_of(file, info, offset, str(path))


def payload_of(
    file: BinaryIO, info: RpmInfo, offset: int, name: str
) -> Iterator[tuple[tuple[PayloadFile, ...], BinaryIO]]:
    """:func:`payload` of an RPM that is open already and whose header has been read."""
    file.seek(offset)
    if info.payload_format != "cpio":
        raise BadInput(name, f"its payload is {info.payload_format!r}, not cpio")
    begin = file.read(8)
    file.seek(offset)
    kind, said = compression(begin), info.payload_compressor
    if not kind:
        raise BadInput(name, f"truncated or damaged: its payload is not {said}")
    if kind not in (said, "none"):
        raise BadInput(name, f"its payload is {kind}, its header says {said}")
    yield from _Cpio(Uncompressed(file, kind, name), info, name).members()


def compression(begin: bytes) -> str:
    """What a payload (or a module) that begins so is compressed with; empty for what is not known."""
    return next((kind for magic, kind in _MAGICS if begin.startswith(magic)), "")


class _Gzip:
    """zlib with the interface of the decompressors of bz2 and lzma."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def _decompressor(kind: str) -> Any:
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    if kind in ("xz", "lzma"):
        import lzma

        form = lzma.FORMAT_XZ if kind == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMADecompressor(form, memlimit=_XZ_MEMORY)
    return _Gzip()


class Uncompressed:
    """A compressed stream's content, block by block. ``kind`` is one of :func:`compression`'s."""

    def __init__(self, file: BinaryIO, kind: str, name: str) -> None:
        self.name, self._file, self._held = name, file, b""
        self._inflate: Any = None
        if kind == "zstd":
            import zstandard

            self._file = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(file)
        elif kind != "none":
            self._inflate = _decompressor(kind)

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes; none means that the stream is at its end."""
        if not self._held:
            self._held = self._block()
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def exactly(self, count: int) -> bytes:
        """``count`` bytes; BadInput where there are less."""
        parts = []
        while count:
            if not (part := self.read(count)):
                raise BadInput(self.name, "truncated: its payload ends too early")
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes."""
        while count:
            count -= len(self.exactly(min(count, _BLOCK)))

    @property
    def is_whole(self) -> bool:
        """Whether the end that was reached is the end of the compressed stream."""
        return self._inflate is None or bool(self._inflate.eof)

    def finish(self) -> None:
        """Go to the end of the stream, where checksums are; nothing but a little padding may be left."""
        left = _BLOCK
        while part := self.read(left):
            left -= len(part)
            if not left:
                raise BadInput(self.name, "its payload goes on behind its end")
        if not self.is_whole:
            raise BadInput(self.name, "truncated: its payload ends too early")

    def _block(self) -> bytes:
        import lzma

        try:
            if self._inflate is None:
                return self._file.read(_BLOCK)
            return self._inflated()
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as why:
            raise BadInput(self.name, f"damaged payload: {why}") from None
        except Exception as why:
            if type(why).__name__ != "ZstdError":
                raise
            raise BadInput(self.name, f"damaged payload: {why}") from None

    def _inflated(self) -> bytes:
        while not self._inflate.eof:
            data = self._file.read(_BLOCK) if self._inflate.needs_input else b""
            if block := self._inflate.decompress(data, _BLOCK):
                return bytes(block)
            if not data and self._inflate.needs_input:
                break
        return b""


class _Content(io.RawIOBase):
    """The content of one member."""

    def __init__(self, stream: Uncompressed, size: int) -> None:
        self._stream, self.left = stream, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self.left)
        data = self._stream.read(wanted) if wanted else b""
        if wanted and not data:
            raise BadInput(self._stream.name, "truncated: its payload ends too early")
        buffer[: len(data)] = data
        self.left -= len(data)
        return len(data)


class _Cpio:
    """The members of a cpio archive in the "new ASCII" format, held against the header."""

    def __init__(self, stream: Uncompressed, info: RpmInfo, name: str) -> None:
        self.stream, self.name = stream, name
        self.expected = {file.path: file for file in info.files}
        self.waiting: dict[int, list[PayloadFile]] = {}

    def members(self) -> Iterator[tuple[tuple[PayloadFile, ...], BinaryIO]]:
        while (member := self._next()) is not None:
            file, inode, links, size = member
            if file.is_file and links > 1 and size == 0 and file.size > 0:
                self.waiting.setdefault(inode, []).append(file)
                continue
            if size != file.size and not file.is_dir:
                raise BadInput(self.name, f"damaged: {file.path[:80]!r} is not as long as its header says")
            content = _Content(self.stream, size)
            if file.is_file:
                names = (*(self.waiting.pop(inode, []) if links > 1 else []), file)
                yield names, io.BufferedReader(content, max(1, min(size, _BLOCK)))
            self.stream.skip(content.left + -size % 4)
        self.stream.finish()
        if self.waiting:
            raise BadInput(self.name, "damaged: its payload has hard links without content")

    def _next(self) -> tuple[PayloadFile, int, int, int] | None:
        """The next member's entry, inode, count of links and size; None at the archive's end."""
        head = self.stream.exactly(110)
        if not _FIELDS.fullmatch(head):
            what = "files of 4 GiB and more" if head.startswith(b"07070X") else "what is no cpio archive"
            raise BadInput(self.name, f"its payload holds {what}, which xspack does not read")
        fields = [int(head[at : at + 8], 16) for at in range(6, 110, 8)]
        inode, links, size, name_size = fields[0], fields[4], fields[6], fields[11]
        if not 0 < name_size <= _MAX_NAME:
            raise BadInput(self.name, f"damaged: a name of {name_size} bytes in its payload")
        raw = self.stream.exactly(name_size + -(110 + name_size) % 4)[: name_size - 1]
        if raw == b"TRAILER!!!":
            return None
        name = raw.decode("utf-8", "backslashreplace")
        name = name[1:] if name.startswith("./") else name
        found = self.expected.pop(name, None)
        if found is None:
            raise BadInput(self.name, f"its payload holds {name[:80]!r}, which its header does not name so")
        return found, inode, links, size

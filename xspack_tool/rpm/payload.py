"""Streaming through an RPM's cpio payload, never holding more than a block of it.

The header is the measure: a path that it does not name, a size other than it says or a path that comes
twice is refused, so a payload cannot be made to unpack to more than its header admits.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from xspack_tool.binary.compressed import Uncompressed, compression
from xspack_tool.errors import BadInput
from xspack_tool.rpm.info import PayloadFile, RpmInfo
from xspack_tool.rpm.read import open_rpm, read_info

_BLOCK = 256 * 1024
_MAX_NAME = 4200
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
        expected = self.expected.pop(name, None)
        if expected is None:
            raise BadInput(self.name, f"its payload holds {name[:80]!r}, which is not in its header")
        return expected, inode, links, size

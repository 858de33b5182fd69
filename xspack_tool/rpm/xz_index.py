"""Whether an xz stream is whole, told by its index alone (The .xz File Format 1.1.0, 2.1.2 and 4)."""

from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO

_HEADER = _FOOTER = 12
_WORDS = struct.Struct("<II")
#: Of one with a record of 16 bytes for each 6 MiB: far more than any RPM has room for.
_LARGEST = 1 << 24


def is_whole(file: BinaryIO, offset: int) -> bool:
    """Whether the stream that begins at ``offset`` ends where the file does, and has all its blocks.

    The index at its end counts the bytes of each block as they left the compressor, so that one which was not
    written is missed. Nothing is unpacked.
    """
    end = file.seek(0, os.SEEK_END)
    if end - offset < _HEADER + _FOOTER:
        return False
    file.seek(end - _FOOTER)
    footer = file.read(_FOOTER)
    check, backward = _WORDS.unpack(footer[:8])
    size: int = (backward + 1) * 4
    begin = end - _FOOTER - size
    if (
        footer[10:] != b"YZ"
        or zlib.crc32(footer[4:10]) != check
        or begin < offset + _HEADER
        or size > _LARGEST
    ):
        return False
    file.seek(begin)
    index = file.read(size)
    if index[0] or zlib.crc32(index[:-4]) != int.from_bytes(index[-4:], "little"):
        return False
    return offset + _HEADER + _size_of_blocks(index) == begin


def _size_of_blocks(index: bytes) -> int:
    """The bytes of all blocks, each padded to four."""
    count, at = _number(index, 1)
    total = 0
    for _ in range(count):
        unpadded, at = _number(index, at)
        _, at = _number(index, at)
        total += (unpadded + 3) // 4 * 4
    return total


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer, and where the next thing begins."""
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1

"""The archive in an RPM's payload, as rpm 4.18 writes it (lib/cpio.c, lib/rpmfi.c)."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterable, Sequence

from xspack_tool.rpm.contents import File

_TRAILER = b"TRAILER!!!\0"


def write_archive(files: Sequence[File], time: int, large: bool, write: Callable[[bytes], object]) -> int:
    """Write the archive piece by piece and return its size; each file's digest is noted as its content passes.

    ``large`` is for files of 4 GiB, whose entries have no more than their number in the header.
    """
    size = 0

    def put(data: bytes) -> None:
        nonlocal size
        size += len(data)
        write(data)

    for number, file in enumerate(files):
        if file.is_ghost:
            continue
        put(_large_entry(number) if large else _entry(number, file, time))
        digest = hashlib.sha256()
        for block in _blocks(file):
            digest.update(block)
            put(block)
        if file.is_file:
            file.digest = digest.hexdigest().encode()
        if pad := -size % 4:
            put(bytes(pad))
    put(b"070701" + b"%08x" * 13 % (*(0,) * 4, 1, *(0,) * 6, len(_TRAILER), 0) + _TRAILER)
    put(bytes(-size % 4))
    return size


def _blocks(file: File) -> Iterable[bytes]:
    if file.is_file:
        return file.blocks()
    return (file.link,) if file.link else ()


def _entry(number: int, file: File, time: int) -> bytes:
    name = b"." + file.path + b"\0"
    length = 0 if stat.S_ISDIR(file.mode) else file.size
    numbers = (number + 1, file.mode, 0, 0, 1, time, length, 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"%08x" * 13 % numbers + name
    return head + bytes(-len(head) % 4)


def _large_entry(number: int) -> bytes:
    return b"07070X%08x" % number + bytes(2)

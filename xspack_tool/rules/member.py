"""One file of a payload while it is read, shared by all rules that look at it."""

from __future__ import annotations

import tempfile
from functools import cached_property
from typing import BinaryIO

from xspack_tool.errors import BadInput
from xspack_tool.rpm.info import PayloadFile
from xspack_tool.rpm.payload import Uncompressed, compression
from xspack_tool.rules.context import MODULE
from xspack_tool.rules.elf import MAGIC, Elf, read_elf

_HEAD = 4096
_IN_MEMORY = 32 * 1024 * 1024
#: More than any kernel module; what unpacks to more is none.
_MAX_MODULE = 512 * 1024 * 1024


class PayloadMember:
    """A :class:`xspack_tool.rules.context.Member` over the stream of the payload, which can be read once."""

    def __init__(self, file: PayloadFile, stream: BinaryIO, rpm: str) -> None:
        self.file, self.rpm = file, rpm
        self._stream = stream
        self.head = stream.read(_HEAD)

    def content(self, limit: int) -> bytes | None:
        """All its bytes, or None if it has more than ``limit``."""
        if self.file.size > limit:
            return None
        self._spool.seek(0)
        return self._spool.read()

    @cached_property
    def elf(self) -> Elf | None:
        """What it says as an ELF file, None if it is none; a compressed module is unpacked first."""
        if self.head.startswith(MAGIC):
            self._spool.seek(0)
            return read_elf(self._spool)
        kind = compression(self.head)
        if kind in ("", "none") or not MODULE.search(self.file.path):
            return None
        self._spool.seek(0)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as unpacked:
            name = f"{self.rpm}: {self.file.path}"
            _copy(Uncompressed(self._spool, kind, name), unpacked, _MAX_MODULE, name)
            unpacked.seek(0)
            return read_elf(unpacked)  # type: ignore[arg-type]  # an open temporary file is a BinaryIO

    @cached_property
    def _spool(self) -> BinaryIO:
        spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # close() closes it
        spool.write(self.head)
        while block := self._stream.read(256 * 1024):
            spool.write(block)
        return spool  # type: ignore[return-value]  # an open temporary file is a BinaryIO

    def close(self) -> None:
        """Give back what was spooled."""
        if "_spool" in self.__dict__:
            self._spool.close()


def _copy(source: Uncompressed, target: tempfile.SpooledTemporaryFile[bytes], limit: int, name: str) -> None:
    while block := source.read(256 * 1024):
        limit -= len(block)
        if limit < 0:
            raise BadInput(name, "unpacks to more than any module has")
        target.write(block)
    if not source.is_whole:
        raise BadInput(name, "truncated: it ends too early")

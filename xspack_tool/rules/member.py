"""One file of a payload while it is read, shared by all rules that look at it."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from functools import cached_property
from typing import BinaryIO

from xspack_tool.binary.compressed import compression
from xspack_tool.binary.elf import MAGIC, Elf, read_elf
from xspack_tool.binary.module import MODULE, plain_module
from xspack_tool.errors import BadInput
from xspack_tool.rpm.info import PayloadFile

_HEAD = 4096
_IN_MEMORY = 32 * 1024 * 1024


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
        is_module = MODULE.search(self.file.path) is not None
        if not self.head.startswith(MAGIC) and not (is_module and compression(self.head)):
            return None
        self._spool.seek(0)
        name = f"{self.rpm}: {self.file.path}"
        with plain_module(name, self._spool) if is_module else nullcontext(self._spool) as plain:
            try:
                return read_elf(plain, name)
            except BadInput:
                return None  # data may begin so by chance

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

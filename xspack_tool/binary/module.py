"""What a compiled kernel module declares: its .modinfo section and the CRCs it was linked with.

This is the one reader of modules, plain or compressed, wherever they lie.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from msgspec import Struct

from xspack_tool.binary.compressed import Uncompressed, compression
from xspack_tool.binary.elf import MAGIC, read_elf
from xspack_tool.binary.signature import Signature
from xspack_tool.errors import BadInput

#: A module's file, plain or compressed, as depmod takes it.
MODULE = re.compile(r"\.ko(?:\.(?:gz|xz|bz2|zst))?$")
#: More than any kernel module has, unpacked.
MAX_MODULE = 256 * 1024 * 1024
_IN_MEMORY = 32 * 1024 * 1024
_BLOCK = 256 * 1024


class ModuleInfo(Struct, frozen=True):
    """A module's own words, by key, in their order; ``versions`` are the CRCs of the symbols it imports."""

    file: str
    fields: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, int]
    #: The variant that its note for XenServer names, and what is appended to it as its signature.
    variant: str = ""
    signature: Signature | None = None

    @property
    def name(self) -> str:
        """Its name as the kernel knows it, with ``_`` for ``-``; from the file's name before Linux 4.13."""
        return self._first("name") or PurePosixPath(self.file).name.split(".")[0].replace("-", "_")

    @property
    def vermagic(self) -> str:
        """The kernel it was built for and that kernel's flags."""
        return self._first("vermagic")

    @property
    def kernel(self) -> str:
        """The kernel version (`uname -r`) in vermagic."""
        return self.vermagic.split(" ")[0]

    @property
    def aliases(self) -> tuple[str, ...]:
        """The patterns of the devices it claims."""
        return self.fields.get("alias", ())

    @property
    def firmware(self) -> tuple[str, ...]:
        """The firmware files it may ask for, relative to /lib/firmware."""
        return self.fields.get("firmware", ())

    @property
    def depends(self) -> tuple[str, ...]:
        """The modules whose symbols it uses."""
        return tuple(name for name in self._first("depends").split(",") if name)

    @property
    def license(self) -> str:
        """The text of MODULE_LICENSE."""
        return self._first("license")

    @property
    def version(self) -> str:
        """The text of MODULE_VERSION, empty where it has none."""
        return self._first("version")

    @property
    def srcversion(self) -> str:
        """modpost's sum of its sources, empty where the kernel does not make one."""
        return self._first("srcversion")

    def _first(self, key: str) -> str:
        return self.fields.get(key, ("",))[0]


def read_module(path: Path) -> ModuleInfo:
    """Read a module file; raises BadInput if it is none, damaged, or beyond all bounds."""
    try:
        with path.open("rb") as file:
            return parse_module(path.name, file)
    except OSError as failure:
        raise BadInput(path, f"cannot be read: {failure.strerror or failure}") from failure
    except BadInput as bad:
        raise BadInput(path, bad.why) from bad


def parse_module(name: str, file: BinaryIO) -> ModuleInfo:
    """Read a module out of an open file. Raises BadInput."""
    with plain_module(name, file) as plain:
        elf = read_elf(plain, name)
    if not elf.is_relocatable:
        raise BadInput(name, "an ELF file, but not a kernel module")
    if not elf.modinfo:
        raise BadInput(name, "an ELF file, but not a kernel module: it has no .modinfo")
    return ModuleInfo(name, elf.modinfo, elf.versions, elf.variant, elf.signature)


@contextmanager
def plain_module(name: str, file: BinaryIO) -> Iterator[BinaryIO]:
    """A module's file, unpacked. Its content tells how it is compressed, as kmod sees it, and not its name. Raises
    BadInput."""
    begin = file.read(8)
    kind = "none" if begin.startswith(MAGIC) else compression(begin)
    # Python 3.10's spooled files seek, and have no method that says so.
    if kind == "none" and (isinstance(file, tempfile.SpooledTemporaryFile) or file.seekable()):
        yield file
        return
    if not kind or (kind == "none" and not begin.startswith(MAGIC)):
        raise BadInput(name, "not an ELF file, or damaged")
    stream = Uncompressed(_Whole(begin, file), kind, name)  # type: ignore[arg-type]  # it is read alone
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as plain:
        left = MAX_MODULE
        while block := stream.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise BadInput(name, f"unpacks to more than {MAX_MODULE // 2**20} MiB")
            plain.write(block)
        if not stream.is_whole:
            raise BadInput(name, "truncated: it ends too early")
        plain.seek(0)
        yield plain  # type: ignore[misc]  # an open temporary file is a BinaryIO


class _Whole:
    """A file whose first bytes were read already."""

    def __init__(self, begin: bytes, file: BinaryIO) -> None:
        self._begin, self._file = begin, file

    def read(self, count: int = -1) -> bytes:
        taken, self._begin = self._begin, b""
        return taken or self._file.read(count)

"""What a compiled kernel module says of itself: its .modinfo section and the CRCs it was linked with."""

from __future__ import annotations

import io
import lzma
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from xspack_tool.errors import BadInput

#: A module's file, plain or compressed as depmod takes it.
MODULE = re.compile(r"\.ko(?P<compression>\.(?:gz|xz|bz2|zst))?$")
#: Bounds against hostile files; stripped modules stay far below (amdgpu: 20 MB, 70 sections).
MAX_MODULE, MAX_SECTION, MAX_SECTIONS = 256 * 1024 * 1024, 16 * 1024 * 1024, 20_000

#: zlib's window bits for a gzip header.
_GZIP = 31


@dataclass(frozen=True)
class ModuleInfo:
    """A module's own words, by key, in their order; ``versions`` are the CRCs of the symbols it imports."""

    file: str
    fields: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, int]

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
    """Read a module out of an open, seekable file; ``name`` tells its compression. Raises BadInput."""
    from elftools.elf.elffile import ELFFile

    found = MODULE.search(name)
    plain = _plain(name, file, (found["compression"] or "") if found else "")
    try:
        elf = ELFFile(plain)
        if elf["e_type"] != "ET_REL" or elf.num_sections() > MAX_SECTIONS:
            raise BadInput(name, "an ELF file, but no kernel module")
        modinfo, versions = (_content(elf, section) for section in (".modinfo", "__versions"))
    except BadInput:
        raise
    except Exception as failure:  # pyelftools fails in many ways on damaged files; all mean the same
        raise BadInput(name, "no ELF file, or a damaged one") from failure
    if modinfo is None:
        raise BadInput(name, "an ELF file, but no kernel module: it has no .modinfo")
    return ModuleInfo(name, _modinfo(modinfo), _versions(versions or b"", elf.little_endian, elf.elfclass))


def _plain(name: str, file: BinaryIO, compression: str) -> BinaryIO:
    """The uncompressed module, within bounds."""
    if not compression:
        return file
    stream: Any
    if compression == ".gz":
        stream = zlib.decompressobj(_GZIP)
    elif compression == ".xz":
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_MODULE)
    else:
        raise BadInput(name, f"a module compressed as {compression}, which is not read here: unpack it first")
    try:
        content = stream.decompress(file.read(MAX_MODULE), MAX_MODULE)
    except (zlib.error, lzma.LZMAError, MemoryError) as failure:
        raise BadInput(name, "its compression is damaged") from failure
    if not stream.eof:
        why = (
            f"unpacks to more than {MAX_MODULE // 2**20} MiB" if len(content) == MAX_MODULE else "is cut off"
        )
        raise BadInput(name, why)
    return io.BytesIO(content)


def _content(elf: Any, name: str) -> bytes | None:
    section = elf.get_section_by_name(name)
    if section is None:
        return None
    # Of a compressed section it is the unpacked size.
    if section.data_size > MAX_SECTION:
        raise BadInput(name, f"a section of more than {MAX_SECTION // 2**20} MiB")
    return bytes(section.data())


def _modinfo(data: bytes) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for item in data.split(b"\0"):
        key, sign, value = item.decode("utf-8", "backslashreplace").partition("=")
        if sign:
            found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def _versions(data: bytes, little_endian: bool, bits: int) -> dict[str, int]:
    """``struct modversion_info``: an unsigned long, and the name in the rest of 64 bytes."""
    width = bits // 8
    entry = struct.Struct(f"{'<' if little_endian else '>'}{'Q' if width == 8 else 'I'}{64 - width}s")
    rows = entry.iter_unpack(data[: len(data) // entry.size * entry.size])
    return {
        symbol.split(b"\0")[0].decode("ascii", "backslashreplace"): crc & 0xFFFFFFFF for crc, symbol in rows
    }

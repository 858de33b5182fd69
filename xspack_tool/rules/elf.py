"""What the rules need to know of an ELF file, read with pyelftools, within bounds."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

MAGIC = b"\x7fELF"
_MAX_SECTIONS, _MAX_NEEDS, _MAX_SECTION = 20_000, 20_000, 16 * 1024 * 1024


@dataclass(frozen=True)
class Elf:
    """``machine`` is as in elf.h (``EM_X86_64``); ``needs`` are (library, symbol version) pairs; ``modinfo``
    a module's own words; ``versions`` the CRC of each symbol that a module imports."""

    machine: str
    needs: tuple[tuple[str, str], ...]
    modinfo: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, int]

    @property
    def vermagic(self) -> str:
        """The kernel version that the module was built for: vermagic without its flags."""
        return " ".join(self.modinfo.get("vermagic", ("",))[0].split()[:1])


def read_elf(file: BinaryIO) -> Elf | None:
    """What an ELF file says; None for what begins as one and is none (data may begin so by chance)."""
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(file)
        machine = elf["e_machine"]
        if elf.num_sections() > _MAX_SECTIONS:
            return None
        content = {name: _content(elf, name) for name in (".modinfo", "__versions")}
        return Elf(
            machine if isinstance(machine, str) else f"EM_{machine}",
            tuple(sorted(set(itertools.islice(_needs(elf), _MAX_NEEDS)))),
            _modinfo(content[".modinfo"]),
            _versions(content["__versions"], elf.little_endian, elf.elfclass),
        )
    except Exception:  # pyelftools fails in many ways on damaged files; all mean the same
        return None


def _content(elf: Any, name: str) -> bytes:
    section = elf.get_section_by_name(name)
    if section is None or section["sh_size"] > _MAX_SECTION:
        return b""
    return bytes(section.data())


def _needs(elf: Any) -> Iterator[tuple[str, str]]:
    section = elf.get_section_by_name(".gnu.version_r")
    if section is None:
        return
    for library, versions in itertools.islice(section.iter_versions(), _MAX_NEEDS):
        for version in itertools.islice(versions, _MAX_NEEDS):
            yield library.name, version.name


def _modinfo(data: bytes) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for item in data.split(b"\0"):
        key, sign, value = item.decode("utf-8", "backslashreplace").partition("=")
        if sign:
            found[key] = (*found.get(key, ()), value)
    return found


def _versions(data: bytes, little_endian: bool, bits: int) -> dict[str, int]:
    """``struct modversion_info``: an unsigned long, and the name in what is left of 64 bytes."""
    width = bits // 8
    entry = struct.Struct(f"{'<' if little_endian else '>'}{'Q' if width == 8 else 'I'}{64 - width}s")
    whole = data[: len(data) // entry.size * entry.size]
    rows = entry.iter_unpack(whole)
    return {name.split(b"\0")[0].decode("ascii", "backslashreplace"): crc & 0xFFFFFFFF for crc, name in rows}

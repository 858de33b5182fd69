"""What is to be known of an ELF file, read with pyelftools, within bounds."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from msgspec import Struct

from xspack_tool.binary.signature import Signature, read_signature
from xspack_tool.errors import BadInput

MAGIC = b"\x7fELF"
#: Bounds against hostile files; stripped modules stay far below (amdgpu: 20 MB, 70 sections).
MAX_SECTION = 16 * 1024 * 1024
_MAX_SECTIONS, _MAX_NEEDS = 20_000, 20_000
#: The note of a multi-version driver's module, as xcp/dmv.py reads it from /sys/module/<name>/notes.
NOTE_SECTION, NOTE_OWNER, NOTE_TYPE = ".note.XenServer", "XenServer", 1
_MAX_NOTES = 3


class Elf(Struct, frozen=True):
    """``machine`` is as in elf.h (``EM_X86_64``); ``needs`` are (library, symbol version) pairs; ``modinfo``
    a module's own words; ``versions`` the CRC of each symbol that a module imports; ``soname``
    is the name that a library gives itself, ``needed`` are those that the loader looks for."""

    machine: str
    needs: tuple[tuple[str, str], ...]
    modinfo: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, int]
    is_relocatable: bool = False
    soname: str = ""
    needed: tuple[str, ...] = ()
    #: The variant that a module's note for XenServer names; empty without one.
    variant: str = ""
    #: Of a module, where there is one.
    signature: Signature | None = None

    @property
    def vermagic(self) -> str:
        """The kernel version that the module was built for: vermagic without its flags."""
        return " ".join(self.modinfo.get("vermagic", ("",))[0].split()[:1])


def read_elf(file: BinaryIO, name: str) -> Elf:
    """What an ELF file says; ``name`` is for messages. Raises BadInput for what is none, or is beyond all bounds."""
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(file)
        machine = elf["e_machine"]
        if elf.num_sections() > _MAX_SECTIONS:
            raise BadInput(name, f"an ELF file of more than {_MAX_SECTIONS} sections")
        wanted = (".modinfo", "__versions", NOTE_SECTION)
        modinfo, versions, note = (_content(elf, name, section) for section in wanted)
        return Elf(
            machine if isinstance(machine, str) else f"EM_{machine}",
            tuple(sorted(set(itertools.islice(_needs(elf), _MAX_NEEDS)))),
            _modinfo(modinfo or b""),
            _versions(versions or b"", elf.little_endian, elf.elfclass),
            elf["e_type"] == "ET_REL",
            *_dynamic(elf),
            _variant(note or b"", elf.little_endian),
            read_signature(file),
        )
    except BadInput:
        raise
    except Exception as failure:  # pyelftools fails in many ways on damaged files; all mean the same
        raise BadInput(name, "not an ELF file, or damaged") from failure


def _content(elf: Any, name: str, section_name: str) -> bytes | None:
    section = elf.get_section_by_name(section_name)
    if section is None:
        return None
    # Of a compressed section it is the unpacked size.
    if section.data_size > MAX_SECTION:
        raise BadInput(name, f"a section of more than {MAX_SECTION // 2**20} MiB")
    return bytes(section.data())


def _needs(elf: Any) -> Iterator[tuple[str, str]]:
    section = elf.get_section_by_name(".gnu.version_r")
    if section is None:
        return
    for library, versions in itertools.islice(section.iter_versions(), _MAX_NEEDS):
        for version in itertools.islice(versions, _MAX_NEEDS):
            yield library.name, version.name


def _dynamic(elf: Any) -> tuple[str, tuple[str, ...]]:
    """The SONAME and the DT_NEEDED of a library or program."""
    section = elf.get_section_by_name(".dynamic")
    if section is None or section["sh_type"] == "SHT_NOBITS":
        return "", ()
    soname, needed = "", []
    for tag in itertools.islice(section.iter_tags(), _MAX_NEEDS):
        if tag.entry.d_tag == "DT_SONAME":
            soname = tag.soname
        elif tag.entry.d_tag == "DT_NEEDED":
            needed.append(tag.needed)
    return soname, tuple(dict.fromkeys(needed))


def _modinfo(data: bytes) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for item in data.split(b"\0"):
        key, sign, value = item.decode("utf-8", "backslashreplace").partition("=")
        if sign:
            found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def _variant(data: bytes, little_endian: bool) -> str:
    """The text of the first note of XenServer's type among the first three, as dmv.py looks for it: the owner is
    compared with all its bytes, so one that ends with a zero byte is none."""
    head = struct.Struct("<III" if little_endian else ">III")
    for _ in range(_MAX_NOTES):
        if len(data) < head.size:
            break
        owner_size, size, kind = head.unpack_from(data)
        begin = head.size + -(-owner_size // 4) * 4
        if kind == NOTE_TYPE and data[head.size : head.size + owner_size] == NOTE_OWNER.encode():
            return data[begin : begin + size].split(b"\0")[0].decode("ascii", "backslashreplace")
        data = data[begin + -(-size // 4) * 4 :]
    return ""


def _versions(data: bytes, little_endian: bool, bits: int) -> dict[str, int]:
    """``struct modversion_info``: an unsigned long, and the name in what is left of 64 bytes."""
    width = bits // 8
    entry = struct.Struct(f"{'<' if little_endian else '>'}{'Q' if width == 8 else 'I'}{64 - width}s")
    whole = data[: len(data) // entry.size * entry.size]
    rows = entry.iter_unpack(whole)
    return {name.split(b"\0")[0].decode("ascii", "backslashreplace"): crc & 0xFFFFFFFF for crc, name in rows}

"""One variant of a multi-version driver, as XenServer 9 lets an administrator select it: what lies beside its
modules and in them (``xcp/dmv.py`` of xcp-python-libs, which driver-tool is made of, reads both)."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable

from msgspec import Struct

from xspack_tool.binary.elf import NOTE_OWNER, NOTE_SECTION, NOTE_TYPE
from xspack_tool.binary.module import ModuleInfo
from xspack_tool.ddk.alias import parse_alias
from xspack_tool.errors import Problem

#: The folder below /lib/modules/<kernel> that driver-tool looks through.
FOLDER = "dmv"
INFO = "info.json"
#: What xapi passes on to driver-tool, and what dmv.py takes besides.
NAME = re.compile(r"[A-Za-z0-9_.@-]+")
#: ELF's numbers for machines (elf.h), by the kernel's names of architectures.
_MACHINES = {"x86_64": 62, "aarch64": 183}
_ALIGNED = 4


class Variant(Struct, frozen=True):
    """What info.json says of a variant besides its devices. ``driver`` and ``version`` are folders, too."""

    driver: str
    version: str
    variant: str
    category: str
    description: str
    priority: int
    status: str

    def problems(self) -> list[Problem]:
        """What no host could select it by."""
        problems = []
        for field, value in (("name", self.driver), ("variant", self.variant), ("version", self.version)):
            if not NAME.fullmatch(value):
                rule = "must be letters, digits and _ . @ (xapi refuses others)"
                problems.append(Problem(field, value, rule, "rename it"))
        for field, value in (
            ("category", self.category),
            ("status", self.status),
            ("description", self.description),
        ):
            if not value.isascii() or not value.isprintable():
                problems.append(
                    Problem(
                        field, value, "must be one line of ASCII text, as info.json holds it", "write it so"
                    )
                )
        return problems

    @property
    def place(self) -> str:
        """Its folder below /lib/modules/<kernel>."""
        return f"{FOLDER}/{self.driver}/{self.version}"

    def info_json(self, modules: Iterable[ModuleInfo]) -> str:
        """The text of info.json; every module is a key of ``pci_ids``, since selection looks modules up by it."""
        data = {
            "name": self.driver,
            "category": self.category,
            "description": self.description,
            "variant": self.variant,
            "version": self.version,
            "priority": self.priority,
            "status": self.status,
            "pci_ids": {module.file: _pci_ids(module) for module in modules},
        }
        return json.dumps(data, indent=4, sort_keys=True, ensure_ascii=True) + "\n"


def _pci_ids(module: ModuleInfo) -> list[dict[str, str]]:
    devices = {device for alias in module.aliases if (device := parse_alias(alias)) and device.bus == "pci"}
    return [
        {
            "vendor_id": device.vendor,
            "device_id": device.device,
            "subvendor_id": device.subvendor,
            "subdevice_id": device.subdevice,
        }
        for device in sorted(devices)
    ]


def note_object(variant: str, arch: str) -> bytes:
    """An object file with nothing but the notes by which a host knows the variant of a loaded module. kbuild links it
    into each module (``LDFLAGS_MODULE``), without a change of the driver's sources. Raises KeyError for an
    architecture that no release has."""
    # dmv.py takes an owner without the zero byte that ends it alone; others count that byte, as most notes do.
    note = _note(NOTE_OWNER.encode(), variant) + _note(NOTE_OWNER.encode() + b"\0", variant)
    names = b"\0" + NOTE_SECTION.encode() + b"\0.shstrtab\0.note.GNU-stack\0"
    at_note = 64
    at_names = at_note + len(note)
    at_sections = -(-(at_names + len(names)) // 8) * 8
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        *(1, _MACHINES[arch], 1, 0, 0, at_sections, 0, 64, 0, 0, 64, 4, 2),
    )
    name_of_names = 1 + len(NOTE_SECTION) + 1
    sections = [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (1, 7, 2, 0, at_note, len(note), 0, 0, _ALIGNED, 0),  # SHT_NOTE, SHF_ALLOC
        (name_of_names, 3, 0, 0, at_names, len(names), 0, 0, 1, 0),  # SHT_STRTAB
        (name_of_names + len(".shstrtab") + 1, 1, 0, 0, at_sections, 0, 0, 0, 1, 0),
    ]
    body = (header + note + names).ljust(at_sections, b"\0")
    return body + b"".join(struct.pack("<IIQQQQIIQQ", *section) for section in sections)


def _note(owner: bytes, text: str) -> bytes:
    words = text.encode("ascii") + b"\0"
    head = struct.pack("<III", len(owner), len(words), NOTE_TYPE)
    return head + _padded(owner) + _padded(words)


def _padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // _ALIGNED) * _ALIGNED, b"\0")

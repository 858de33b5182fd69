"""The kernel modules in packs and in RPMs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from msgspec import Struct

from xspack_tool.binary.module import MODULE, ModuleInfo, parse_module
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.reading import payloads
from xspack_tool.model.driver import VARIANT
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rpm.payload import payload_of
from xspack_tool.rpm.read import read_info
from xspack_tool.rules.context import modules_of

#: What info.json says of a variant, in the order in which it is shown.
INFO_KEYS = ("variant", "version", "priority", "status", "category", "description")
_LARGEST = 1 << 20


class PackedVariant(Struct, frozen=True):
    """A variant of a driver in a pack: its folder, and what its info.json says; empty where that says nothing."""

    kernel: str
    driver: str
    folder: str
    info: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """It as JSON's types."""
        return {"kernel": self.kernel, "driver": self.driver, "folder": self.folder, **self.info}


def variants_of_pack(pack: ParsedPack) -> list[PackedVariant]:
    """The variants of drivers in a pack, by kernel, driver and folder. Raises BadInput for an RPM that is damaged."""
    variants = []
    for rpm, file in payloads(pack, lambda info: bool(_info_files(info))):
        info, offset = read_info(file, rpm.path)
        wanted = _info_files(info)
        for names, content in payload_of(file, info, offset, rpm.path):
            for path in [entry.path for entry in names if entry.path in wanted]:
                place = VARIANT.match(path)
                assert place is not None  # it was wanted for that
                said = _read_info(content.read(_LARGEST))
                variants.append(PackedVariant(place["kernel"], place["driver"], place["version"], said))
    return sorted(variants, key=lambda variant: (variant.kernel, variant.driver, variant.folder))


def _info_files(info: RpmInfo) -> set[str]:
    return {
        file.path
        for file in info.files
        if file.is_file and (place := VARIANT.match(file.path)) and place["rest"] == "info.json"
    }


def _read_info(content: bytes) -> dict[str, Any]:
    """Those of an info.json; rule M1 says what is wrong with another one."""
    try:
        data = json.loads(content.decode("ascii"))
    except (ValueError, RecursionError):
        return {}
    return (
        {key: data[key] for key in INFO_KEYS if isinstance(data.get(key), str | int)}
        if isinstance(data, dict)
        else {}
    )


def modules_of_pack(pack: ParsedPack) -> Iterator[ModuleInfo]:
    """The modules in all RPMs of a pack. Raises BadInput for one that is damaged."""
    for rpm, file in payloads(pack, lambda info: bool(modules_of(info))):
        yield from modules_of_rpm(file, rpm.path)


def modules_of_rpm(file: BinaryIO, name: str) -> Iterator[ModuleInfo]:
    """The modules in an RPM that is open. Raises BadInput for one that is damaged."""
    info, offset = read_info(file, name)
    wanted = {module.path for module in modules_of(info)}
    if not wanted:
        return
    for names, content in payload_of(file, info, offset, name):
        for entry in names:
            if entry.path in wanted and MODULE.search(entry.path):
                yield parse_module(entry.path, content)
                break

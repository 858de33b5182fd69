"""The kernel modules in packs and in RPMs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from xspack_tool.binary.module import MODULE, ModuleInfo, parse_module
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.reading import payloads
from xspack_tool.rpm.payload import payload_of
from xspack_tool.rpm.read import read_info
from xspack_tool.rules.context import modules_of


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

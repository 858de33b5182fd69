"""The kernel modules in packs, in RPMs, and as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from xspack_tool.binary.module import MODULE, ModuleInfo, parse_module, read_module
from xspack_tool.errors import BadInput
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.reading import open_pack, payloads
from xspack_tool.rpm.payload import payload_of
from xspack_tool.rpm.read import open_rpm, read_info
from xspack_tool.rules.context import modules_of

#: How an ISO and an RPM begin, and where (ECMA-119 8.1; rpm's lead).
_ISO_AT, _ISO, _RPM = 0x8001, b"CD001", b"\xed\xab\xee\xdb"


def modules_of_pack(pack: ParsedPack) -> Iterator[ModuleInfo]:
    """The modules in all RPMs of a pack. Raises BadInput for one that is damaged."""
    for rpm, file in payloads(pack, lambda info: bool(modules_of(info))):
        yield from _modules(file, rpm.path)


def modules_of_file(path: Path) -> Iterator[ModuleInfo]:
    """The modules in an ISO, an RPM or a module file, whichever it is. Raises BadInput."""
    try:
        with open(path, "rb") as file:
            begin = file.read(4)
            file.seek(_ISO_AT)
            is_iso = file.read(5) == _ISO
    except OSError as error:
        raise BadInput(path, error.strerror or "cannot be read") from None
    if is_iso:
        yield from modules_of_pack(open_pack(path))
    elif begin == _RPM:
        with open_rpm(path) as rpm:
            yield from _modules(rpm, str(path))
    else:
        yield read_module(path)


def _modules(file: BinaryIO, name: str) -> Iterator[ModuleInfo]:
    info, offset = read_info(file, name)
    wanted = {module.path for module in modules_of(info)}
    if not wanted:
        return
    for names, content in payload_of(file, info, offset, name):
        for entry in names:
            if entry.path in wanted and MODULE.search(entry.path):
                yield parse_module(entry.path, content)
                break

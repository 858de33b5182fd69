"""The kernel modules in files, whatever they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xspack_tool.binary.module import ModuleInfo, read_module
from xspack_tool.errors import BadInput
from xspack_tool.evidence.modules import modules_of_pack, modules_of_rpm
from xspack_tool.hosts.reading import open_pack
from xspack_tool.rpm.read import open_rpm

#: How an ISO and an RPM begin, and where (ECMA-119 8.1; rpm's lead).
_ISO_AT, _ISO, _RPM = 0x8001, b"CD001", b"\xed\xab\xee\xdb"


def modules_of_file(path: Path) -> Iterator[ModuleInfo]:
    """The modules in an ISO, an RPM or a module file, whichever it is. Raises BadInput."""
    begin, volume = _begins(path)
    if volume == _ISO:
        yield from modules_of_pack(open_pack(path))
    elif begin == _RPM:
        with open_rpm(path) as rpm:
            yield from modules_of_rpm(rpm, str(path))
    else:
        yield read_module(path)


def is_rpm(path: Path) -> bool:
    """Whether a file begins as an RPM does. Raises BadInput where it cannot be read."""
    return _begins(path)[0] == _RPM


def _begins(path: Path) -> tuple[bytes, bytes]:
    """What tells what a file is: its first bytes, and those where an ISO says that it is one."""
    try:
        with open(path, "rb") as file:
            begin = file.read(4)
            file.seek(_ISO_AT)
            return begin, file.read(5)
    except OSError as error:
        raise BadInput(path, error.strerror or "cannot be read") from None

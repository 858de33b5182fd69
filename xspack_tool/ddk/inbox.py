"""The devices that a release drives already, from whichever list of it there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from xspack_tool.binary.module import MODULE, read_module
from xspack_tool.ddk.alias import covers, overlap, parse_alias
from xspack_tool.errors import BadInput
from xspack_tool.files import first_bytes

#: A release's modules.alias has about 2 MB.
_MAX_LIST = 256 * 1024 * 1024
_LISTS = ("modules.alias", "modules.builtin.modinfo", "modules.builtin.alias", "modules.pcimap")


class Inbox:
    """Which modules of a release claim a device."""

    def __init__(self, claims: Iterable[tuple[str, str]]) -> None:
        """``claims`` are (alias, module); those of other buses than PCI, USB and HID are left out."""
        self._claims: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for alias, module in sorted(set(claims)):
            if found := parse_alias(alias):
                self._claims.setdefault((found.bus, found.vendor), []).append(
                    (alias, module.replace("-", "_"))
                )

    @property
    def is_empty(self) -> bool:
        """Whether it claims nothing."""
        return not self._claims

    def drivers(self, alias: str) -> tuple[str, ...]:
        """The modules that claim a device which the pattern ``alias`` claims, sorted.

        Two claims meet if both name the same vendor and device, and no other field tells them apart. A claim
        by class alone (AHCI, xHCI) meets one that it covers wholly: the class of a device that is claimed by
        its ids is not known here.
        """
        wanted = parse_alias(alias)
        if wanted is None:
            return ()
        drivers = set()
        for vendor in {wanted.vendor, "*"}:
            for pattern, module in self._claims.get((wanted.bus, vendor), ()):
                known = parse_alias(pattern)
                same = (
                    known is not None
                    and "*" not in (wanted.vendor, wanted.device)
                    and ((known.vendor, known.device) == (wanted.vendor, wanted.device))
                )
                if overlap(pattern, alias) if same else covers(pattern, alias):
                    drivers.add(module)
        return tuple(sorted(drivers))


def read_inbox(path: Path) -> Inbox:
    """The inbox of a release: out of its modules.alias, modules.builtin.modinfo or modules.pcimap (told apart
    by their content), of a folder with those, or of one with modules. Raises BadInput.
    """
    return Inbox(_claims(path))


def named_inbox(path: Path) -> Inbox:
    """The inbox of a release that the user named: one that claims nothing is none, and would let every driver pass.
    Raises BadInput."""
    inbox = read_inbox(path)
    if inbox.is_empty:
        raise BadInput(path, "names no PCI, USB or HID device")
    return inbox


def _claims(path: Path) -> Iterator[tuple[str, str]]:
    files = inbox_files(path)
    if not path.is_dir() or files[0].name in _LISTS:
        for file in files:
            yield from _read_list(file)
        return
    for info in map(read_module, files):
        for alias in info.aliases:
            yield alias, info.name


def inbox_files(path: Path) -> list[Path]:
    """The files that an inbox is read from. Raises BadInput."""
    if not path.is_dir():
        return [path]
    lists = [path / name for name in _LISTS if (path / name).is_file()]
    modules = lists or sorted(
        name for name in path.rglob("*.ko*") if MODULE.search(name.name) and name.is_file()
    )
    if not modules:
        raise BadInput(path, f"a folder with neither modules nor one of {', '.join(_LISTS)}")
    return modules


def _read_list(path: Path) -> Iterator[tuple[str, str]]:
    try:
        data = first_bytes(path, _MAX_LIST + 1)
    except OSError as failure:
        raise BadInput(path, f"cannot be read: {failure.strerror or failure}") from failure
    if len(data) > _MAX_LIST:
        raise BadInput(path, f"a list of more than {_MAX_LIST // 2**20} MiB")
    if b"\0" in data:
        return _builtin(data)
    lines = data.decode("utf-8", "backslashreplace").splitlines()
    words = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if all(line[0] == "alias" and len(line) >= 3 for line in words):
        # An alias may hold blanks, a module's name does not.
        return ((" ".join(line[1:-1]), line[-1]) for line in words)
    if all(len(line) == 8 and line[1].startswith("0x") for line in words):
        return _pcimap(path, words)
    raise BadInput(path, f"none of {', '.join(_LISTS)}")


def _builtin(data: bytes) -> Iterator[tuple[str, str]]:
    """modules.builtin.modinfo: ``module.key=value``, each ended by NUL."""
    for item in data.decode("utf-8", "backslashreplace").split("\0"):
        key, _, value = item.partition("=")
        module, _, name = key.partition(".")
        if name == "alias":
            yield value, module


def _pcimap(path: Path, rows: list[list[str]]) -> Iterator[tuple[str, str]]:
    """modules.pcimap of older depmods: module vendor device subvendor subdevice class class_mask data."""
    for module, *columns in rows:
        try:
            *ids, number, mask, _ = (int(column, 16) for column in columns)
        except ValueError as failure:
            raise BadInput(path, f"the line of module {module!r} must hold numbers alone") from failure
        texts = ["*" if value & 0xFFFFFFFF == 0xFFFFFFFF else f"{value & 0xFFFFFFFF:08X}" for value in ids]
        parts = [
            "*" if mask >> shift & 0xFF == 0 else f"{number >> shift & 0xFF:02X}" for shift in (16, 8, 0)
        ]
        yield "pci:v{}d{}sv{}sd{}bc{}sc{}i{}*".format(*texts, *parts), module

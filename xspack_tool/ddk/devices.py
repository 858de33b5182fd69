"""The table of devices that drivers claim: ids, names, and who drives them already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict

from xspack_tool.binary.module import ModuleInfo
from xspack_tool.ddk.alias import DeviceId, parse_alias
from xspack_tool.ddk.inbox import Inbox
from xspack_tool.errors import columns
from xspack_tool.files import first_bytes

#: Where distributions put the lists of names, by bus.
_NAME_FILES = {
    bus: tuple(
        Path(folder, f"{bus}.ids") for folder in ("/usr/share/hwdata", "/usr/share/misc", "/var/lib/usbutils")
    )
    for bus in ("pci", "usb")
}
_MAX_NAMES = 64 * 1024 * 1024


class DeviceNames(Struct, frozen=True):
    """Names of vendors and devices, by bus and id; empty where the machine has no lists."""

    vendors: Mapping[tuple[str, str], str] = field(default_factory=dict)
    devices: Mapping[tuple[str, str, str], str] = field(default_factory=dict)


class DeviceRow(Struct, frozen=True, order=True):
    """One device that a module claims. ``inbox`` are the modules of the release that claim it, too."""

    id: DeviceId
    module: str
    vendor_name: str = ""
    device_name: str = ""
    inbox: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    #: Of which variant of a driver the module is.
    variant: str = ""

    def as_json(self) -> dict[str, Any]:
        """The row as JSON's types."""
        ids = asdict(self.id)
        rest = {name: value for name, value in asdict(self).items() if name != "id"}
        return {
            **ids,
            **{key: list(value) if isinstance(value, tuple) else value for key, value in rest.items()},
        }


def device_table(
    modules: Iterable[ModuleInfo], inbox: Inbox | None = None, names: DeviceNames | None = None
) -> tuple[DeviceRow, ...]:
    """A row for each device of each module, sorted by bus and ids. Aliases that differ in nothing that a row
    shows (USB device releases) share one."""
    names = names or DeviceNames()
    claims: dict[tuple[DeviceId, str, str], set[str]] = {}
    for module in modules:
        for alias in module.aliases:
            if device := parse_alias(alias):
                claims.setdefault((device, module.name, module.variant), set()).add(alias)
    rows = []
    for (device, module_name, variant), aliases in claims.items():
        bus = "pci" if device.bus == "pci" else "usb"
        rows.append(
            DeviceRow(
                device,
                module_name,
                names.vendors.get((bus, device.vendor), ""),
                names.devices.get((bus, device.vendor, device.device), ""),
                tuple(sorted({driver for alias in aliases for driver in inbox.drivers(alias)}))
                if inbox
                else (),
                tuple(sorted(aliases)),
                variant,
            )
        )
    return tuple(sorted(rows))


def read_names(files: Mapping[str, Iterable[Path]] = _NAME_FILES) -> DeviceNames:
    """The names in the machine's pci.ids and usb.ids: the first list of each bus that is there."""
    vendors: dict[tuple[str, str], str] = {}
    devices: dict[tuple[str, str, str], str] = {}
    for bus, paths in files.items():
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            continue
        vendor = ""
        for line in first_bytes(path, _MAX_NAMES).decode("utf-8", "replace").splitlines():
            number, _, name = line.strip().partition("  ")
            if line.startswith(("\t\t", "#")) or not name:
                continue
            if line.startswith("\t"):
                if vendor:
                    devices[bus, vendor, number.lower()] = name.strip()
            else:
                # Behind the vendors come classes and others, which begin with a letter and a blank.
                vendor = number.lower() if len(number) == 4 and " " not in number else ""
                if vendor:
                    vendors[bus, vendor] = name.strip()
    return DeviceNames(vendors, devices)


#: The head of a table of devices.
def device_cells(rows: Sequence[DeviceRow]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The head of a table, and its rows; variants have a column where there are any."""
    several = any(row.variant for row in rows)
    head = ("BUS", "ID", "SUBSYSTEM", "CLASS", "MODULE", *(["VARIANT"] if several else []), "INBOX", "NAME")
    return head, [_cells(row, (row.variant,) if several else ()) for row in rows]


def _cells(row: DeviceRow, variant: tuple[str, ...]) -> tuple[str, ...]:
    device = row.id
    subsystem = f"{device.subvendor}:{device.subdevice}"
    return (
        device.bus,
        f"{device.vendor}:{device.device}",
        "" if subsystem == "*:*" else subsystem,
        device.device_class,
        row.module,
        *variant,
        ",".join(row.inbox),
        " ".join(filter(None, [row.vendor_name, row.device_name])),
    )


def table_lines(rows: Sequence[DeviceRow]) -> list[str]:
    """The rows as lines of text, below a head line."""
    head, cells = device_cells(rows)
    return columns([head, *cells])

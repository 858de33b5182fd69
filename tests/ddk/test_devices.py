"""Devices out of aliases: ids, the kernel's wildcards, names, and what the release drives already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xspack_tool.binary.module import ModuleInfo
from xspack_tool.ddk.alias import DeviceId, covers, overlap, parse_alias
from xspack_tool.ddk.devices import device_table, read_names, table_lines
from xspack_tool.ddk.inbox import Inbox, read_inbox
from xspack_tool.errors import BadInput

E1000E = "pci:v00008086d000010D3sv*sd*bc*sc*i*"
USB = "usb:v046DpC52Bd01[0-4]*dc*dsc*dp*ic03isc01ip02in*"


@pytest.mark.parametrize(
    ("alias", "device"),
    [
        (E1000E, DeviceId("pci", "8086", "10d3")),
        (
            "pci:v00001AF4d*sv00001028sd00000001bc02sc00i*",
            DeviceId("pci", "1af4", "*", "1028", "0001", "0200**"),
        ),
        (USB, DeviceId("usb", "046d", "c52b", device_class="030102")),
        ("usb:v*p*d*dc09dsc*dp*ic*isc*ip*in*", DeviceId("usb", "*", "*", device_class="09****")),
        ("hid:b0003g*v00001532p00000064", DeviceId("hid", "1532", "0064")),
        ("hid:b0005g*v00001532p00000064", None),
        ("virtio:d00000001v*", None),
        ("pci:v8086", None),
        ("pci:" + "*" * 5000, None),
    ],
)
def test_parse_alias(alias: str, device: DeviceId | None) -> None:
    assert parse_alias(alias) == device


@pytest.mark.parametrize(
    ("pattern", "modalias", "matches"),
    [
        (E1000E, "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00", True),
        (E1000E, "pci:v00008086d000010D4sv00008086sd0000A01Fbc02sc00i00", False),
        ("usb:v046DpC52Bd01[0-4]*dc*", "usb:v046DpC52Bd0120dc00", True),
        ("usb:v046DpC52Bd01[0-4]*dc*", "usb:v046DpC52Bd0150dc00", False),
        ("usb:v046DpC52Bd01[!0-4]*dc*", "usb:v046DpC52Bd0150dc00", True),
        ("usb:v046DpC52Bd01[02468A-F]?dc*", "usb:v046DpC52Bd01C9dc00", True),
        ("a?c", "ac", False),
        ("a[bc", "a[bc", True),
        ("*", "", True),
        ("", "a", False),
    ],
)
def test_wildcards_of_the_kernel(pattern: str, modalias: str, matches: bool) -> None:
    assert covers(pattern, modalias) is matches
    assert overlap(pattern, modalias) is matches


def test_patterns_against_patterns() -> None:
    assert overlap("a*c", "ab*") and overlap("a[0-4]", "a[4-9]") and not overlap("a[0-4]", "a[5-9]")
    assert covers("a*", "ab*") and not covers("ab*", "a*")
    assert covers("a[0-9]", "a[2-4]") and not covers("a[2-4]", "a[0-9]") and not covers("a1", "a?")


def test_many_stars_are_quick() -> None:
    assert not overlap("*a" * 200 + "b", "*a" * 200 + "c")


INBOX = Inbox(
    [
        ("pci:v00008086d000010D3sv*sd*bc*sc*i*", "e1000e"),
        ("pci:v00008086d000010D4sv00001028sd*bc*sc*i*", "e1000e"),
        ("pci:v*d*sv*sd*bc01sc06i01*", "ahci"),
        ("pci:v00001002d*sv*sd*bc*sc*i*", "all-of-ati"),
        ("usb:v046DpC52Bd0[2-9]*dc*dsc*dp*ic*isc*ip*in*", "logitech"),
        ("usb:v*p*d*dc*dsc*dp*ic03isc*ip*in*", "usbhid"),
        ("acpi*:PNP0C0A:*", "battery"),
    ]
)


@pytest.mark.parametrize(
    ("alias", "drivers"),
    [
        (E1000E, ("e1000e",)),
        # a part of what is claimed: the release drives Dell's
        ("pci:v00008086d000010D4sv*sd*bc*sc*i*", ("e1000e",)),
        ("pci:v00008086d000010D4sv0000103Csd*bc*sc*i*", ()),
        # claimed by ids, of a class that is not known: a driver for a class does not count
        ("pci:v00001234d00005678sv*sd*bc*sc*i*", ()),
        ("pci:v00001234d00005678sv*sd*bc01sc06i01*", ("ahci",)),
        ("pci:v00001002d00006798sv*sd*bc*sc*i*", ("all_of_ati",)),
        (USB, ("usbhid",)),
        ("usb:v046DpC52Bd0200dc*dsc*dp*ic*isc*ip*in*", ("logitech",)),
        ("acpi*:PNP0C0A:*", ()),
    ],
)
def test_inbox(alias: str, drivers: tuple[str, ...]) -> None:
    assert INBOX.drivers(alias) == drivers


def test_inbox_out_of_each_list(tmp_path: Path) -> None:
    lists = {
        "modules.alias": f"# Aliases extracted from modules themselves.\nalias {E1000E} e1000e\n"
        "alias dmi*:svnAcme Corp:* acme\n",
        "modules.builtin.modinfo": f"e1000e.license=GPL\0e1000e.alias={E1000E}\0",
        "modules.pcimap": "# pci module vendor device subvendor subdevice class class_mask driver_data\n"
        "e1000e 0x00008086 0x000010d3 0xffffffff 0xffffffff 0x00000000 0x00000000 0x0\n"
        "ahci 0xffffffff 0xffffffff 0xffffffff 0xffffffff 0x00010601 0xffffffff 0x0\n",
    }
    for name, text in lists.items():
        path = tmp_path / name / "any name"
        path.parent.mkdir()
        path.write_text(text)
        assert read_inbox(path).drivers(E1000E) == ("e1000e",), name
        path.rename(path.with_name(name))
        assert read_inbox(path.parent).drivers(E1000E) == ("e1000e",), name
    pcimap = read_inbox(tmp_path / "modules.pcimap")
    assert pcimap.drivers("pci:v00001234d00005678sv*sd*bc01sc06i01*") == ("ahci",)
    assert pcimap.drivers("pci:v00001234d00005678sv*sd*bc02sc00i00*") == ()


def test_inbox_out_of_modules(module_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "kernel" / "drivers"
    folder.mkdir(parents=True)
    folder.joinpath("acme.ko").write_bytes(module_of("acme").read_bytes())
    assert read_inbox(tmp_path).drivers("pci:v00001AF4d00001000sv*sd*bc*sc*i*") == ("acme",)


def test_what_is_no_inbox(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("these are no aliases\n")
    with pytest.raises(BadInput, match=r"/notes: none of modules\.alias, "):
        read_inbox(tmp_path / "notes")
    (tmp_path / "map").write_text("m 0x1 0x1 0x1 0x1 0x1 0x1 beef!\n")
    with pytest.raises(BadInput, match=r"/map: the line of module 'm' must hold numbers alone$"):
        read_inbox(tmp_path / "map")
    with pytest.raises(BadInput, match=r": a folder with neither modules nor one of modules\.alias, "):
        read_inbox(tmp_path)
    with pytest.raises(BadInput, match=r"/gone: cannot be read: No such file or directory$"):
        read_inbox(tmp_path / "gone")


def test_table(tmp_path: Path) -> None:
    (tmp_path / "pci.ids").write_text(
        "# list\n8086  Intel Corporation\n\t10d3  82574L Gigabit\n\t\t8086 a01f  Adapter CT\n"
        "C 02  Network controller\n\t00  Ethernet\n"
    )
    (tmp_path / "usb.ids").write_text("046d  Logitech, Inc.\n\tc52b  Unifying Receiver\n")
    names = read_names({"pci": [tmp_path / "none", tmp_path / "pci.ids"], "usb": [tmp_path / "usb.ids"]})
    other = USB.replace("d01[0-4]*", "d0050")
    module = ModuleInfo("x/acme-nic.ko", {"alias": (USB, E1000E, other, "virtio:d1v*")}, {})
    rows = device_table([module], INBOX, names)
    assert table_lines(rows) == [
        "BUS  ID         SUBSYSTEM  CLASS   MODULE    INBOX   NAME",
        "pci  8086:10d3                     acme_nic  e1000e  Intel Corporation 82574L Gigabit",
        "usb  046d:c52b             030102  acme_nic  usbhid  Logitech, Inc. Unifying Receiver",
    ]
    assert json.loads(json.dumps(rows[1].as_json())) == {
        "bus": "usb",
        "vendor": "046d",
        "device": "c52b",
        "subvendor": "*",
        "subdevice": "*",
        "device_class": "030102",
        "module": "acme_nic",
        "inbox": ["usbhid"],
        "vendor_name": "Logitech, Inc.",
        "device_name": "Unifying Receiver",
        "aliases": sorted([USB, other]),
        "variant": "",
    }


def test_no_lists_of_names(tmp_path: Path) -> None:
    assert read_names({"pci": [tmp_path / "none"]}).vendors == {}
    assert device_table([ModuleInfo("a.ko", {"alias": (E1000E,)}, {})])[0].vendor_name == ""

"""P1 to P4 and U3: files in the right and in the wrong place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Verdict = Callable[..., list[str]]
EVERY = "firmware for every kernel that the host will ever run, not for one"
FIRMWARE = "/lib/firmware/updates/4.19.0+1/acme/nic.bin"


@pytest.mark.parametrize(
    "path",
    ["/usr/lib/udev/rules.d/70-acme.rules", "/lib/udev/rules.d/70-acme.rules", "/opt/acme/70-acme.rules"],
)
def test_p1_udev_rules(verdict: Verdict, path: str) -> None:
    said = f"{path}: udev rules outside /etc/udev/rules.d"
    assert verdict("P1", files={path: b"x"}) == [f"E {said}"]
    for vendor in ("CentOS", "Fedora Project", "Red Hat, Inc."):
        assert verdict("P1", files={path: b"x"}, lines=[f"Vendor: {vendor}"]) == [f"W {said}"]


def test_p1_good(verdict: Verdict) -> None:
    files = {
        "/etc/udev/rules.d/70-acme.rules": b"x",
        "/etc/polkit-1/rules.d/acme.rules": b"x",
        "/usr/share/polkit-1/rules.d/acme.rules": b"x",
        "/etc/audit/rules.d/acme.rules": b"x",
        "/usr/share/doc/acme/example.rules": b"x",
        "/opt/acme/business.rules.txt": b"x",
    }
    assert verdict("P1", files=files) == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/lib/firmware/acme/nic.bin", "firmware outside /lib/firmware/updates/<kernel>"),
        ("/usr/lib/firmware/acme/nic.bin", "firmware outside /lib/firmware/updates/<kernel>"),
        ("/lib/firmware/updatesx/4.19.0+1/nic.bin", "firmware outside /lib/firmware/updates/<kernel>"),
        (
            "/lib/firmware/updates/4.4.0+10/nic.bin",
            "'4.4.0+10' is not the kernel's version; XenServer 8 runs 4.19.0+1",
        ),
    ],
)
def test_p2_firmware(verdict: Verdict, path: str, said: str) -> None:
    assert verdict("P2", files={path: b"x"}) == [f"E {path}: {said}"]


def test_p2_without_a_known_kernel(verdict: Verdict) -> None:
    files = {"/lib/firmware/updates/acme/nic.bin": b"x", "/lib/firmware/updates/6.6.1/nic.bin": b"x"}
    assert verdict("P2", "xenserver-9", files=files) == [f"W /lib/firmware/updates/acme/nic.bin: {EVERY}"]


@pytest.mark.parametrize(
    "path", ["nic.bin", "acme/nic.bin", "intel/ice/ddp/ice-1.3.53.0.pkg", "3com/3C359.bin"]
)
def test_p2_firmware_of_every_kernel(verdict: Verdict, path: str) -> None:
    path = f"/lib/firmware/updates/{path}"
    link = {f"{path}.link": "nic.bin"} if path.endswith(".pkg") else {}
    files = {path: b"x", **link}
    assert verdict("P2", files=files) == [f"W {one}: {EVERY}" for one in files]


def test_p2_good(verdict: Verdict) -> None:
    folders = {"/lib/firmware": None, "/lib/firmware/updates": None, "/usr/share/firmware/x.bin": b"x"}
    assert (
        verdict("P2", files={FIRMWARE: b"x", FIRMWARE.replace("/lib", "/usr/lib", 1): b"x", **folders}) == []
    )


def test_p3_config_outside_etc(verdict: Verdict) -> None:
    files = {"/opt/acme/acme.conf": b"x", "/etc/acme.conf": b"x", "/opt/acme/plain.conf": b"x"}
    attributes = {"/opt/acme/acme.conf": "%config", "/etc/acme.conf": "%config(noreplace)"}
    assert verdict("P3", files=files, attributes=attributes) == [
        "W /opt/acme/acme.conf: a %config file outside /etc"
    ]
    assert verdict("P3", files={"/etc/acme.conf": b"x"}, attributes={"/etc/acme.conf": "%config"}) == []


def test_p4_documentation_elsewhere(verdict: Verdict) -> None:
    path = "/opt/acme/README"
    assert verdict("P4", files={path: b"x"}, attributes={path: "%doc"}) == [
        f"W {path}: documentation outside /usr/share/doc"
    ]


def test_p4_good(verdict: Verdict) -> None:
    attributes = {
        "/usr/share/doc/acme/README": "%doc",
        "/usr/share/man/man8/acme.8": "%doc",
        "/usr/share/info/acme.info": "%doc",
        "/usr/local/share/man/man8/acme.8": "%doc",
        "/usr/share/licenses/acme/COPYING": "%license",
        "/opt/acme/LICENSE": "%license",
        "/opt/acme/README": "",
    }
    assert verdict("P4", files=dict.fromkeys(attributes, b"x"), attributes=attributes) == []


def test_u3_settings_that_an_upgrade_overwrites(verdict: Verdict) -> None:
    files = dict.fromkeys(("/etc/acme.conf", "/etc/acme/deep.conf"), b"x")
    assert verdict("U3", files=files, attributes={"/etc/acme.conf": "%config"}) == [
        "W /etc/acme.conf: %config without noreplace in /etc: an upgrade overwrites the administrator's changes",
        "W /etc/acme/deep.conf: a plain file in /etc: an upgrade overwrites the administrator's changes",
    ]


def test_u3_good(verdict: Verdict) -> None:
    kept = "%config(noreplace)"
    files = {
        "/etc/acme.conf": b"x",
        "/etc/acme": None,
        "/etc/acme-link": "/opt/acme/conf",
        "/etc/xapi.d/plugins/acme": b"x",
        "/etc/xensource/bugtool/acme.xml": b"x",
        "/etc/xensource/bugtool/acme/stuff.xml": b"x",
        "/etc/acme.state": b"",
        "/opt/etc/acme.conf": b"x",
    }
    attributes = {"/etc/acme.conf": kept, "/etc/acme.state": "%ghost"}
    assert verdict("U3", files=files, attributes=attributes) == []

"""P1 to P4 and U3: files in the right and in the wrong place."""

from __future__ import annotations

from collections.abc import Callable

Verdict = Callable[..., list[str]]
EVERY = "firmware for every kernel that the host will ever run, not for one"
FIRMWARE = "/lib/firmware/updates/4.19.0+1/acme/nic.bin"


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

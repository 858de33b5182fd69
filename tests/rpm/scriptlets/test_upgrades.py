"""What a newer version of a package no longer has is undone, and what is new in it works: real RPMs, installed,
upgraded and removed by the real rpm in a chroot."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import LATE, need
from trees import Tree

HEAD = 'env = Environment(tools=["xspack"], XSPACK_TARGET=ARGUMENTS["target"], XSPACK_LICENSE="MIT")\n'
#: Versions of one package: 1 has a unit, rules and a report; 2 has another unit besides; 3 has that alone.
DECLARED = """\
units = {"1": ["acme.service"], "2": ["acme.service", "acme@.timer", "new.service"], "3": ["new.service"]}
more = dict(firewall=["-p tcp --dport 5900 -j ACCEPT"],
            status_report=env.XsStatusReport("acme", files=["/var/log/acme.log"]))
for version in "123":
    env.Userspace("acme", version=version, arch="noarch", systemd_units=units[version],
                  **(more if version != "3" else {}))
"""
UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
TIMER = "[Timer]\nOnBootSec=1\n[Install]\nWantedBy=timers.target\nDefaultInstance=x\n"
SAVED = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j REJECT\nCOMMIT\n"
WANTS = "etc/systemd/system/multi-user.target.wants"
Rpm = Callable[..., None]


@pytest.fixture
def rpms(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Path]:
    """The three versions, for a release whose firewall is iptables, or firewalld."""
    need("rpmbuild", "rpm", "systemctl")
    tree = Tree(tmp_path / "tree").write({"acme.service": UNIT, "new.service": UNIT, "acme@.timer": TIMER})
    target = getattr(request, "param", "xenserver-8")
    tree.declare(DECLARED, head=HEAD).scons(f"target={target}", "build").good()
    return {version: tree.path / f"build/rpms/acme-{version}-1.noarch.rpm" for version in "123"}


@pytest.fixture
def rpm(host) -> Rpm:
    """rpm on the host; a scriptlet that says anything is a failure."""
    host.copy_program(shutil.which("systemctl"))
    host.write("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n")
    host.write("/etc/sysconfig/iptables", SAVED)

    def call(*words: str | Path) -> None:
        argv = ["rpm", "--force-debian", f"--root={host.root}", "--nodeps", "--nosignature", *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LATE)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    return call


def enabled(host) -> list[str]:
    """The units that a target wants, and links that lead nowhere."""
    links = [path for path in (host.root / "etc/systemd").rglob("*") if path.is_symlink()]
    return sorted(path.name for path in links)


def left(host) -> list[str]:
    """What the package left in /etc and /usr but folders of the host's own."""
    found = (str(path.relative_to(host.root)) for path in host.root.rglob("*acme*"))
    return sorted(path for path in found if path.startswith(("etc", "usr")))


def test_one_version_after_the_other(rpms: dict[str, Path], host, rpm: Rpm) -> None:
    rpm("-U", rpms["1"])
    assert enabled(host) == ["acme.service"]
    assert ":pack-acme " in host.read("/etc/sysconfig/iptables")
    rpm("-U", rpms["2"])
    assert enabled(host) == ["acme.service", "acme@x.timer", "new.service"]
    assert host.read("/etc/sysconfig/iptables").count(":pack-acme ") == 1
    rpm("-U", rpms["3"])
    assert enabled(host) == ["new.service"]
    assert host.read("/etc/sysconfig/iptables") == SAVED
    assert left(host) == []
    assert not (host.root / "usr/share/xspack").exists()
    rpm("-e", "acme")
    assert enabled(host) == []
    assert [path.name for path in (host.root / "var/lib/rpm-state").iterdir()] == []


def test_what_the_administrator_disabled_stays_disabled(rpms: dict[str, Path], host, rpm: Rpm) -> None:
    rpm("-U", rpms["1"])
    (host.root / WANTS / "acme.service").unlink()
    rpm("-U", rpms["2"])
    assert enabled(host) == ["acme@x.timer", "new.service"]


def test_back_to_the_older_version(rpms: dict[str, Path], host, rpm: Rpm) -> None:
    rpm("-U", rpms["2"])
    rpm("-U", "--oldpackage", rpms["1"])
    assert enabled(host) == ["acme.service"]
    assert host.read("/etc/sysconfig/iptables").count(":pack-acme ") == 1
    rpm("-e", "acme")
    assert enabled(host) == [] and left(host) == []
    assert host.read("/etc/sysconfig/iptables") == SAVED


@pytest.mark.parametrize("rpms", ["xenserver-9"], indirect=True)
def test_a_service_of_firewalld(rpms: dict[str, Path], host, rpm: Rpm) -> None:
    """Its commands are stand-ins, which write the zone as the real ones do."""
    zone = '<?xml version="1.0" encoding="utf-8"?>\n<zone>\n  <service name="ssh"/>\n{}</zone>\n'
    host.write("/etc/firewalld/zones/public.xml", zone.format('  <service name="acme"/>\n'))
    host.fake("/usr/bin/firewall-offline-cmd")
    rpm("-U", rpms["1"])
    rpm("-U", rpms["2"])
    assert host.read("/etc/firewalld/zones/public.xml") == zone.format('  <service name="acme"/>\n')
    assert host.calls() == ["firewall-offline-cmd -q --add-service=acme"]
    rpm("-U", rpms["3"])
    assert host.read("/etc/firewalld/zones/public.xml") == zone.format("")

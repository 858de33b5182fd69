"""The firewall of releases with firewalld: a service file, taken in by the real offline command."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from support import need, need_root

from xspack_tool.rpm.scriptlets.firewall import firewall_files, firewall_problems, firewall_scripts

RULES = [
    "-p tcp --dport 5900 -j ACCEPT",
    "-p tcp -m tcp -m conntrack --ctstate NEW --dport 7000:7010 -j ACCEPT",
    "-p udp -m multiport --dports 53,67 -j ACCEPT",
    "-p vrrp -j ACCEPT",
    "-p tcp --dport 5900 -j ACCEPT",
]
SCRIPTS = firewall_scripts("acme.agent", RULES, "firewalld")
FILE = """\
<?xml version="1.0" encoding="utf-8"?>
<service>
  <short>acme-agent</short>
  <port protocol="tcp" port="5900"/>
  <port protocol="tcp" port="7000-7010"/>
  <port protocol="udp" port="53"/>
  <port protocol="udp" port="67"/>
  <protocol value="vrrp"/>
</service>
"""


def test_the_service_file() -> None:
    assert firewall_files("acme.agent", RULES, "firewalld") == [
        ("/usr/lib/firewalld/services/acme-agent.xml", FILE)
    ]
    assert ET.fromstring(FILE.encode()).tag == "service"


@pytest.mark.parametrize(
    "rule",
    [
        "-p tcp --dport 22 -j DROP",
        "-s 10.0.0.0/8 -p tcp --dport 22 -j ACCEPT",
        "-p tcp -m limit --limit 5/s -j ACCEPT",
        "! -p tcp -j ACCEPT",
        "-j ACCEPT",
        "-p tcp --sport 22 -j ACCEPT",
        "-p tcp -m state --state ESTABLISHED --dport 22 -j ACCEPT",
    ],
)
def test_what_a_service_cannot_say_is_refused(rule: str) -> None:
    (problem,) = firewall_problems([rule], "firewalld")
    assert problem.rule == "a firewalld service opens ports or protocols, no more"
    assert firewall_problems([rule]) == []


def test_right_rules() -> None:
    assert firewall_problems(RULES, "firewalld") == []


@pytest.fixture
def firewalld(tmp_path: Path) -> Path:
    """A folder that becomes /etc/firewalld in a mount namespace, and one for the services of packages."""
    need("firewall-offline-cmd", "unshare")
    need_root()
    shutil.copytree("/etc/firewalld", tmp_path / "etc")
    shutil.copytree("/usr/lib/firewalld/services", tmp_path / "services")
    for path, text in firewall_files("acme.agent", RULES, "firewalld"):
        (tmp_path / "services" / Path(path).name).write_text(text)
    return tmp_path


def run(folder: Path, text: str, argument: int) -> str:
    """Run a scriptlet with the folders in place of the machine's own; what it said."""
    (folder / "scriptlet").write_text(text)
    mounts = f"mount --bind {folder}/etc /etc/firewalld && mount --bind {folder}/services /usr/lib/firewalld/services"
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "-n",
            "sh",
            "-c",
            f'{mounts} && exec sh "$@"',
            "sh",
            str(folder / "scriptlet"),
            str(argument),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def services(folder: Path) -> list[str]:
    zone = folder / "etc/zones/public.xml"
    if not zone.exists():
        return []
    return [service.attrib["name"] for service in ET.parse(zone).getroot().iter("service")]


def test_the_offline_command_takes_it_in_and_out(firewalld: Path) -> None:
    assert run(firewalld, SCRIPTS["post"], 1) == ""
    assert services(firewalld).count("acme-agent") == 1
    assert run(firewalld, SCRIPTS["preun"], 0) == ""
    assert run(firewalld, SCRIPTS["postun"], 0) == ""
    assert services(firewalld) and "acme-agent" not in services(firewalld)


def test_an_upgrade_leaves_alone_what_the_administrator_closed(firewalld: Path) -> None:
    run(firewalld, SCRIPTS["post"], 2)
    assert "acme-agent" not in services(firewalld)


def test_an_upgrade_keeps_it_open(firewalld: Path) -> None:
    run(firewalld, SCRIPTS["post"], 1)
    for phase, argument in (("post", 2), ("preun", 1), ("postun", 1)):
        assert run(firewalld, SCRIPTS[phase], argument) == ""
    assert services(firewalld).count("acme-agent") == 1


def test_a_running_daemon_is_told(host) -> None:
    host.fake("/bin/firewall-cmd", 'case "$*" in *list-all-zones) cat /zones ;; esac\n')
    zone = "{}\n  target: default\n  services: ssh {}\n"
    names = (("public (active)", "acme-agent"), ("work", "acme-agent2"), ("home", "acme-agent dns"))
    host.write("/zones", "\n".join(zone.format(*pair) for pair in names))
    host.run(SCRIPTS["post"], 1)
    host.run(SCRIPTS["preun"], 0)
    assert host.calls() == [
        "firewall-cmd --state",
        "firewall-cmd -q --reload",
        "firewall-cmd -q --permanent --add-service=acme-agent",
        "firewall-cmd -q --reload",
        "firewall-cmd --state",
        "firewall-cmd --permanent --list-all-zones",
        "firewall-cmd -q --permanent --zone=public --remove-service=acme-agent",
        "firewall-cmd -q --permanent --zone=home --remove-service=acme-agent",
    ]


def test_an_offline_command_that_fails_is_said(host) -> None:
    host.fake("/bin/firewall-offline-cmd", "exit 1\n")
    assert host.run(SCRIPTS["post"], 1) == "firewalld did not take the service acme-agent\n"

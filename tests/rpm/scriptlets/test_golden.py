"""The generated texts as files, to be read in a review. ``UPDATE_GOLDEN=1 pytest ..`` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xspack_tool.rpm.scriptlets.driver import driver_scripts
from xspack_tool.rpm.scriptlets.firewall import firewall_scripts
from xspack_tool.rpm.scriptlets.migrate import migrate_script
from xspack_tool.rpm.scriptlets.remove import removal_script
from xspack_tool.rpm.scriptlets.units import unit_scripts

GOLDEN = Path(__file__).parent / "golden"
RULES = ["-p tcp --dport 5900 -j ACCEPT"]


def phases(scripts: dict[str, str]) -> str:
    return "\n".join(f"%{phase}\n{text}" for phase, text in scripts.items())


TEXTS = {
    "driver.txt": phases(driver_scripts("4.19.0+1")),
    "units.txt": phases(unit_scripts(["acme.service", "acme@.service"], "acme")),
    "firewall-iptables.txt": phases(firewall_scripts("acme-agent", RULES)),
    "firewall-firewalld.txt": phases(firewall_scripts("acme-agent", RULES, "firewalld")),
    "migrate.txt": phases(migrate_script(["/etc/acme.conf", "/var/lib/acme"], "acme-agent")),
    "remove.sh": removal_script(
        "acme", "9a1f0f0e-0000-4000-8000-000000000001", "control-acme", "update-acme", ["acme-agent"]
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_as_recorded(name: str) -> None:
    file = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.parent.mkdir(exist_ok=True)
        file.write_text(TEXTS[name])
    assert file.read_text() == TEXTS[name], "if it is meant so: UPDATE_GOLDEN=1 pytest tests/rpm/scriptlets"


def test_no_record_is_left_over() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(TEXTS)

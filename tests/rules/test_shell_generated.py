"""What xspack writes for the user breaks none of its own rules."""

from __future__ import annotations

import pytest

from xspack_tool.model.pack import Pack
from xspack_tool.releases import load_profile
from xspack_tool.rpm.info import RpmInfo, Scriptlet
from xspack_tool.rpm.scriptlets.driver import driver_scripts
from xspack_tool.rpm.scriptlets.firewall import firewall_scripts
from xspack_tool.rpm.scriptlets.migrate import migrate_script
from xspack_tool.rpm.scriptlets.remove import removal_script
from xspack_tool.rpm.scriptlets.units import unit_scripts
from xspack_tool.rules.context import PackContext, RpmContext
from xspack_tool.rules.registry import all_rules

pytestmark = pytest.mark.usefixtures("bash")
RULES = ["-p tcp --dport 5900 -j ACCEPT", "-p udp --dport 7000 -j ACCEPT"]
UUID = "9a1f0f0e-0000-4000-8000-000000000001"
SCRIPTLET_RULES = ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "U1", "U2", "U4")
GENERATED = {
    "driver": (driver_scripts("4.19.0+1"), "xenserver-8", []),
    "units": (unit_scripts(["acme.service", "acme@.service"], "acme"), "xenserver-8", []),
    "iptables": (firewall_scripts("acme", RULES), "xenserver-8", []),
    "firewalld": (firewall_scripts("acme", RULES, "firewalld"), "xenserver-9", []),
    # The user is told that no installer of this release sets the variable.
    "migrate": (migrate_script(["/etc/acme.conf"], "acme"), "xenserver-8", ["U1"]),
}


@pytest.mark.parametrize("name", GENERATED)
def test_generated_scriptlets_break_no_rule(name: str) -> None:
    scripts, profile, expected = GENERATED[name]
    scriptlets = tuple(Scriptlet(phase, "/bin/sh", text) for phase, text in scripts.items())
    context = RpmContext(RpmInfo("acme", 0, "1", "1", "noarch", scripts=scriptlets), load_profile(profile))
    checks = [rule for rule in all_rules() if rule.id in SCRIPTLET_RULES]
    assert len(checks) == len(SCRIPTLET_RULES)
    assert [rule.id for rule in checks if rule.on_rpm for _ in rule.on_rpm(context)] == expected


def found(script: str | None, *rpms: str) -> list[str]:
    """What R2 says of a remove script: severity, line, words."""
    pack = Pack("acme", "1.0", UUID, "Acme", "RPM-GPG-KEY-Acme")
    infos = tuple(RpmInfo(name, 0, "1", "1", "noarch") for name in rpms or ("acme-agent", "libacme++"))
    (rule,) = [rule for rule in all_rules() if rule.id == "R2"]
    assert rule.on_pack
    context = PackContext(pack, load_profile("xenserver-8"), infos, remove_script=script)
    hits = list(rule.on_pack(context))
    assert all(hit.where == "remove" for hit in hits)  # type: ignore[union-attr]
    return [f"{hit.severity or rule.severity}:{hit.line} {hit.found}" for hit in hits]  # type: ignore[union-attr]


def test_the_generated_removal_takes_every_step() -> None:
    text = removal_script("acme", UUID, "control-acme", "update-acme", ["acme-agent", "libacme++"])
    assert found(text) == []
    assert found(None) == []


STEPS = [
    'cp "$0" /tmp/remove.acme',
    f"xe update-pool-clean uuid={UUID}",
    "rpm -e update-acme",
    "rpm -e acme-agent libacme++",
    f"rm -f /var/update/applied/{UUID}",
    "xe update-resync-host host-uuid=$HOST",
    f"xe update-destroy uuid={UUID}",
    "yum -y remove control-acme",
]
MISSING = [
    "it does not copy itself away before its own package is erased",
    "it does not free the pack's disk (xe update-pool-clean)",
    "it does not erase update-acme",
    None,
    f"it does not delete /var/update/applied/{UUID}",
    "it does not let the host look at its updates again (xe update-resync-host)",
    "it does not take the pack out of xapi's database (xe update-destroy)",
    "it does not erase control-acme",
]


def test_written_by_hand_it_may_be_right() -> None:
    assert found("#!/bin/sh\n" + "\n".join(STEPS)) == []


@pytest.mark.parametrize("place", [n for n, words in enumerate(MISSING) if words])
def test_a_missing_step_is_named(place: int) -> None:
    steps = [step for n, step in enumerate(STEPS) if n != place]
    assert found("\n".join(steps)) == [f"E:0 {MISSING[place]}"]


def test_a_payload_that_stays_is_named() -> None:
    steps = [step.replace(" libacme++", "") for step in STEPS]
    assert found("\n".join(steps)) == ["E:0 it does not erase libacme++"]


def test_a_step_too_early_is_named() -> None:
    steps = [STEPS[0], STEPS[1], STEPS[6], *STEPS[2:6], STEPS[7]]
    words = "it takes a step too early: take the pack out of xapi's database (xe update-destroy)"
    assert found("\n".join(steps)) == [f"E:3 {words}"]


def test_a_wrapper_is_a_warning() -> None:
    said = found("exec /opt/acme/bin/remove-pack")
    assert len(said) == 9 and all(line.startswith("W:") for line in said)

"""D2: devices that the release drives already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from forge import module
from rules.conftest import pack_context

from xspack_tool.ddk.inbox import read_inbox
from xspack_tool.releases import load_profile
from xspack_tool.rules.context import DriverData
from xspack_tool.rules.engine import check_rpm
from xspack_tool.rules.registry import all_rules
from xspack_tool.rules.report import judge

Verdict = Callable[..., list[str]]
PLACE = "/lib/modules/4.19.0+1/updates/acme.ko"
ALIAS = "pci:v00008086d0000{}sv*sd*bc*sc*i*"


@pytest.fixture
def driver_data(tmp_path: Path) -> DriverData:
    path = tmp_path / "modules.alias"
    path.write_text(f"alias {ALIAS.format('100E')} e1000\nalias {ALIAS.format('10D3')} e1000e\n")
    return DriverData(inbox=read_inbox(path))


def test_d2_driven_already(verdict: Verdict, driver_data: DriverData) -> None:
    ko = module(alias=[ALIAS.format(device) for device in ("100E", "10D3", "FFFF")])
    assert verdict("D2", driver_data=driver_data, files={PLACE: ko}) == [
        f"I {PLACE}: e1000 of the release drives {ALIAS.format('100E')}",
        f"I {PLACE}: e1000e of the release drives {ALIAS.format('10D3')}",
    ]


def test_d2_good(verdict: Verdict, driver_data: DriverData) -> None:
    new = module(alias=[ALIAS.format("FFFF"), "acpi*:ACME0001:*"])
    newer = module(alias=[ALIAS.format("100E")])
    assert (
        verdict("D2", driver_data=driver_data, files={PLACE: new, PLACE.replace("acme", "e1000"): newer})
        == []
    )


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("blacklist e1000\n", ["e1000e"]),
        ("# blacklist e1000e\noptions e1000 debug=1\n\nblacklist\n", ["e1000", "e1000e"]),
        ("install e1000e /bin/true\nblacklist e1000", []),
    ],
)
@pytest.mark.parametrize("path", ["/etc/modprobe.d/a.conf", "/usr/lib/modprobe.d/a.conf"])
def test_d2_is_silent_on_what_the_pack_keeps_out(
    forged: Callable[..., Path], driver_data: DriverData, path: str, lines: str, told: list[str]
) -> None:
    """Whichever RPM of the pack does so, and whatever declared it: no rule was given a list of devices for that one."""
    ko = module(alias=[ALIAS.format(device) for device in ("100E", "10D3")])
    driver = forged(name="nic", files={PLACE: ko})
    conf = forged(name="conf", files={path: lines.encode()})
    rules = [rule for rule in all_rules() if rule.id == "D2"]
    profile = load_profile("xenserver-8")
    found = {
        "nic": check_rpm(driver, profile, driver_data, rules),
        "conf": check_rpm(conf, profile, None, rules),
    }
    report = judge(pack_context([driver, conf]), found, rules=rules)
    assert [one.found.split(" ")[0] for one in report.findings] == told
    (own,) = judge(pack_context([driver]), {"nic": found["nic"]}, rules=rules).findings[:1]
    assert own.where == PLACE


def test_a_list_that_names_no_device_judges_nothing(
    verdict: Callable[..., list[str]], tmp_path: Path
) -> None:
    """A kernel's own may be so."""
    (place := tmp_path / "modules.alias").write_text("# Aliases extracted from modules themselves.\n")
    files = {PLACE: module(alias=[ALIAS.format("100E")])}
    (said,) = verdict("D2", driver_data=DriverData(inbox=read_inbox(place)), files=files)
    assert said.startswith("I : not checked: ")

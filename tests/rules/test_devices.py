"""D2: devices that the release drives already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from forge import module

from xspack_tool.ddk.inbox import read_inbox
from xspack_tool.model.driver import DriverNotes
from xspack_tool.rules.context import DriverData

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


def test_d2_is_silent_on_what_the_declaration_keeps_out(verdict: Verdict, driver_data: DriverData) -> None:
    ko = module(alias=[ALIAS.format(device) for device in ("100E", "10D3")])
    driver_data = replace(driver_data, driver=DriverNotes(kept_out=("e1000",)))
    assert verdict("D2", driver_data=driver_data, files={PLACE: ko}) == [
        f"I {PLACE}: e1000e of the release drives {ALIAS.format('10D3')}"
    ]


def test_d2_without_an_inbox(verdict: Verdict) -> None:
    assert verdict("D2", files={PLACE: module()}) == [
        "I : not checked: needs the release's modules.alias: set XSPACK_DDK to a kernel that has one"
    ]
    assert verdict("D2", files={"/opt/tool": b"x"}) == []

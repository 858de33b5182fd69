"""Reports: waivers, order, counts, and how they are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xspack_tool.errors import Place
from xspack_tool.model.pack import Pack
from xspack_tool.releases import load_profile
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rules.context import PackContext
from xspack_tool.rules.engine import check_rpm
from xspack_tool.rules.finding import Finding
from xspack_tool.rules.registry import all_rules
from xspack_tool.rules.report import Report, Waivers, as_json, as_text, judge
from xspack_tool.rules.sarif import as_sarif

Forge = Callable[..., Path]
XS8 = load_profile("xenserver-8")
RPM = "tool-1.0-1.x86_64.rpm"


def context(*rpms: Path) -> PackContext:
    pack = Pack("acme", "5.2", "9a1f0f0e-4b4e-4f8a-9a53-0d6e0d1f5b11", "Acme", "KEY", volume_id="acme")
    return PackContext(pack, XS8, tuple(map(read_rpm, rpms)))


def finding(rule: str = "P4", severity: Any = "W", **more: Any) -> Finding:
    return Finding(
        rule, severity, more.pop("found", f"what {rule} found"), "do it", rpm=more.pop("rpm", RPM), **more
    )


def shown(report: Report) -> list[str]:
    return [str(one) for one in report.findings]


def of(*findings: Finding, **waivers: Any) -> Report:
    """The report on these findings of one RPM, with no rule of the pack."""
    return judge(context(), {RPM: findings}, Waivers(**waivers), rules=())


def test_lines_that_fit_a_terminal_and_name_the_declaration() -> None:
    report = of(finding("K8", "E", where="/opt/acme/lib", found="word " * 20), finding("V3", "I", rpm=""))
    places = {("acme", RPM): "SConstruct:12", ("acme", ""): "SConstruct:20"}
    wide = as_text([report], places=places).splitlines()
    assert wide[0].endswith("; do it [SConstruct:12]") and wide[1].endswith("; do it [SConstruct:20]")
    text = as_text([report], places=places, width=80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert " ".join(text.split()) == " ".join(as_text([report], places=places).split())


def test_the_severest_first() -> None:
    found = of(
        finding("V3", "I"), finding("P4"), finding("K8", "E", where="/b"), finding("K8", "E", where="/a")
    )
    assert shown(found) == [
        f"E K8 acme: {RPM}: /a: what K8 found; do it",
        f"E K8 acme: {RPM}: /b: what K8 found; do it",
        f"W P4 acme: {RPM}: what P4 found; do it",
        f"I V3 acme: {RPM}: what V3 found; do it",
    ]
    assert (found.count("E"), found.count("W"), found.count("I")) == (2, 1, 1)


def test_what_stops_a_pack() -> None:
    assert of(finding("K8", "E")).stops()
    assert not of(finding("P4", "W"), finding("V3", "I")).stops()
    assert of(finding("P4", "W")).stops(strict=True)
    assert not of(finding("V3", "I")).stops(strict=True)
    assert not of(finding("K8", "E"), rpms={RPM: {"K8": "reason"}}).stops(strict=True)


def test_waivers_of_packages_and_packs() -> None:
    own = of(
        finding("P4"), finding("U3"), rpms={RPM: {"P4": "read by the installer"}}, pack={"U3": "by hand"}
    )
    assert shown(own) == [
        f"W P4 acme: {RPM}: what P4 found; do it (waived: read by the installer)",
        f"W U3 acme: {RPM}: what U3 found; do it (waived: by hand)",
    ]
    assert own.count("W") == 0


def test_a_package_s_waiver_is_for_itself() -> None:
    other = judge(
        context(),
        {RPM: [finding("P4")], "other.rpm": [finding("P4", rpm="other.rpm")]},
        Waivers(rpms={RPM: {"P4": "reason"}}),
        rules=(),
    )
    assert [one.waived for one in other.findings] == ["", "reason"]


def test_unused_waivers() -> None:
    report = of(finding("P4"), pack={"U3": "x"}, rpms={RPM: {"P4": "reason", "K2": "x"}})
    assert shown(report) == [
        "W U3 acme: waive: waive={'U3': ..} waives nothing; take the waiver out",
        f"W K2 acme: {RPM}: waive: waive={{'K2': ..}} waives nothing; take the waiver out",
        f"W P4 acme: {RPM}: what P4 found; do it (waived: reason)",
    ]


def test_a_waiver_of_what_could_not_be_checked_is_not_unused() -> None:
    skipped = finding("K9", "I", skipped=True)
    assert [one.rule for one in of(skipped, pack={"K9": "x"}).findings] == ["K9"]


def test_what_could_not_be_checked_is_said_once_a_pack() -> None:
    words = "not checked: needs x"
    skipped = [Finding("K9", "I", words, rpm=f"{n}.rpm", skipped=True) for n in range(3)]
    other = Finding("D2", "I", words, rpm=RPM, skipped=True)
    report = judge(context(), {one.rpm: [one] for one in [*skipped, other]}, rules=())
    assert shown(report) == ["I D2 acme: not checked: needs x", "I K9 acme: not checked: needs x"]
    assert report.count("I") == 0
    assert as_text([report]).splitlines() == [
        "I D2 K9: not checked: needs x",
        "acme-5.2: 0 errors, 0 warnings, 0 notes, 0 waived",
    ]


def test_an_interpreter_that_another_rpm_of_the_pack_ships(forged: Forge) -> None:
    tool = forged(name="tool", files={"/opt/tool": b"#!/opt/acme/python3\n"}, modes={"/opt/tool": 0o755})
    python = forged(name="python", files={"/opt/acme/python3": b"x"})
    found = {tool.name: check_rpm(tool, XS8)}
    assert [one.rule for one in judge(context(tool), found, rules=()).findings] == ["B6"]
    assert judge(context(tool, python), found, rules=()).findings == ()


def test_rules_of_the_pack_take_part(forged: Forge) -> None:
    driver = forged(name="nic", files={"/lib/modules/4.19.0+1/updates/acme.ko": b"x"})
    report = judge(context(driver), {}, Waivers(pack={"K6": "any release"}))
    assert [one.waived for one in report.findings if one.rule == "K6"] == ["any release"]


def test_the_json_for_ci() -> None:
    report = of(finding("K8", "E", where="/x", line=3), finding("P4"), pack={"P4": "reason"})
    assert json.loads(as_json(report)) == {
        "format": 1,
        "pack": "acme",
        "version": "5.2",
        "counts": {"error": 1, "warning": 0, "note": 0},
        "findings": [
            {
                "rule": "K8",
                "severity": "E",
                "found": "what K8 found",
                "remedy": "do it",
                "pack": "acme",
                "rpm": RPM,
                "where": "/x",
                "line": 3,
            },
            {
                "rule": "P4",
                "severity": "W",
                "found": "what P4 found",
                "remedy": "do it",
                "pack": "acme",
                "rpm": RPM,
                "waived": "reason",
            },
        ],
    }


def test_the_sarif_for_ci() -> None:
    skipped = finding("B3", "I", skipped=True)
    report = of(finding("K8", "E", where="/x", line=3), finding("P4"), skipped, pack={"P4": "reason"})
    places = {("acme", RPM): Place("sub/SConscript", 7), ("acme", ""): Place("SConstruct", 9)}
    data = json.loads(as_sarif(report, all_rules(), "1", places))
    assert (data["version"], data["$schema"]) == ("2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
    (run,) = data["runs"]
    assert run["automationDetails"] == {"id": "xspack/acme/"}
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["B3", "K8", "P4"]
    assert run["tool"]["driver"]["rules"][1]["defaultConfiguration"] == {"level": "error"}
    error, warning = run["results"]
    assert error == {
        "ruleId": "K8",
        "level": "error",
        "message": {"text": f"{RPM}: /x:3: what K8 found; do it"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "sub/SConscript", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 7},
                },
                "logicalLocations": [{"fullyQualifiedName": "/x:3"}],
            }
        ],
    }
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert (note["associatedRule"], note["level"]) == ({"id": "B3"}, "note")
    assert warning["level"] == "warning"
    assert warning["suppressions"] == [{"kind": "external", "justification": "reason"}]


def test_the_text_of_several_packs_is_one_list() -> None:
    first = of(finding("P4"))
    second = judge(context(), {"b.rpm": [finding("K8", "E", rpm="b.rpm")]}, rules=())
    second = Report("beta", "1", tuple(second.findings))
    assert as_text([first, second]).splitlines() == [
        "E K8 acme: b.rpm: what K8 found; do it",
        f"W P4 acme: {RPM}: what P4 found; do it",
        "acme-5.2: 0 errors, 1 warning, 0 notes, 0 waived",
        "beta-1: 1 error, 0 warnings, 0 notes, 0 waived",
    ]
    assert as_text([]) == ""


@pytest.mark.parametrize(("severity", "code"), [("E", "31"), ("W", "33"), ("I", "36")])
def test_colours(severity: str, code: str) -> None:
    line = as_text([of(finding("P4", severity))], colour=True).splitlines()[0]
    assert line == f"\x1b[1;{code}m{severity}\x1b[0m P4 acme: {RPM}: what P4 found; do it"


def test_waived_lines_are_dim() -> None:
    line = as_text([of(finding("P4"), pack={"P4": "reason"})], colour=True).splitlines()[0]
    assert line == f"\x1b[2mW P4 acme: {RPM}: what P4 found; do it (waived: reason)\x1b[0m"

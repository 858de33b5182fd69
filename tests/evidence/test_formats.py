"""A verdict in the formats of CI systems."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pack_maker import PACK, PackMaker, package, xspack
from support import ROOT, lacks

from xspack_tool.errors import Place
from xspack_tool.evidence.formats import FORMATS
from xspack_tool.hosts.verdict import Rejection, Verdict
from xspack_tool.rules.finding import Finding
from xspack_tool.rules.registry import all_rules
from xspack_tool.rules.report import Report
from xspack_tool.rules.sarif import as_sarif

HOSTILE = "::error::x\n\x1b[2J]]></failure>,%"
REPORT = Report(
    "acme",
    "1",
    (
        Finding("S6", "E", "never reached", "insert it", "acme", "acme-1-1.noarch.rpm", "%post", 3),
        Finding("U3", "W", HOSTILE, pack="acme"),
        Finding("V3", "I", "noted", pack="acme"),
        Finding("P4", "W", "waived", pack="acme", waived="why"),
        Finding("D1", "I", "not checked", pack="acme", skipped=True),
    ),
)
VERDICTS = (Verdict("xapi", (Rejection("INVALID_UPDATE", "no"),)), Verdict("yum"))


def test_github() -> None:
    assert FORMATS["github"]("acme.iso", VERDICTS, REPORT).splitlines() == [
        "::error file=acme.iso,title=xapi acme::INVALID_UPDATE: no",
        "::error file=acme.iso,title=S6 acme-1-1.noarch.rpm%3A %25post::never reached; insert it",
        "::warning file=acme.iso,title=U3 acme::::error::x\\x0a\\x1b[2J]]></failure>,%25",
        "::notice file=acme.iso,title=V3 acme::noted",
    ]


def test_gitlab() -> None:
    rows = json.loads(FORMATS["gitlab"]("acme.iso", VERDICTS, REPORT))
    assert [(row["check_name"], row["severity"], row["location"]["lines"]["begin"]) for row in rows] == [
        ("xapi", "critical", 1),
        ("S6", "critical", 3),
        ("U3", "minor", 1),
        ("V3", "info", 1),
    ]
    assert len({row["fingerprint"] for row in rows}) == 4
    assert "\x1b" not in FORMATS["gitlab"]("acme.iso", VERDICTS, REPORT)


def test_junit() -> None:
    """A case for each host and each rule: who reads it sees what was judged, too."""
    verdicts = (*VERDICTS, Verdict("installer", unjudged=("its key",)))
    suite = ElementTree.fromstring(FORMATS["junit"]("acme.iso", verdicts, REPORT))
    rules = [rule.id for rule in all_rules()]
    assert [case.get("name") for case in suite] == ["xapi", "yum", "installer", *rules]
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped")} == {
        "tests": str(3 + len(rules)),
        "failures": "3",
        "skipped": "2",
    }
    said = {case.get("name"): [(one.tag, one.get("message") or one.text) for one in case] for case in suite}
    assert {name: parts for name, parts in said.items() if parts} == {
        "xapi": [("failure", "INVALID_UPDATE: no")],
        "installer": [("skipped", "its key")],
        "S6": [("failure", "never reached; insert it")],
        "U3": [("failure", "::error::x\\x0a\\x1b[2J]]></failure>,%")],
        "V3": [("system-out", "noted")],
        "P4": [("system-out", "waived (waived: why)")],
        "D1": [("skipped", "not checked")],
    }


def test_sarif() -> None:
    (run,) = json.loads(FORMATS["sarif"]("acme.iso", VERDICTS, REPORT))["runs"]
    assert [result["ruleId"] for result in run["results"]][:3] == ["host-xapi", "S6", "U3"]


def validated(sarif: Path) -> set[str]:
    """What Microsoft's validator says of a file, by the rules of SARIF and by those of GitHub's code scanning.

    It has notes, too, which are left out: they want message ids, snippets and URLs that can be fetched.
    """
    program = ROOT / ".venv/npm/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"
    if not program.exists():
        lacks(
            f"the validator is needed: npm install --prefix {ROOT}/.venv/npm @microsoft/sarif-multitool-linux"
        )
    program.chmod(0o755)
    said = sarif.with_suffix(".said")
    words = ["validate", sarif, "-o", said, "--rule-kind", "Sarif;Ghas", "--level", "Error;Warning"]
    env = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}  # else it wants ICU
    done = subprocess.run([program, *words], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = json.loads(said.read_text(encoding="utf-8-sig"))["runs"]
    assert run["invocations"][0]["executionSuccessful"]
    return {f"{result['ruleId']} {result['message']}" for result in run.get("results", [])}


def test_the_validator_of_sarif_has_no_warning(tmp_path: Path) -> None:
    """With a finding of each rule, a host's, what was waived or not checked; with a line of the SConstruct or none."""
    each = [
        Finding(rule.id, rule.severity, rule.meaning, rule.remedy, "acme", "acme-1-1.noarch.rpm", "/a b", 3)
        for rule in all_rules()
    ]
    report = Report("acme", "1", (*REPORT.findings, *each))

    def written(name: str, text: str) -> Path:
        (tmp_path / f"{name}.sarif").write_text(text)
        return tmp_path / f"{name}.sarif"

    def built(name: str, rpm: Place, pack: Place) -> Path:
        places = {("acme", "acme-1-1.noarch.rpm"): rpm, ("acme", ""): pack}
        return written(name, as_sarif(report, all_rules(), "1", places))

    files = [
        written("empty", as_sarif(Report("acme", "1", ()), all_rules(), "1")),
        written("finished", FORMATS["sarif"]("acme.iso", VERDICTS, report)),
        built("below", Place("a b/SConscript", 7), Place("SConstruct", 9)),
        built("elsewhere", Place("../lib/SConscript", 7), Place("/x y/SConstruct", 9)),
    ]
    assert [validated(file) for file in files] == [set()] * 4
    cut = json.loads(files[1].read_text())
    del cut["runs"][0]["tool"]["driver"]["rules"][0]["fullDescription"]
    assert [said.split()[0] for said in validated(written("cut", json.dumps(cut)))] == ["GH2012"]


@pytest.mark.parametrize("format", FORMATS)
def test_the_command_prints_them(make_pack: PackMaker, format: str) -> None:
    iso = make_pack(PACK, [package(files={"/etc/acme.txt": "1"})])
    said = xspack("verify", iso, "--format", format)
    assert (said.status, said.err) == (0, "")
    assert "U3" in said.out


def test_waivers_of_a_file(make_pack: PackMaker, tmp_path: Path) -> None:
    iso = make_pack(PACK, [package(files={"/etc/acme.txt": "1"})])
    file = tmp_path / "waivers.toml"
    assert xspack("verify", iso, "--strict").status == 1
    file.write_text('["acme-agent-5.2-1.noarch.rpm"]\nU3 = "it is our own file"\n')
    assert xspack("verify", iso, "--strict", "--waive", file).status == 0
    for text, why in (
        ("U3", "no TOML: "),
        ('Q9 = "x"', "waive='Q9': no rule has this id"),
        ('[a]\nU3 = ""', "[a] waive['U3']='': a waiver must give its reason"),
    ):
        file.write_text(text)
        said = xspack("verify", iso, "--waive", file)
        assert said.status == 1
        assert said.err.startswith(f"xspack: {file}: {why}")

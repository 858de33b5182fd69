"""A verdict in the formats that CI systems read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from xml.etree import ElementTree

from msgspec import Struct

from xspack_tool.errors import visible
from xspack_tool.evidence.text import json_text, own_version
from xspack_tool.hosts.verdict import Verdict
from xspack_tool.rules.finding import Finding
from xspack_tool.rules.registry import Rule, all_rules
from xspack_tool.rules.report import Report
from xspack_tool.rules.sarif import as_sarif

_GITHUB = {"E": "error", "W": "warning", "I": "notice"}
#: Severities of GitLab's code quality report.
_GITLAB = {"E": "critical", "W": "minor", "I": "info"}
#: How GitHub's workflow commands write what would end them (actions/toolkit, command.ts).
_IN_MESSAGE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


class _Said(Struct, frozen=True):
    """One thing that is wrong: by whom (a host, or a rule's id), how bad, where, and in words."""

    by: str
    severity: str
    place: str
    line: int
    words: str


def _said(verdicts: Sequence[Verdict], report: Report) -> Iterator[_Said]:
    """What hosts refuse the pack for, and what the rules found and nobody waived."""
    for verdict in verdicts:
        for one in verdict.rejections:
            yield _Said(verdict.host, "E", report.label, 0, visible(f"{one.code}: {one.why}"))
    for finding in report.findings:
        if not finding.waived and not finding.skipped:
            yield _Said(finding.rule, finding.severity, _place(finding), finding.line, _words(finding))


def _place(finding: Finding) -> str:
    return visible(": ".join(filter(None, (finding.rpm or finding.pack, finding.where))))


def _words(finding: Finding) -> str:
    return visible(f"{finding.found}; {finding.remedy}" if finding.remedy else finding.found)


def github(iso: str, verdicts: Sequence[Verdict], report: Report) -> str:
    """Workflow commands of GitHub Actions: each becomes a note beside the run."""
    lines = [
        f"::{_GITHUB[one.severity]} file={iso.translate(_IN_PROPERTY)},"
        f"title={f'{one.by} {one.place}'.translate(_IN_PROPERTY)}::{one.words.translate(_IN_MESSAGE)}\n"
        for one in _said(verdicts, report)
    ]
    return "".join(lines)


def gitlab(iso: str, verdicts: Sequence[Verdict], report: Report) -> str:
    """GitLab's code quality report."""
    return json_text(
        [
            {
                "description": f"{said.by}: {said.place}: {said.words}",
                "check_name": said.by,
                "fingerprint": hashlib.sha256(f"{said.by}\0{said.place}\0{said.words}".encode()).hexdigest(),
                "severity": _GITLAB[said.severity],
                "location": {"path": iso, "lines": {"begin": said.line or 1}},
            }
            for said in _said(verdicts, report)
        ]
    )


def junit(iso: str, verdicts: Sequence[Verdict], report: Report) -> str:
    """JUnit's XML: a case for each host and for each rule. Notes and waived findings are no failures; what could not be
    checked was skipped."""
    cases: dict[str, list[_Said]] = {verdict.host: [] for verdict in verdicts}
    cases |= {rule.id: [] for rule in all_rules()}
    for said in _said(verdicts, report):
        cases.setdefault(said.by, []).append(said)
    unchecked = {one.rule: visible(one.found) for one in report.findings if one.skipped}
    unchecked |= {one.host: visible("; ".join(one.unjudged)) for one in verdicts if one.unjudged}
    remarks = {name: [said.words for said in of_case] for name, of_case in cases.items()}
    for waived in (one for one in report.findings if one.waived):
        remarks.setdefault(waived.rule, []).append(visible(f"{waived.found} (waived: {waived.waived})"))
    failed = {name: [said for said in of_case if said.severity != "I"] for name, of_case in cases.items()}
    skipped = {name: why for name, why in unchecked.items() if not failed.get(name)}
    suite = ElementTree.Element(
        "testsuite",
        name=f"xspack verify {iso}",
        tests=str(len(cases)),
        failures=str(sum(map(bool, failed.values()))),
        skipped=str(len(skipped)),
    )
    for name in cases:
        case = ElementTree.SubElement(suite, "testcase", classname="xspack", name=name)
        if failed[name]:
            failure = ElementTree.SubElement(case, "failure", message=failed[name][0].words)
            failure.text = "\n".join(f"{said.severity} {said.place}: {said.words}" for said in failed[name])
        elif name in skipped:
            ElementTree.SubElement(case, "skipped", message=skipped[name])
        elif remarks[name]:
            ElementTree.SubElement(case, "system-out").text = "\n".join(remarks[name])
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def sarif(iso: str, verdicts: Sequence[Verdict], report: Report) -> str:
    """SARIF 2.1.0 of the rules' findings; what a host refuses is a finding of its own."""
    refused = tuple(
        Finding(f"host-{verdict.host}", "E", f"{rejection.code}: {rejection.why}", pack=report.label)
        for verdict in verdicts
        for rejection in verdict.rejections
    )
    hosts = [
        Rule(f"host-{name}", "E", f"{name} takes the pack", "what it demands is in docs/commands/verify.md")
        for name in dict.fromkeys(verdict.host for verdict in verdicts)
    ]
    everything = Report(report.label, report.version, (*refused, *report.findings))
    return as_sarif(everything, [*hosts, *all_rules()], own_version())


#: Each format by its name: a function of the ISO's name, the hosts' verdicts and the rules' report.
FORMATS: Mapping[str, Callable[[str, Sequence[Verdict], Report], str]] = {
    "sarif": sarif,
    "github": github,
    "gitlab": gitlab,
    "junit": junit,
}

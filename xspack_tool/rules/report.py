"""All findings of one pack together: waived, sorted, counted, and written for people and for CI."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from xspack_tool.errors import UNSEEN, Place, counted, visible
from xspack_tool.rpm.info import Relation
from xspack_tool.rules.context import PackContext
from xspack_tool.rules.engine import check_pack
from xspack_tool.rules.finding import Finding, to_plain
from xspack_tool.rules.registry import Rule

_COLOURS = {"E": "31", "W": "33", "I": "36"}
#: How SARIF calls the severities, and people.
WORDS = {"E": "error", "W": "warning", "I": "note"}


class Waivers(Struct, frozen=True):
    """Rule ids with the reason to waive them: of the pack, for all in it, and of single RPMs by file name."""

    pack: Mapping[str, str] = field(default_factory=dict)
    rpms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Report(Struct, frozen=True):
    """The findings of a pack, the severest first; waived ones are among them, with their reasons."""

    label: str
    version: str
    findings: tuple[Finding, ...]

    def count(self, severity: str) -> int:
        """How many findings of that severity are not waived; what could not be checked is none."""
        counted = (one for one in self.findings if not one.waived and not one.skipped)
        return sum(1 for one in counted if one.severity == severity)

    @property
    def counts(self) -> str:
        """How many there are of each severity, and how many are waived."""
        counts = [counted(self.count(severity), WORDS[severity]) for severity in WORDS]
        return ", ".join([*counts, f"{sum(1 for finding in self.findings if finding.waived)} waived"])

    def stops(self, strict: bool = False) -> bool:
        """Whether the ISO must not be made: an error, or with ``strict`` a warning, that is not waived."""
        return bool(self.count("E") or (strict and self.count("W")))


def judge(
    context: PackContext,
    rpm_findings: Mapping[str, Iterable[Finding]],
    waivers: Waivers | None = None,
    rules: Sequence[Rule] | None = None,
) -> Report:
    """The report on a pack: the findings of its RPMs (by file name), the rules of the pack, the waivers."""
    shipped = {file.path for info in context.rpms for file in info.files if not file.is_dir}
    shipped |= {path.rpartition("/")[2] for path in shipped}
    kept_out = {finding.keeps_out for findings in rpm_findings.values() for finding in findings}
    named = Counter(finding.unless_alone for findings in rpm_findings.values() for finding in findings)
    kept = [
        finding
        for findings in rpm_findings.values()
        for finding in findings
        if not finding.keeps_out
        and not (finding.unless_kept_out and kept_out.issuperset(finding.unless_kept_out))
        and not (finding.unless_alone and named[finding.unless_alone] == 1)
        and not (finding.unless_shipped and finding.unless_shipped in shipped)
        and not (finding.unless_provided and _is_provided(context, finding))
    ]
    kept += check_pack(context, rules)
    label = context.pack.label
    all_findings = _waive([*_once(kept)], waivers or Waivers())
    placed = sorted(
        (replace(finding, pack=label) for finding in all_findings), key=lambda finding: finding.order
    )
    return Report(label, context.pack.version, tuple(placed))


def _is_provided(context: PackContext, finding: Finding) -> bool:
    """Whether the release has the library that a finding misses. What nothing provides is D1's, if the RPM requires
    it; and without a repository only what the pack itself claims to provide is known."""
    name = finding.unless_provided
    package_set = context.package_set
    if any(provided.name == name for info in context.rpms for provided in info.provides):
        return package_set is not None and bool(package_set.providers(Relation(name, 0, ""))[1])
    required = any(
        wanted.name == name
        for info in context.rpms
        if info.file_name == finding.rpm
        for wanted in info.requires
    )
    return required or package_set is None or package_set.is_provided(Relation(name, 0, ""))


def _once(findings: Iterable[Finding]) -> Iterable[Finding]:
    """What could not be checked is said once a pack, not once an RPM."""
    said = set()
    for finding in findings:
        if not finding.skipped:
            yield finding
        elif (finding.rule, finding.found) not in said:
            said.add((finding.rule, finding.found))
            yield replace(finding, rpm="", where="", line=0)


def _waive(findings: Sequence[Finding], waivers: Waivers) -> list[Finding]:
    """The findings with the reasons of those that are waived, and one more for each waiver without use."""
    declared = {("", rule): reason for rule, reason in waivers.pack.items()}
    declared |= {(rpm, rule): reason for rpm, own in waivers.rpms.items() for rule, reason in own.items()}
    unused = dict.fromkeys(sorted(declared))
    done = []
    for finding in findings:
        keys = ((finding.rpm, finding.rule), ("", finding.rule))
        key = next((key for key in keys if key in declared), None)
        if finding.skipped:
            unused = {key: None for key in unused if key[1] != finding.rule}
        elif key:
            unused.pop(key, None)
            finding = replace(finding, waived=declared[key])
        done.append(finding)
    return done + [_unused(rpm, rule) for rpm, rule in unused]


def _unused(rpm: str, rule: str) -> Finding:
    found = f"waive={{{rule!r}: ..}} waives nothing"
    return Finding(rule, "W", found, "take the waiver out", rpm=rpm, where="waive")


def as_text(
    reports: Sequence[Report],
    colour: bool = False,
    places: Mapping[tuple[str, str], Place] | None = None,
    width: int = 0,
    brief: bool = False,
    told: Sequence[Report] = (),
) -> str:
    """All findings of all packs for a terminal, a line each, what could not be checked in one line for each thing
    that was lacking, and the counts a pack, but of those ``told`` of already; empty without packs. ``places`` say
    where a pack and an RPM of it (empty: the pack itself) were declared; with ``width``, lines are no longer;
    ``brief`` leaves out all but what was found and nobody waived."""
    every = sorted(
        (finding for report in reports for finding in report.findings), key=lambda finding: finding.order
    )
    where = places or {}
    lines = [
        _line(
            finding,
            colour,
            str(where.get((finding.pack, finding.rpm)) or where.get((finding.pack, "")) or ""),
            width,
        )
        for finding in every
        if not finding.skipped and not (brief and finding.waived)
    ]
    if brief:
        return "".join(f"{line}\n" for line in lines)
    lines += [
        _folded(line, width) for line in _skipped_lines(finding for finding in every if finding.skipped)
    ]
    for report in sorted(reports, key=lambda report: report.label):
        if not any(report is one for one in told):
            lines.append(visible(f"{report.label}-{report.version}: {report.counts}"))
    return "".join(f"{line}\n" for line in lines)


def _folded(line: str, width: int) -> str:
    if not width:
        return line
    return textwrap.fill(
        line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _line(finding: Finding, colour: bool, place: str, width: int) -> str:
    line = _folded(f"{finding} [{visible(place)}]" if place else str(finding), width)
    if not colour:
        return line
    head, _, rest = line.partition(" ")
    if finding.waived:
        return f"\x1b[2m{line}\x1b[0m"
    return f"\x1b[1;{_COLOURS[finding.severity]}m{head}\x1b[0m {rest}"


def _skipped_lines(skipped: Iterable[Finding]) -> list[str]:
    rules: dict[str, dict[str, None]] = {}
    for finding in skipped:
        rules.setdefault(finding.found, {})[finding.rule] = None
    return [visible(f"I {' '.join(ids)}: {found}") for found, ids in rules.items()]


def json_text(data: Any) -> str:
    r"""JSON in which nothing foreign can harm a terminal: what cannot be seen is written as ``\u001b``."""
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False)
    lines = re.sub(UNSEEN, lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)
    return lines + "\n"


def as_json(report: Report) -> str:
    """The text of ``<label>-findings.json``."""
    data = {
        "format": 1,
        "pack": report.label,
        "version": report.version,
        "counts": {word: report.count(severity) for severity, word in WORDS.items()},
        "findings": [to_plain(finding) for finding in report.findings],
    }
    return json_text(data)

"""Findings as SARIF 2.1.0, which CI systems show beside the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from xspack_tool.errors import Place
from xspack_tool.rules.finding import Finding
from xspack_tool.rules.registry import Rule
from xspack_tool.rules.report import WORDS, Report, json_text

_HOME = "https://pypi.org/project/xspack/"
#: Where things were declared: (label, RPM; empty: the pack itself) -> a line of the user's.
Places = Mapping[tuple[str, str], Place]


def as_sarif(report: Report, rules: Sequence[Rule], version: str, places: Places | None = None) -> str:
    """The report; ``version`` is that of xspack. Each finding is at the line that declared the RPM or the pack, where
    ``places`` has it; else at the file that it is about. What could not be checked is a notification, no result."""
    used = {finding.rule for finding in report.findings}
    driver = {
        "name": "xspack",
        "version": version,
        "informationUri": _HOME,
        "rules": [_rule(rule) for rule in rules if rule.id in used],
    }
    run = {
        "tool": {"driver": driver},
        # What GitHub tells the runs of several packs of one build by.
        "automationDetails": {"id": f"xspack/{quote(report.label)}/"},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {
                        "level": "note",
                        "message": {"text": finding.found},
                        "associatedRule": {"id": finding.rule},
                    }
                    for finding in report.findings
                    if finding.skipped
                ],
            }
        ],
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "the folder of the SConstruct"}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, places or {}) for finding in report.findings if not finding.skipped],
    }
    return json_text(
        {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    )


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.meaning},
        "fullDescription": {"text": rule.meaning},  # GitHub wants both
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": WORDS[rule.severity]},
    }


def _result(finding: Finding, places: Places) -> dict[str, Any]:
    about = finding.where + (f":{finding.line}" if finding.line else "")
    head = ": ".join(part for part in (finding.rpm or finding.pack, about) if part)
    words = f"{finding.found}; {finding.remedy}" if finding.remedy else finding.found
    location: dict[str, Any] = {"physicalLocation": _place(finding, places)}
    if about:
        location["logicalLocations"] = [{"fullyQualifiedName": about}]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": WORDS[finding.severity],
        "message": {"text": f"{head}: {words}" if head else words},
        "locations": [location],
    }
    if finding.waived:
        result["suppressions"] = [{"kind": "external", "justification": finding.waived}]
    return result


def _place(finding: Finding, places: Places) -> dict[str, Any]:
    declared = places.get((finding.pack, finding.rpm)) or places.get((finding.pack, ""))
    if declared is None or not declared.line:
        uri: dict[str, Any] = {"uri": quote(PurePosixPath(finding.rpm or finding.pack or "pack").name)}
        return {"artifactLocation": uri, "region": {"startLine": finding.line or 1}}
    file = PurePosixPath(declared.file)
    uri = (
        {"uri": file.as_uri()} if file.is_absolute() else {"uri": quote(str(file)), "uriBaseId": "%SRCROOT%"}
    )
    return {"artifactLocation": uri, "region": {"startLine": declared.line}}

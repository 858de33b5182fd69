"""The catalogue of findings: ``from findings import TABLE``."""

from __future__ import annotations

from support import ROOT

CATALOGUE = ROOT / "tests/rules/findings.txt"


def read_catalogue() -> dict[str, list[str]]:
    """A rule and a call, in one line -> the findings."""
    table: dict[str, list[str]] = {}
    findings: list[str] = []
    for line in CATALOGUE.read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            findings.append(line.strip())
        elif line and not line.startswith("#"):
            findings = table[line] = []
    return table


TABLE = read_catalogue()

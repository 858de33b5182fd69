"""``docs/rules.md`` out of the registry: ``python -m xspack_tool.rules.docs [FILE]``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from xspack_tool.rules.registry import Rule, all_rules

_FAMILIES = {
    "B": "Binaries and scripts",
    "D": "Dependencies and devices",
    "G": "Keys",
    "K": "Kernel modules",
    "L": "Licences",
    "M": "Multi-version drivers and signed modules",
    "P": "Where files belong",
    "R": "Removal",
    "S": "Scriptlets",
    "U": "Upgrades",
    "V": "Versions",
    "X": "What hosts can read",
}
_WORDS = {"E": "stops the build", "W": "is shown and counted", "I": "informs"}
_HEAD = """\
# Rules

Made from the rules themselves by `python -m xspack_tool.rules.docs docs/rules.md`.

Every RPM of a pack is judged as built, prebuilt ones too. **E** stops the ISO (the last good one stays), **W** is
shown and counted (`XSPACK_STRICT=1` makes it stop, too), **I** informs. Where a severity depends on the case, the
rule's own is given here. A rule that needs something you did not give says so, once, and what it needs.

`waive={"P4": "licence text is read by the installer"}` on a package or a pack waives a rule there, with a reason that
is printed and lands in the report. A waiver that waives nothing is a W.

Each finding ends with the line of the declaration that it judges. On a terminal, lines are 80 columns at most, and in
colour unless NO_COLOR is set or TERM is dumb (`--color=always|never` of the commands); in a pipe a finding is one line.
"""


def rules_page(rules: Iterable[Rule]) -> str:
    """The page: a chapter a family, a section a rule, with an example of each kind."""
    parts, family = [_HEAD], ""
    for rule in rules:
        if rule.id[0] != family:
            family = rule.id[0]
            parts.append(f"\n## {_FAMILIES.get(family, family)}\n")
        parts.append(_section(rule))
    return "".join(parts)


def _section(rule: Rule) -> str:
    meaning = f"{rule.meaning[:1].upper()}{rule.meaning[1:].rstrip('.')}"
    remedy = f"{rule.remedy[:1].upper()}{rule.remedy[1:].rstrip('.')}"
    head = f"\n### {rule.id} ({rule.severity})\n{meaning}. This {_WORDS[rule.severity]}.\n\n**What to do:** {remedy}.\n"
    examples = [
        f"\n{word}:\n```text\n{text.strip()}\n```\n"
        for word, text in (("Bad", rule.bad), ("Good", rule.good))
    ]
    return head + "".join(examples)


if __name__ == "__main__":
    page = rules_page(all_rules())
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(page, encoding="utf-8")
    else:
        sys.stdout.write(page)

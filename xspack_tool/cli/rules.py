"""``xspack rules``: the rule list."""

from __future__ import annotations

import argparse

from xspack_tool.cli.command import Command
from xspack_tool.cli.output import Output
from xspack_tool.rules.registry import all_rules


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="show these rules alone, with examples")


def _run(args: argparse.Namespace, out: Output) -> int:
    from xspack_tool.cli.command import UsageError
    from xspack_tool.model.syntax import nearest

    rules = {rule.id: rule for rule in all_rules()}
    for id in args.ids:
        if id.upper() not in rules:
            raise UsageError(f"no rule is called {id!r}; {nearest(id.upper(), rules) or 'see xspack rules'}")
    chosen = [rules[id.upper()] for id in args.ids] or list(rules.values())
    if args.json:
        fields = ("id", "severity", "meaning", "remedy", "bad", "good")
        out.json([{field: getattr(rule, field) for field in fields} for rule in chosen])
    elif args.ids:
        for rule in chosen:
            out.line(f"{rule.id} ({rule.severity}): {rule.meaning}", "bold")
            out.line(f"  what to do: {rule.remedy}")
            for word, text in (("bad", rule.bad), ("good", rule.good)):
                if text:
                    out.line(f"  {word}: " + text.strip().replace("\n", "\n    "))
    else:
        out.table(
            ("RULE", "SEVERITY", "MEANING"), [(rule.id, rule.severity, rule.meaning) for rule in chosen]
        )
    return 0


COMMAND = Command(
    "rules", "the rules with severity and meaning", _arguments, _run, examples=("xspack rules",)
)

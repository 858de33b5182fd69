"""What findings do to a build: an E stops its ISO, all are shown together at the end, `scons check` reports them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SCons.Script
from SCons.Node import Node
from SCons.Node.Alias import Alias

from xspack_tool.errors import BadInput, StepError, colour_wanted, damaged
from xspack_tool.plan.asked import reached
from xspack_tool.plan.scons import end_with
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import is_on

if TYPE_CHECKING:
    from xspack_tool.rules.report import Report


def refuse_if_stopped(path: Path, strict: bool) -> Report:
    """The report of a pack. Raises StepError if its findings stop the ISO; they are shown when the build ends."""
    report = read_report(path)
    if report.stops(strict):
        note_report(path, report)
        counts = f"{report.count('E')} E" + (f" and {report.count('W')} W" if strict else "")
        raise StepError(
            f"{counts} findings stop the pack, see below and {path.name}; the last good ISO stays"
        )
    return report


def tell_made(iso: Path, findings: Path, words: str) -> None:
    """The one line of a pack that was made, wherever SCons runs, and with ``-s``; it has the counts of its findings."""
    session().told.add(os.path.abspath(findings))
    sys.stdout.write(f"{os.path.relpath(iso)}: {words}\n")
    sys.stdout.flush()


def note_report(path: Path, report: Report) -> None:
    """Have a report shown when the build ends; two packs of one label have different files."""
    session().reports[os.path.abspath(path)] = report


def read_report(path: Path) -> Report:
    """The report of a findings file. Raises BadInput."""
    from xspack_tool.rules.finding import from_plain
    from xspack_tool.rules.report import Report

    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Report(data["pack"], data["version"], tuple(from_plain(item) for item in data["findings"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged(path) from None


def show_findings() -> None:
    """All findings of this run together, after building. After `scons check`, those of every pack that it judges, and
    the exit status says whether they passed."""
    for node in session().checked:
        path, strict = Path(node.get_abspath()), session().findings[node]
        if not node.exists():
            continue
        try:
            report = read_report(path)
        except BadInput as error:
            sys.stderr.write(f"xspack: {error}\n")
            end_with(2)
            continue
        note_report(path, report)
        if report.stops(strict):
            end_with(2)
    reports = [report for report in session().reports.values() if report.findings]
    if reports:
        from xspack_tool.rules.report import as_text

        width = min(80, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 0
        colour, brief = colour_wanted(sys.stdout), SCons.Script.GetOption("silent")
        told = [session().reports[path] for path in session().told if path in session().reports]
        sys.stdout.write(as_text(reports, colour, session().declared, width, brief, told))
        sys.stdout.flush()


def is_strict(env: Any) -> bool:
    """Whether W findings stop a pack, too."""
    return is_on(env, "XSPACK_STRICT")


def _note_checked() -> None:
    """Note the findings files that `check` asks for."""
    aliases = [node for node in session().asked if isinstance(node, Alias) and _is_check(str(node))]
    asked = set(reached(aliases))
    session().checked = [node for node in session().findings if node in asked]


def _is_check(name: str) -> bool:
    return name == "check" or name.startswith("check:")


def take_part(findings: Node, strict: bool) -> None:
    """Have all packs judged before the first ISO is made, and shown when the build has ended."""
    session().findings[findings] = strict
    if session().first_time("findings"):
        session().at_start += [_note_checked, judge_all_first]
        session().at_end.append(show_findings)


def judge_all_first() -> None:
    """Have every pack that was asked for judged before the first ISO is made, so that the findings of all are
    known even where those of one stop the build. This is order alone: no ISO depends on another pack, and with
    ``-k`` none waits for another."""
    if SCons.Script.GetOption("keep_going") or len(session().isos) < 2:
        return
    needed = set(reached(session().asked))
    asked = [iso for iso in session().isos if iso in needed]
    for iso in asked if len(asked) > 1 else ():
        iso.add_prerequisite([session().isos[other] for other in asked])

"""What findings do to a build: an E stops its ISO, all are shown together at the end, `scons check` tells of them."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SCons.Script
import SCons.Script.Main

from xspack_tool.errors import BadInput, StepError, colour_wanted, damaged
from xspack_tool.plan.asked import asked_nodes, reached
from xspack_tool.plan.profile import is_on
from xspack_tool.plan.session import session

if TYPE_CHECKING:
    from xspack_tool.rules.report import Report


def refuse_if_stopped(path: Path, strict: bool) -> None:
    """Raise StepError if the findings of a pack stop its ISO; they are shown when the build ends."""
    report = read_report(path)
    if report.stops(strict):
        session().reports[report.label] = report
        counts = f"{report.count('E')} E" + (f" and {report.count('W')} W" if strict else "")
        raise StepError(
            f"{counts} findings stop the pack, see below and {path.name}; the last good ISO stays"
        )


def read_report(path: Path) -> Report:
    """The report of a findings file. Raises BadInput."""
    from xspack_tool.rules.finding import from_plain
    from xspack_tool.rules.report import Report

    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Report(data["pack"], data["version"], tuple(from_plain(item) for item in data["findings"]))
    except (ValueError, KeyError, TypeError):
        raise damaged(path) from None


def show_findings(strict: bool) -> None:
    """All findings of this run together, after building. After `scons check`, those of every pack, and the exit
    status tells of them."""
    if "check" in SCons.Script.COMMAND_LINE_TARGETS:
        for node in session().findings:
            if node.exists():
                try:
                    report = read_report(Path(node.get_abspath()))
                except BadInput as error:
                    sys.stderr.write(f"xspack: {error}\n")
                    SCons.Script.Main.exit_status = 2
                    continue
                session().reports[report.label] = report
        if any(report.stops(strict) for report in session().reports.values()):
            SCons.Script.Main.exit_status = 2
    reports = [report for report in session().reports.values() if report.findings]
    if reports:
        from xspack_tool.rules.report import as_text

        width = min(80, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 0

        sys.stdout.write(as_text(reports, colour_wanted(sys.stdout), session().declared, width))
        sys.stdout.flush()


def is_strict(env: Any) -> bool:
    """Whether W findings stop a pack, too."""
    return is_on(env, "XSPACK_STRICT")


def take_part(strict: bool) -> None:
    """Have all packs judged before the first ISO is made, and shown when the build has ended."""
    if session().first_time("findings"):
        session().at_start.append(judge_all_first)
        session().at_end.append(lambda: show_findings(strict))


def judge_all_first() -> None:
    """Have every pack that was asked for judged before the first ISO is made, so that the findings of all are
    known even where those of one stop the build. This is order alone: no ISO depends on another pack, and with
    ``-k`` none waits for another."""
    if SCons.Script.GetOption("keep_going"):
        return
    if len(session().isos) < 2:
        return
    needed = set(reached(asked_nodes()))
    asked = [iso for iso in session().isos if iso in needed]
    for iso in asked if len(asked) > 1 else ():
        iso.add_prerequisite([session().isos[other] for other in asked])

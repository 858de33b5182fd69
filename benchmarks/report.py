"""What was measured, as a table."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterable
from importlib.metadata import version

from benchmarks.cases import Goal, Row, in_words

TOOLS = ("xspack", "usual pipeline", "nfpm", "plain SCons")
_ASKED = {
    "rpm": ["rpm", "--version"],
    "gpg": ["gpg", "--version"],
    "make": ["make", "--version"],
    "createrepo_c": ["createrepo_c", "--version"],
    "genisoimage": ["genisoimage", "--version"],
}


def machine() -> list[str]:
    """Processor, memory and the versions of all that took part; nothing that names the machine."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    versions = [f"Python {platform.python_version()}", f"SCons {version('scons')}"]
    versions += [f"pycdlib {version('pycdlib')}", f"createrepo_c (library) {version('createrepo_c')}"]
    versions += [f"{name} {found}" for name, argv in _ASKED.items() if (found := _number(argv))]
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    disk = subprocess.run(
        ["stat", "-f", "-c", "%T", tempfile.gettempdir()], capture_output=True, text=True, check=True
    )
    return [
        f"{_processor()}, {cores} cores, {memory:.0f} GiB of memory; scratch files on {disk.stdout.strip()}",
        f"{system}, Linux {platform.release()}",
        "; ".join(versions),
    ]


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _number(argv: list[str]) -> str:
    """The version that a program says, without its name; empty where it is missing."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    found = re.search(r"\d+(\.\d+)+", done.stdout or done.stderr)
    return found[0] if found else ""


def table(rows: Iterable[Row]) -> str:
    """The rows as a table in Markdown: medians in seconds, processor time in brackets, and ratios to xspack."""
    head = ["case", "xspack", "other tools", "ratio to xspack", "goal", "reached"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        others = [tool for tool in row.samples if tool != "xspack"]
        cells = [
            row.what,
            seconds(row, "xspack"),
            "<br>".join(f"{tool} {seconds(row, tool)}" for tool in others),
            "<br>".join(f"{row.wall(tool) / row.wall('xspack'):.2f}" for tool in others),
            "<br>".join(f"{goal.text}: {goal.value}" for goal in row.goals),
            "<br>".join("yes" if goal.reached else "**no**" for goal in row.goals),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def seconds(row: Row, tool: str) -> str:
    """``1.23 s (2.01)``: the clock's median, and the processor's."""
    return f"{row.wall(tool):.3f} s ({row.cpu(tool):.3f})"


def profile_table(row: Row) -> list[str]:
    """Where the time of one run went."""
    lines = [f"| {what} | {spent:.3f} s |" for what, spent in row.profile]
    return [
        f"One run of *{row.what}*, as SCons counts it; two steps run at once:",
        "",
        "| | |",
        "|---|---|",
        *lines,
        "",
    ]


def _why(row: Row, goal: Goal) -> str:
    """Where the time goes: of one run by its parts, and what was measured besides."""
    return " ".join(filter(None, (in_words(row.profile) if row.profile else "", goal.why)))


def results(rows: list[Row], command: str, rounds: int) -> str:
    """The text of RESULTS.md."""
    goals = [(row, goal) for row in rows for goal in row.goals if not goal.reached]
    missed = [f"- {row.what}: {goal.text}: {goal.value}. {_why(row, goal)}".rstrip() for row, goal in goals]
    parts = [
        "# Results",
        "",
        f"Written by `{command}`: one run of {rounds} rounds, the tools in turn within each.",
        "[README.md](README.md) says how to read it.",
        "",
        *(f"- {line}" for line in machine()),
        "",
        table(rows),
        "## Missed",
        "",
        *(missed or ["Nothing."]),
        "",
        "## Where the time goes",
        "",
        *(line for row in rows if row.profile for line in profile_table(row)),
    ]
    return "\n".join(parts)

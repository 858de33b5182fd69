"""What a package adds to server status reports (xen-bugtool): a category and what it collects.

xen-bugtool reads ``/etc/xensource/bugtool/<category>.xml`` for a category that it does not know, and every
``/etc/xensource/bugtool/<category>/*.xml``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from xspack_tool.errors import Problem
from xspack_tool.model.syntax import nearest, no_text

PII = ("no", "if_customized", "maybe", "yes")
FOLDER = "/etc/xensource/bugtool"
#: The categories that xen-bugtool has itself.
_BUILT_IN_WORDS = (
    "blobs boot-loader CVSM disk-info firstboot hardware-info hdparm-t high-availability host-crashdump-dumps"
    " host-crashdump-logs kernel-info loopback-devices multipath network-config network-status pam persistent-stats"
    " process-list system-logs system-services tapdisk-logs vncterm VM-snapshot-schedules wlb X11 xapi"
    " xapi-subprocess xen-info xenserver-config xenserver-databases xenserver-domains xenserver-install"
    " xenserver-logs xha-liveset yum"
)
BUILT_IN = frozenset(_BUILT_IN_WORDS.split())
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Directory(Struct, frozen=True):
    """A folder whose files are collected: those whose path matches ``pattern``, or, ``negate``, does not."""

    path: str
    pattern: str = ""
    negate: bool = False


class ReportCommand(Struct, frozen=True):
    """A command whose output is collected, under ``label`` where one is given."""

    command: str
    label: str = ""


class StatusReport(Struct, frozen=True):
    """``category`` is new, or one that exists; ``name`` is the package's or another of its own.

    ``pii`` says whether personal data may be in it. Sizes are bytes, times seconds, both for the whole category;
    None: not known. ``extends`` None: the category exists if it is one of xen-bugtool's own.
    """

    category: str
    pii: Literal["no", "if_customized", "maybe", "yes"] = "maybe"
    files: tuple[str, ...] = ()
    directories: tuple[Directory, ...] = ()
    commands: tuple[ReportCommand, ...] = ()
    min_size: int | None = None
    max_size: int | None = None
    min_time: int | None = None
    max_time: int | None = None
    mime: str = "text/plain"
    checked: bool = True
    hidden: bool = False
    name: str = ""
    extends: bool | None = None

    @property
    def is_extension(self) -> bool:
        """Whether the category exists already."""
        return self.category in BUILT_IN if self.extends is None else self.extends

    def problems(self) -> list[Problem]:
        """All mistakes in it; xen-bugtool silently drops a file that it cannot read."""
        found = [*self._name_problems(), *self._collect_problems()]
        for low, high, unit in (("min_size", "max_size", "bytes"), ("min_time", "max_time", "seconds")):
            found += _range_problems(low, getattr(self, low), high, getattr(self, high), unit)
        return found

    def _name_problems(self) -> list[Problem]:
        problems = []
        for field, value in (("category", self.category), ("name", self.name or "x")):
            if not _NAME.fullmatch(value):
                rule = f"a report's {field} must be letters, digits and _ . -"
                problems.append(Problem(field, value, rule, "choose such a name"))
        if self.pii not in PII:
            remedy = nearest(str(self.pii), PII) or f"use one of {', '.join(PII)}"
            problems.append(
                Problem("pii", self.pii, "must say whether personal data may be collected", remedy)
            )
        if not re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", self.mime):
            problems.append(Problem("mime", self.mime, "not a media type", 'write it as "text/plain"'))
        return problems

    def _collect_problems(self) -> list[Problem]:
        problems = []
        if not (self.files or self.directories or self.commands):
            remedy = "give files=, directories= or commands="
            problems.append(Problem("files", self.files, "the report collects nothing", remedy))
        paths = [("files", path) for path in self.files]
        paths += [("directories", directory.path) for directory in self.directories]
        for field, path in paths:
            if not path.startswith("/") or ".." in path.split("/"):
                problems.append(
                    Problem(field, path, "a path must be absolute and without '..'", "begin it with /")
                )
        for path in self.files:
            if re.search(r"\s", path):
                rule = "xen-bugtool splits names at blanks"
                problems.append(Problem("files", path, rule, "collect its folder with directories="))
        for directory in self.directories:
            problems += _pattern_problems(directory.pattern)
        texts = [*self.files, *[d.path + d.pattern for d in self.directories]]
        texts += [command.command + command.label for command in self.commands]
        for text in texts:
            if not text.strip() or "\n" in text or no_text(text):
                rule = "must not be empty, nor hold what XML cannot"
                problems.append(Problem("status_report", text, rule, "give one line of text"))
        return problems


def render(report: StatusReport) -> list[tuple[str, str]]:
    """The files (path, text): the category's own unless it exists, and what is collected."""
    collect = (f"{FOLDER}/{report.category}/{report.name or report.category}.xml", _collect(report))
    if report.is_extension:
        return [collect]
    return [(f"{FOLDER}/{report.category}.xml", _capability(report)), collect]


def _capability(report: StatusReport) -> str:
    numbers = [
        (field, str(value))
        for field in ("min_size", "max_size", "min_time", "max_time")
        if (value := getattr(report, field)) is not None
    ]
    attributes = [
        ("pii", report.pii),
        *numbers,
        ("mime", report.mime),
        ("checked", "true" if report.checked else "false"),
        ("hidden", "true" if report.hidden else "false"),
    ]
    return f"<capability {_attributes(attributes)}/>\n"


def _collect(report: StatusReport) -> str:
    # Imported here: it brings half of the standard library along, and few trees need it.
    from xml.sax.saxutils import escape, quoteattr

    lines = []
    if report.files:
        lines.append(f"<files>{escape(' '.join(report.files))}</files>")
    for directory in report.directories:
        words = [("pattern", directory.pattern)] if directory.pattern else []
        words += [("negate", "true")] if directory.negate else []
        blank = " " if words else ""
        lines.append(f"<directory{blank}{_attributes(words)}>{escape(directory.path)}</directory>")
    for command in report.commands:
        label = f" label={quoteattr(command.label)}" if command.label else ""
        lines.append(f"<command{label}>{escape(command.command)}</command>")
    return "<collect>\n" + "".join(f"  {line}\n" for line in lines) + "</collect>\n"


def _attributes(pairs: Sequence[tuple[str, str]]) -> str:
    from xml.sax.saxutils import quoteattr

    return " ".join(f"{name}={quoteattr(value)}" for name, value in pairs)


def _pattern_problems(pattern: str) -> list[Problem]:
    try:
        re.compile(pattern)
    except re.error as wrong:
        return [Problem("pattern", pattern, f"not a regular expression ({wrong})", "correct the pattern")]
    return []


def _range_problems(low: str, least: object, high: str, most: object, unit: str) -> list[Problem]:
    found = [
        Problem(field, value, f"{field} must be a number of {unit}", "give a whole number from 0")
        for field, value in ((low, least), (high, most))
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0)
    ]
    if not found and isinstance(least, int) and isinstance(most, int) and least > most:
        found.append(Problem(low, least, f"larger than {high}={most}", "exchange the two"))
    return found

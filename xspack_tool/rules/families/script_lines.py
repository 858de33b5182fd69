"""B8: scripts whose first bytes or line ends are not Unix's."""

from __future__ import annotations

from collections.abc import Iterator

from xspack_tool.rpm.info import PayloadFile
from xspack_tool.rules.context import Member, PackContext, RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import Hits, also_on_pack, also_on_rpm, member_rule
from xspack_tool.rules.shell.grammar import is_shell

_MARK = "\ufeff"
_NO_MARK = "save it as UTF-8 without a byte order mark: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE"


def _wants(context: RpmContext, file: PayloadFile) -> bool:
    return bool(file.mode & 0o111) and file.size > 2


@member_rule(
    "B8",
    "E",
    _wants,
    meaning="a script that cannot start: a CR at the end of its #! line, or a byte order mark before it",
    remedy="save it with Unix line ends: sed -i 's/\\r$//' FILE",
    bad="#!/bin/sh\\r",
    good="#!/bin/sh",
)
def starts_as_script(context: RpmContext, member: Member) -> Hits:
    yield from _first_line(member.file.path, member.head.decode("utf-8", "replace"))


@also_on_rpm("B8")
def scriptlet_lines(context: RpmContext) -> Hits:
    for scriptlet in context.info.scripts:
        if scriptlet.text.startswith(_MARK):
            yield Hit(f"%{scriptlet.phase}", "a byte order mark comes before it", line=1, remedy=_NO_MARK)
        elif is_shell(scriptlet.interpreter) and (line := first_cr(scriptlet.text)):
            yield Hit(
                f"%{scriptlet.phase}", "its lines end with CR, which the shell takes for text", line=line
            )


@also_on_pack("B8")
def pack_scripts(context: PackContext) -> Hits:
    for where, text in (("precheck", context.precheck_script), ("remove", context.remove_script)):
        yield from _first_line(where, text or "")


def first_cr(text: str) -> int:
    """The number of the first line that ends with CR, 0 without one."""
    return next((n for n, line in enumerate(text.split("\n"), 1) if line.endswith("\r")), 0)


def _first_line(where: str, text: str) -> Iterator[Hit]:
    first = text.split("\n", 1)[0]
    if first.startswith(f"{_MARK}#!"):
        found = "a byte order mark comes before #!, so it is not taken for a script"
        yield Hit(where, found, line=1, remedy=_NO_MARK)
    elif first.startswith("#!") and first.endswith("\r"):
        yield Hit(where, f"{first[:60].rstrip()} with a CR: no interpreter is called so", line=1)

"""The next version of what an SConstruct declares: its text with other versions, changelogs and uuids, all else
as it stands.

The file is read with Python's own grammar and never run. What is not written plainly there (a version out of a
function, a changelog that is put together) is refused by name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from msgspec import Struct

from xspack_tool.errors import BadInput
from xspack_tool.scaffold.answers import literal, quoted, unexpanded

#: The kinds that have a version of their own, and Pack.
PACKAGES = ("Userspace", "Firmware", "KernelModule")
_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)")


class Next(Struct, frozen=True):
    """What the next version is: ``version`` empty for one more than it was; with ``release`` the packages' releases
    are raised instead of their versions. ``note`` is the changelog's text, ``packager`` and ``today`` its head."""

    note: str
    packager: str
    today: str
    new_uuid: Callable[[], str]
    version: str = ""
    release: bool = False


class Edit(Struct, frozen=True):
    """A piece of the text, from one offset to another, and what takes its place."""

    start: int
    end: int
    text: str


class Bumped(Struct, frozen=True):
    """The new text, and what was changed in words."""

    text: str
    said: tuple[str, ...]


def bump(text: str, following: Next, file: object) -> Bumped:
    """The text of an SConstruct for the next version. Raises BadInput for what is not plainly written there."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise BadInput(file, f"no Python: {error}") from None
    bumper = _Bumper(text, tree, following, file)
    edits = bumper.edits()
    if not edits:
        raise BadInput(file, "declares no Pack and no package with a version")
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    ast.parse(text)  # what was written plainly stays Python
    return Bumped(text, tuple(bumper.said))


def next_version(version: str) -> str:
    """A version with its last number raised: ``1.9`` becomes ``1.10``."""
    return _LAST_NUMBER.sub(lambda found: str(int(found[1]) + 1), version)


class _Bumper:
    """The edits of one text."""

    def __init__(self, text: str, tree: ast.Module, following: Next, file: object) -> None:
        self._text, self._tree, self._next, self._file = text, tree, following, file
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._lines = text.splitlines(keepends=True)
        self.said: list[str] = []

    def edits(self) -> list[Edit]:
        edits: dict[int, Edit] = {}
        for call in _calls(self._tree):
            kind = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            fields = {one.arg: one.value for one in call.keywords if one.arg}
            if any(one.arg is None for one in call.keywords):
                self._refuse(call, f"{kind} takes keywords from **, which are not read")
            name = self._name(call)
            mine = self._pack(name, fields, call) if kind == "Pack" else self._package(name, fields, call)
            edits.update((edit.start, edit) for edit in mine)
        return list(edits.values())

    def _pack(self, name: str, fields: dict[str, ast.expr], call: ast.Call) -> Iterator[Edit]:
        if not self._next.release:
            yield self._version(name, fields, call)[1]
        if "releases" in fields:
            table = fields["releases"]
            if not isinstance(table, ast.Dict):
                self._refuse(table, "releases must be a table that is written here")
            for value in table.values:
                yield self._uuid(value)
        elif "uuid" in fields:
            yield self._uuid(fields["uuid"])
        else:
            self._refuse(call, f"{name} has no uuid")
        self.said.append(f"{name}: new uuid")

    def _uuid(self, value: ast.expr) -> Edit:
        constant = self._constant(value, "uuid")
        return Edit(*self._span(constant), quoted(self._next.new_uuid()))

    def _package(self, name: str, fields: dict[str, ast.expr], call: ast.Call) -> Iterator[Edit]:
        if "dkms" in fields and "version" not in fields:
            return  # its version is the dkms.conf's
        release = "1"
        if self._next.release:
            old = self._plain(fields["release"], "release") if "release" in fields else "1"
            release = next_version(old)
            yield self._set(fields, "release", release, after="version", call=call)
            self.said.append(f"{name}: release {old} -> {release}")
            version = self._plain(self._field(fields, "version", call), "version")
        else:
            version, edit = self._version(name, fields, call)
            yield edit
            if "release" in fields:
                yield Edit(*self._span(self._constant(fields["release"], "release")), quoted("1"))
        if "changelog" in fields:
            yield self._entry(fields["changelog"], f"{version}-{release}")

    def _version(self, name: str, fields: dict[str, ast.expr], call: ast.Call) -> tuple[str, Edit]:
        """The next version, and the edit that writes it."""
        constant = self._constant(self._field(fields, "version", call), "version")
        old = str(constant.value)
        new = self._next.version or next_version(old)
        if new == old:
            self._refuse(constant, f"the version {old} has no number that could be raised: give --version")
        self.said.append(f"{name}: {old} -> {new}")
        return new, Edit(*self._span(constant), quoted(new))

    def _plain(self, value: ast.expr, field: str) -> str:
        return str(self._constant(value, field).value)

    def _set(
        self, fields: dict[str, ast.expr], field: str, value: str, *, after: str, call: ast.Call
    ) -> Edit:
        """A keyword with another value, or a new one behind another."""
        if field in fields:
            return Edit(*self._span(self._constant(fields[field], field)), quoted(value))
        start, end = self._span(self._field(fields, after, call))
        line = self._text.rfind("\n", 0, start) + 1
        head = self._text[line:start]
        own_line = re.fullmatch(rf"(\s*){after}\s*=\s*", head)
        between = f",\n{own_line[1]}" if own_line else ", "
        return Edit(end, end, f"{between}{field}={quoted(value)}")

    def _entry(self, value: ast.expr, evr: str) -> Edit:
        """A new first entry of a changelog."""
        if not isinstance(value, ast.List) or not value.elts:
            self._refuse(value, "changelog must be a list of entries that is written here")
        first = value.elts[0]
        following = self._next
        lines = "".join(f"\n- {line}" for line in following.note.splitlines() if line.strip())
        packager = unexpanded(following.packager) or self._packager(first)
        entry = literal(f"{following.today} {packager} {evr}{unexpanded(lines)}")
        start, _ = self._span(first)
        head = self._text[self._text.rfind("\n", 0, start) + 1 : start]
        return Edit(start, start, entry + (f",\n{head}" if not head.strip() else ", "))

    def _packager(self, entry: ast.expr) -> str:
        """Who wrote the last entry."""
        text = self._plain(entry, "changelog")
        head = re.match(r"\S+ (.*?<[^<>]*>)", text)
        if head is None:
            self._refuse(entry, "the newest entry of the changelog names nobody: give --packager")
        return head[1]

    def _name(self, call: ast.Call) -> str:
        first = call.args[0] if call.args else None
        return str(first.value) if isinstance(first, ast.Constant) else f"line {call.lineno}"

    def _field(self, fields: dict[str, ast.expr], field: str, call: ast.Call) -> ast.expr:
        if field not in fields:
            self._refuse(call, f"{self._name(call)} has no {field}")
        return fields[field]

    def _constant(self, value: ast.expr, field: str) -> ast.Constant:
        """The text that a value is, or that the one plain assignment of its name is."""
        if isinstance(value, ast.Name):
            assigned = [
                node.value
                for node in ast.walk(self._tree)
                if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr, ast.For))
                and any(isinstance(target, ast.Name) and target.id == value.id for target in _targets(node))
                and not isinstance(node, ast.For)
            ]
            if len(assigned) == 1 and isinstance(assigned[0], ast.Constant):
                value = assigned[0]
        if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            self._refuse(value, f"{field} must be a plain text here")
        return value

    def _span(self, node: ast.expr) -> tuple[int, int]:
        return self._offset(node.lineno, node.col_offset), self._offset(
            node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        )

    def _offset(self, line: int, column: int) -> int:
        """Where a place is in the text; columns count bytes."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def _refuse(self, node: Any, why: str) -> NoReturn:
        raise BadInput(f"{self._file}:{node.lineno}", f"{why}; change it by hand")


def _targets(node: Any) -> list[ast.expr]:
    return list(node.targets) if isinstance(node, ast.Assign) else [node.target]


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The declarations of a file that have a version, in their order."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in (*PACKAGES, "Pack")
    ]
    return iter(sorted(found, key=lambda call: (call.lineno, call.col_offset)))

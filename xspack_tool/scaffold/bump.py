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

#: Our kinds that have a version of their own, beside Pack.
PACKAGES = ("Userspace", "Firmware", "KernelModule")
_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)")
#: What some editors of Windows begin a file with; Python passes it by.
_MARK = "\ufeff"
#: Where Python's grammar begins a line; str.splitlines() knows others.
_LINE_END = re.compile(r"\r\n|\r|\n")
#: What may stand between the bracket of a list and its first element.
_BETWEEN = re.compile(r"(?:\s|#[^\r\n]*|\\)*")


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
    text, mark = text.removeprefix(_MARK), _MARK * text.startswith(_MARK)
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
    return Bumped(mark + text, tuple(bumper.said))


def next_version(version: str) -> str:
    """A version with its last number raised: ``1.9`` becomes ``1.10``."""
    return _LAST_NUMBER.sub(lambda found: str(int(found[1]) + 1), version)


class _Bumper:
    """The edits of one text."""

    def __init__(self, text: str, tree: ast.Module, following: Next, file: object) -> None:
        self._text, self._tree, self._next, self._file = text, tree, following, file
        self._bound = _bound(tree)
        self._starts = [0, *(found.end() for found in _LINE_END.finditer(text))]
        self.said: list[str] = []

    def edits(self) -> list[Edit]:
        edits: dict[int, Edit] = {}
        for call in _calls(self._tree):
            kind = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            fields = {one.arg: one for one in call.keywords if one.arg}
            if any(one.arg is None for one in call.keywords):
                self._refuse(call, f"{kind} takes keywords from **, which are not read")
            name = self._name(call)
            mine = self._pack(name, fields, call) if kind == "Pack" else self._package(name, fields, call)
            edits.update((edit.start, edit) for edit in mine)
        return list(edits.values())

    def _pack(self, name: str, fields: dict[str, ast.keyword], call: ast.Call) -> Iterator[Edit]:
        if not self._next.release:
            yield self._version(name, fields, call)[1]
        if "releases" in fields:
            table = fields["releases"].value
            if not isinstance(table, ast.Dict):
                self._refuse(table, "releases must be a table that is written here")
            for value in table.values:
                yield self._uuid(value)
        elif "uuid" in fields:
            yield self._uuid(fields["uuid"].value)
        else:
            self._refuse(call, f"{name} has no uuid")
        self.said.append(f"{name}: new uuid")

    def _uuid(self, value: ast.expr) -> Edit:
        constant = self._constant(value, "uuid")
        return self._written(constant, self._next.new_uuid())

    def _package(self, name: str, fields: dict[str, ast.keyword], call: ast.Call) -> Iterator[Edit]:
        if "dkms" in fields and "version" not in fields:
            return  # its version is the dkms.conf's
        release = "1"
        if self._next.release:
            version = self._plain(self._field(fields, "version", call), "version")
            old = self._plain(fields["release"].value, "release") if "release" in fields else "1"
            release = next_version(old)
            yield self._release(fields, release, call)
            self.said.append(f"{name}: release {old} -> {release}")
        else:
            version, edit = self._version(name, fields, call)
            yield edit
            if "release" in fields:
                yield self._release(fields, release, call)
        if "changelog" in fields:
            yield self._entry(fields["changelog"].value, f"{version}-{release}")

    def _version(self, name: str, fields: dict[str, ast.keyword], call: ast.Call) -> tuple[str, Edit]:
        """The next version, and the edit that writes it."""
        constant = self._constant(self._field(fields, "version", call), "version")
        old = str(constant.value)
        new = self._next.version or next_version(old)
        if new == old:
            self._refuse(constant, f"the version {old} has no number that could be raised: give --version")
        self.said.append(f"{name}: {old} -> {new}")
        return new, self._written(constant, new)

    def _release(self, fields: dict[str, ast.keyword], value: str, call: ast.Call) -> Edit:
        """The release with another value, or a new one behind the version."""
        if "release" in fields:
            return self._written(self._constant(fields["release"].value, "release"), value)
        self._field(fields, "version", call)
        start, end = self._span(fields["version"])
        head = self._head(start)
        return Edit(
            end, end, f"{f',{self._line_end}{head}' if not head.strip() else ', '}release={quoted(value)}"
        )

    def _written(self, constant: ast.Constant, value: str) -> Edit:
        """Another text in the place of one, in quotes of the same kind."""
        start, end = self._span(constant)
        text = quoted(value)
        if self._text[start] == "'" and "'" not in text and "\\" not in text:
            text = f"'{text[1:-1]}'"
        return Edit(start, end, text)

    def _head(self, offset: int) -> str:
        """What stands before a place in its line."""
        return self._text[max(start for start in self._starts if start <= offset) : offset]

    @property
    def _line_end(self) -> str:
        found = _LINE_END.search(self._text)
        return found[0] if found else "\n"

    def _entry(self, value: ast.expr, evr: str) -> Edit:
        """A new first entry of a changelog."""
        if not isinstance(value, ast.List) or not value.elts:
            self._refuse(value, "changelog must be a list of entries that is written here")
        first = value.elts[0]
        following = self._next
        lines = "".join(f"\n- {line}" for line in following.note.splitlines() if line.strip())
        packager = unexpanded(following.packager) or self._packager(first)
        entry = literal(f"{following.today} {packager} {evr}{unexpanded(lines)}")
        opened = self._span(value)[0] + 1
        between = _BETWEEN.match(self._text, opened)
        start = between.end() if between else opened  # of the first entry, or of a parenthesis around it
        head = self._head(start)
        return Edit(start, start, entry + (f",{self._line_end}{head}" if not head.strip() else ", "))

    def _packager(self, entry: ast.expr) -> str:
        """Who wrote the last entry."""
        text = self._plain(entry, "changelog")
        head = re.match(r"\S+ (.*?<[^<>]*>)", text)
        if head is None:
            self._refuse(entry, "the newest entry of the changelog names nobody: give --packager")
        return head[1]

    def _plain(self, value: ast.expr, field: str) -> str:
        return str(self._constant(value, field).value)

    def _name(self, call: ast.Call) -> str:
        first = call.args[0] if call.args else None
        return str(first.value) if isinstance(first, ast.Constant) else f"line {call.lineno}"

    def _field(self, fields: dict[str, ast.keyword], field: str, call: ast.Call) -> ast.expr:
        if field not in fields:
            self._refuse(call, f"{self._name(call)} has no {field}")
        return fields[field].value

    def _constant(self, value: ast.expr, field: str) -> ast.Constant:
        """The text that a value is, or that the one plain assignment of its name is."""
        if isinstance(value, ast.Name) and self._bound.count(value.id) == 1:
            value = next(
                (
                    node.value
                    for node in ast.walk(self._tree)
                    if isinstance(node, (ast.Assign, ast.AnnAssign))
                    and isinstance(node.value, ast.Constant)
                    and any(isinstance(to, ast.Name) and to.id == value.id for to in _targets(node))
                ),
                value,
            )
        if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            self._refuse(value, f"{field} must be a plain text here")
        return value

    def _span(self, node: ast.expr | ast.keyword) -> tuple[int, int]:
        return self._offset(node.lineno, node.col_offset), self._offset(
            node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        )

    def _offset(self, line: int, column: int) -> int:
        """Where a place is in the text; columns count bytes."""
        start = self._starts[line - 1]
        return start + len(self._text[start : start + column].encode()[:column].decode())

    def _refuse(self, node: Any, why: str) -> NoReturn:
        raise BadInput(f"{self._file}:{node.lineno}", f"{why}; change it by hand")


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _bound(tree: ast.Module) -> list[str]:
    """Every name that a file gives a value, as often as it does."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.append(node.id)
        elif isinstance(node, ast.arg):
            names.append(node.arg)
        elif isinstance(node, ast.alias):
            names.append(node.asname or node.name)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.ExceptHandler)) and node.name:
            names.append(node.name)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return names


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The declarations of a file that have a version, in their order."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _has_version(node)
    ]
    return iter(sorted(found, key=lambda call: (call.lineno, call.col_offset)))


def _has_version(call: ast.Call) -> bool:
    """Whether a call of a method declares what has a version: a kind of ours, or one of the user's by its keywords."""
    given = {one.arg for one in call.keywords}
    kind = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    return kind in (*PACKAGES, "Pack") or ("version" in given and bool(given & {"changelog", "summary"}))

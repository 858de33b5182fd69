"""A package while it is being declared: what a kind says of it, collected and checked."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from xspack_tool.errors import Problem
from xspack_tool.model import syntax
from xspack_tool.model.changelog import ChangelogEntry, parse_entry
from xspack_tool.model.dependency import Dependency, parse_dependency
from xspack_tool.model.package import PHASES, FileEntry, Package, Role, Script, ScriptPart, interpreter_of
from xspack_tool.plan.sources import XsFile, XsLink, file_problems, first_line, is_dir, nodes_of, walk

#: Below these a package owns the folders that lead to its files, so that nothing is left when it is removed.
OWNED_BELOW = ("/opt", "/usr/share/doc", "/usr/share/licenses", "/var/update", "/lib/firmware/updates")


@dataclass(frozen=True)
class _Placed:
    """An entry, the node of its content, and the field that put it there."""

    entry: FileEntry
    node: Any
    field: str


class PackageDeclaration:
    """What a kind writes into: files, dependencies, scriptlets. All mistakes are kept until the end."""

    def __init__(self, env: Any, name: str, profile: Any) -> None:
        self.env, self.name, self.profile = env, name, profile
        self.problems: list[Problem] = []
        #: Checks to be made when the whole tree of SConstructs was read.
        self.late_checks: list[Any] = []
        self._placed: dict[str, _Placed] = {}
        self._relations: dict[str, list[Dependency]] = {}
        self._scripts: dict[str, list[tuple[ScriptPart, Any]]] = {}
        self._changelog: list[ChangelogEntry] = []

    def problem(self, field: str, value: object, rule: str, remedy: str) -> None:
        """Note a mistake in the declaration."""
        self.problems.append(Problem(field, value, rule, remedy))

    # Payload

    def add(
        self, field: str, destination: str, value: Any, *, role: Role = "", mode: int | None = None
    ) -> None:
        """Place whatever the user named at a destination: a file, several files or a folder tree, an XsLink,
        an XsFile. Several files, or a destination that ends in /, go below it under their own names."""
        if isinstance(value, XsLink):
            self.link(destination, value.target, field=field)
            return
        options: dict[str, Any] = {"mode": mode}
        if isinstance(value, XsFile):
            options = {"mode": value.mode, "owner": value.owner, "group": value.group}
            value = value.source
        nodes = nodes_of(self.env, value)
        if not nodes:
            self.problem(
                field, destination, "no file is named for this destination", "name one, or leave it out"
            )
        for node in nodes:
            below = destination.endswith("/") or len(nodes) > 1
            if is_dir(node):
                self.tree(f"{destination}/{node.name}" if len(nodes) > 1 else destination, node, field=field)
            else:
                path = f"{destination}/{posixpath.basename(str(node))}" if below else destination
                self.file(path, node, field=field, role=role, **options)

    def file(self, path: str, source: Any, *, field: str = "files", role: Role = "", **options: Any) -> None:
        """A file whose content is a source or a built file. ``mode`` None: from the source."""
        for node in nodes_of(self.env, source):
            self.need(field, node)
            self._place(FileEntry(path, "file", role=role, **options), node, field)

    def text(self, path: str, text: str, *, mode: int = 0o644, field: str = "files", role: Role = "") -> None:
        """A file whose content is written here."""
        self._place(FileEntry(path, "file", mode=mode, text=text, role=role), None, field)

    def link(self, path: str, target: str, *, field: str = "files") -> None:
        """A symbolic link."""
        if not target or "\0" in target:
            self.problem(field, target, "a link has a target", "name the path it leads to")
        self._place(FileEntry(path, "link", link=target), None, field)

    def folder(self, path: str, *, mode: int = 0o755, field: str = "files") -> None:
        """A folder that the package owns."""
        self._place(FileEntry(path, "dir", mode=mode), None, field)

    def archive(self, path: str, source: Any, *, field: str = "files") -> None:
        """The members of a tar archive that a step makes, below ``path``."""
        self._place(FileEntry(path, "archive"), source, field)

    def tree(self, path: str, folder: Any, *, field: str = "files", exclude: Iterable[str] = ()) -> None:
        """A whole folder, tracked file by file: modes, links, empty folders."""
        if not folder.srcnode().exists() and not folder.entries.keys() - {".", ".."}:
            self.problem(field, str(folder), "no such folder", "make it, or name another")
            return
        self.folder(path, field=field)
        for item in walk(self.env, folder, tuple(exclude)):
            below = f"{path}/{item.relative}"
            if item.wrong:
                remedy = "remove it, or name the files one by one"
                self.problem(field, f"{folder}/{item.relative}", item.wrong, remedy)
            elif item.link:
                self.link(below, item.link, field=field)
            elif item.node is None:
                self.folder(below, field=field)
            else:
                self.file(below, item.node, field=field)

    def need(self, field: str, node: Any) -> None:
        """Note that a file must be there, or be built, once everything was read."""
        self.late_checks.append(lambda: file_problems(field, node))

    def _place(self, entry: FileEntry, node: Any, field: str) -> None:
        wrong = [*syntax.check_destination(field, entry.path), *entry.problems(field)]
        if wrong:
            self.problems += wrong
            return
        path = syntax.normal_path(entry.path)
        entry = replace(entry, path=path, source="" if node is None else path)
        other = self._placed.get(entry.path)
        if other and not (other.entry.kind == entry.kind == "dir"):
            mine, theirs = (placed_words(placed) for placed in (_Placed(entry, node, field), other))
            rule = f"provided twice, by {theirs} and by {mine}"
            self.problem(field, entry.path, rule, "keep one of them")
            return
        self._placed[entry.path] = _Placed(entry, node, field)

    # Dependencies, scriptlets, changelog

    def relate(self, field: str, *values: object) -> None:
        """Dependencies, as the user writes them or as values; ``field`` is requires, provides, conflicts, obsoletes,
        requires_post or requires_postun."""
        for value in values:
            parsed = value if isinstance(value, Dependency) else parse_dependency(field, value)
            if isinstance(parsed, Problem):
                self.problems.append(parsed)
            else:
                self._relations.setdefault(field, []).append(parsed)

    def script(self, phase: str, body: Any, *, field: str = "scripts") -> None:
        """Add to a scriptlet: a text, or a file node whose content is read when the RPM is written."""
        if phase not in PHASES:
            remedy = syntax.nearest(phase, PHASES) or f"use one of {', '.join(PHASES)}"
            self.problem(field, phase, "no such scriptlet", remedy)
        elif isinstance(body, str):
            self._scripts.setdefault(phase, []).append((ScriptPart(body), None))
        else:
            for node in nodes_of(self.env, body):
                self.need(field, node)
                parts = self._scripts.setdefault(phase, [])
                parts.append((ScriptPart(None, f"%{phase} {len(parts)}"), node))

    def change(self, *entries: object) -> None:
        """Changelog entries as the user writes them."""
        for value in entries:
            parsed = parse_entry("changelog", value)
            if isinstance(parsed, Problem):
                self.problems.append(parsed)
            else:
                self._changelog.append(parsed)

    # The end

    def finish(self, **identity: Any) -> tuple[Package, dict[str, Any]]:
        """The package, and the nodes of its contents by the names that it has for them: a file is called by its
        path, a script's file by its number in the scriptlet."""
        self._own_folders()
        self._no_file_as_folder()
        placed = [self._placed[path] for path in sorted(self._placed)]
        scripts = [(phase, self._scripts[phase]) for phase in PHASES if phase in self._scripts]
        relations: dict[str, Any] = {
            field: tuple(dict.fromkeys(found)) for field, found in self._relations.items()
        }
        package = Package(
            name=self.name,
            entries=tuple(one.entry for one in placed),
            scripts=tuple(self._script(phase, parts) for phase, parts in scripts),
            changelog=tuple(self._changelog),
            **relations,
            **identity,
        )
        self.problems += package.problems()
        contents = {one.entry.source: one.node for one in placed if one.entry.source}
        contents |= {part.source: node for _, parts in scripts for part, node in parts if part.source}
        return package, contents

    def _script(self, phase: str, parts: list[tuple[ScriptPart, Any]]) -> Script:
        heads = [first_line(node) if part.text is None else part.text.lstrip() for part, node in parts]
        named = {name for name in map(interpreter_of, heads) if name and name != "/bin/sh"}
        interpreter = min(named - {"/bin/bash"}, default=min(named, default="/bin/sh"))
        if interpreter not in ("/bin/sh", "/bin/bash") and len(parts) > 1:
            rule = (
                f"a scriptlet for {interpreter} cannot be joined with the parts that xspack writes in shell"
            )
            self.problem("scripts", phase, rule, "write it in shell, or call the program from it")
        return Script(phase, tuple(part for part, _ in parts), interpreter)

    def _own_folders(self) -> None:
        for path in list(self._placed):
            parent = posixpath.dirname(path)
            while parent.startswith(tuple(f"{top}/" for top in OWNED_BELOW)) and parent not in self._placed:
                self._placed[parent] = _Placed(FileEntry(parent, "dir", mode=0o755), None, "files")
                parent = posixpath.dirname(parent)

    def _no_file_as_folder(self) -> None:
        for path, placed in self._placed.items():
            above = self._placed.get(posixpath.dirname(path))
            if above and above.entry.kind in ("file", "link"):
                rule = f"{above.entry.path} is a {above.entry.kind}, so nothing can lie below it"
                self.problem(placed.field, path, rule, "choose another destination")


def placed_words(placed: _Placed) -> str:
    """``files=agent.c`` as a message names an entry."""
    content = placed.entry.link or (str(placed.node) if placed.node is not None else "")
    return f"{placed.field}={content}" if content else placed.field

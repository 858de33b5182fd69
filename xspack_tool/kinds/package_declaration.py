"""A package while it is being declared: what its kind and keywords add, collected and checked."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from SCons.Node.Alias import Alias
from SCons.Node.Python import Value

from xspack_tool.errors import Problem
from xspack_tool.model import syntax
from xspack_tool.model.changelog import ChangelogEntry, parse_entry
from xspack_tool.model.dependency import Dependency, parse_dependency
from xspack_tool.model.package import (
    PHASES,
    TRIGGERS,
    FileEntry,
    Package,
    Role,
    Script,
    ScriptPart,
    interpreter_of,
    read_mode,
)
from xspack_tool.plan.sources import (
    BuiltTree,
    XsConfig,
    XsDir,
    XsFile,
    XsLink,
    built_tree,
    decided,
    file_problems,
    first_line,
    is_installed,
    is_list,
    is_open,
    links_of,
    named,
    nodes_of,
    pointer_problems,
    walk,
)

#: Below these a package owns the folders that lead to its files, so that nothing is left when it is removed.
OWNED_BELOW = ("/opt", "/usr/share/doc", "/usr/share/licenses", "/var/update", "/lib/firmware/updates")


class _Placed(Struct, frozen=True):
    """An entry, the node of its content, and the field that put it there."""

    entry: FileEntry
    node: Any
    field: str
    #: 2: the user named it; 1: it lies in a folder that the user named; 0: it comes along with another.
    weight: int = 2


class _Open(Struct, frozen=True):
    """What a destination was given, some of it known only when everything was read."""

    field: str
    destination: str
    nodes: tuple[Any, ...]
    #: Whether each goes below the destination under its own name.
    below: bool
    options: dict[str, Any]


class PackageDeclaration:
    """What a kind writes into: files, dependencies, scriptlets. All mistakes are kept until the end."""

    def __init__(self, env: Any, name: str, profile: Any) -> None:
        self.env, self.name, self.profile = env, name, profile
        self.problems: list[Problem] = []
        #: Checks to be made when the whole tree of SConstructs was read.
        self.late_checks: list[Any] = []
        self._placed: dict[str, _Placed] = {}
        self._open: list[_Open] = []
        self.is_closed = self._is_awaited = False
        #: The folders that steps of the build fill, by the path of their entry.
        self.trees: dict[str, BuiltTree] = {}
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
        """Place whatever the user named at a destination: a file, several files or a folder tree, an XsLink, an XsFile,
        an XsDir. The destination is a folder if it ends in /, and for a list, be it of one: each goes below it under
        its own name."""
        if isinstance(value, XsLink):
            self.link(destination, value.target, field=field)
            return
        options: dict[str, Any] = {"role": role, "mode": mode}
        if isinstance(value, XsConfig):
            options["role"] = value.role
        if isinstance(value, (XsFile, XsDir, XsConfig)):
            given = self._given_modes(field, destination, value)
            if isinstance(value, XsDir) and value.source is None:
                self.folder(destination, mode=given["folder_mode"], field=field, **_owners(given))
                return
            options |= given
            value = value.source
        if isinstance(value, Value):
            self._value(field, destination, value, options)
            return
        nodes = named(self.env, value)
        if not nodes:
            remedy = "name one, correct the pattern, or leave the destination out"
            self.problem(field, destination, "no file is named for this destination", remedy)
            return
        below = len(nodes) > 1 or is_list(value)
        if len(nodes) == 1 and below and self._is_unclear(destination, nodes[0]):
            name = posixpath.basename(str(nodes[0]))
            rule = f"a list of one file: is that the file, or a folder for {name}?"
            self.problem(
                field, destination, rule, "take [0] of the list for the file, or end the path with /"
            )
            return
        if len(nodes) == 1 and is_installed(nodes[0]):
            below = False
        placed = _Open(field, destination, tuple(nodes), below, options)
        if any(map(is_open, nodes)):
            if wrong := syntax.check_destination(field, destination):
                self.problems += wrong
            self._open.append(placed)
        else:
            self._place_open(placed, nodes)

    def _given_modes(self, field: str, path: str, value: XsFile | XsDir | XsConfig) -> dict[str, Any]:
        """The options of an entry that an XsFile or an XsDir says."""
        options: dict[str, Any] = {"owner": value.owner, "group": value.group}
        if isinstance(value, XsDir):
            modes = {"folder_mode": value.mode, "mode": value.file_mode}
        else:
            modes = {"mode": value.mode}
        for name, mode in modes.items():
            if mode is not None:
                number = read_mode(field, mode, path)
                options[name] = number
                if isinstance(number, Problem):
                    self.problems.append(number)
                    options[name] = None if name == "mode" else 0o755
        if isinstance(value, XsDir):
            options["limit"] = options["folder_mode"] & 0o777
            if options["folder_mode"] & 0o100 == 0:
                remedy = f"write it as mode=0o{options['folder_mode'] | 0o100:o}"
                self.problem(field, value.mode, "a folder that its owner cannot enter", remedy)
        elif (mode := options.get("mode")) is not None:
            options["folder_mode"] = mode & 0o777 | (mode & 0o444) >> 2 | 0o100
        return options

    @staticmethod
    def _is_unclear(destination: str, node: Any) -> bool:
        """Whether a list of one may as well mean the file itself: env.Install returns such lists."""
        if destination.endswith("/") or isinstance(node, Alias):
            return False
        same_name = posixpath.basename(destination) == posixpath.basename(str(node))
        return is_installed(node) != same_name

    def _value(self, field: str, destination: str, node: Value, options: dict[str, Any]) -> None:
        """A text of env.Value as a file."""
        text = node.value.decode() if _is_utf8(node.value) else node.value
        if node.has_builder() or isinstance(text, bool) or not isinstance(text, (str, int)):
            rule = "the content of a file must be a text, which stands in the SConstruct"
            self.problem(field, destination, rule, 'write env.Value("text"), or have a builder make a file')
        elif destination.endswith("/"):
            self.problem(field, destination, "a Value has no name", "name the file that it becomes")
        else:
            plain = {key: option for key, option in options.items() if key not in ("limit", "folder_mode")}
            plain["mode"] = 0o644 if plain["mode"] is None else plain["mode"]
            self._place(FileEntry(destination, "file", text=str(text), **plain), None, field)

    def _place_open(self, one: _Open, nodes: Iterable[Any]) -> None:
        for node in nodes:
            if isinstance(node, Value):
                rule = "a Value has no name to go below a folder"
                self.problem(one.field, one.destination, rule, "name it alone, with the path it becomes")
                continue
            name = posixpath.basename(str(node))
            if is_open(node):
                path = f"{one.destination}/{name}" if one.below else one.destination
                self._tree(path, node, one.field, one.options)
                continue
            in_folder = one.below or one.destination.endswith("/")
            path = f"{one.destination}/{name}" if in_folder else one.destination
            self.file(path, node, field=one.field, **one.options)
            self._beside(path, name, node, one)

    def _beside(self, path: str, name: str, node: Any, one: _Open) -> None:
        """The links that belong to a versioned library, which may have got another name here."""
        here = posixpath.basename(path.rstrip("/"))
        for link, target in links_of(node):
            if link not in (here, name):
                target = here if target == name else target
                entry = FileEntry(f"{posixpath.dirname(path)}/{link}", "link", link=target)
                self._place(entry, None, one.field, weight=0)

    @property
    def is_open(self) -> bool:
        """Whether some of its payload is known only when everything was read."""
        return bool(self._open)

    def close(self, *, is_awaited: bool) -> None:
        """Place what was left open; everything was read. ``is_awaited``: see built_tree."""
        waiting, self._open, self._is_awaited = self._open, [], is_awaited
        self.is_closed = True
        for one in waiting:
            nodes = [node for named_node in one.nodes for node in decided(named_node)]
            if not nodes:
                remedy = "give the alias targets, or leave the destination out"
                self.problem(one.field, one.destination, "the alias stands for nothing", remedy)
            self._place_open(one, nodes)

    def file(self, path: str, source: Any, *, field: str = "files", role: Role = "", **options: Any) -> None:
        """A file whose content is a source or a built file. ``mode`` None: from the source."""
        options.pop("folder_mode", None)
        for node in nodes_of(self.env, source):
            self.need(field, node, content=path.startswith("/lib/firmware/"))
            self._place(FileEntry(path, "file", role=role, **options), node, field)

    def text(self, path: str, text: str, *, mode: int = 0o644, field: str = "files", role: Role = "") -> None:
        """A file whose content is written here."""
        self._place(FileEntry(path, "file", mode=mode, text=text, role=role), None, field)

    def link(self, path: str, target: str, *, field: str = "files") -> None:
        """A symbolic link."""
        if not target or "\0" in target:
            self.problem(field, target, "a link must have a target", "name the path it leads to")
        elif syntax.normal_path(posixpath.join(posixpath.dirname(path), target)) == syntax.normal_path(path):
            self.problem(field, target, f"the link {path} leads to itself", "name the path it leads to")
        elif len(target.encode(errors="surrogateescape")) > syntax.LONGEST_PATH:
            rule = f"a link must lead to a path of at most {syntax.LONGEST_PATH} bytes"
            self.problem(field, f"{target[:80]}..", rule, "shorten it")
        self._place(FileEntry(path, "link", link=target), None, field)

    def folder(
        self,
        path: str,
        *,
        mode: int = 0o755,
        field: str = "files",
        owner: str = "root",
        group: str = "root",
        weight: int = 2,
    ) -> None:
        """A folder that the package owns."""
        self._place(FileEntry(path, "dir", mode=mode, owner=owner, group=group), None, field, weight=weight)

    def ghost(self, path: str, mode: Any = 0o644, *, field: str = "ghost") -> None:
        """A file that is made on the host, which belongs to the package all the same."""
        found = read_mode(field, mode, path)
        if isinstance(found, Problem):
            self.problems.append(found)
        else:
            self._place(FileEntry(path, "file", mode=found, text="", role="ghost"), None, field)

    def archive(self, path: str, source: Any, *, field: str = "files") -> None:
        """The members of a tar archive that a step makes, below ``path``."""
        self._place(FileEntry(path, "archive"), source, field)

    def tree(
        self, path: str, folder: Any, *, field: str = "files", exclude: Iterable[str] = (), **options: Any
    ) -> None:
        """A whole folder: file by file with modes, links and empty folders, without what bears a name of ``exclude``;
        or, where steps of the build fill it, as it is when they are done."""
        options = {**options, "exclude": tuple(exclude)} if exclude else options
        self._open.append(_Open(field, path, (folder,), below=False, options=options))

    def _tree(self, path: str, folder: Any, field: str, options: dict[str, Any]) -> None:
        """A folder when everything was read."""
        options = dict(options)
        exclude = frozenset(options.pop("exclude", ()))
        if built := built_tree(self.env, folder, is_awaited=self._is_awaited):
            path = path.rstrip("/")
            self.trees[syntax.normal_path(path)] = built
            self._place(FileEntry(path, "tree", **options), folder, field)
            return
        if not folder.srcnode().exists():
            self.problem(field, str(folder), "folder not found", "make it, or name another")
            return
        mode, owners = options.get("folder_mode", 0o755), _owners(options)
        self.folder(path, field=field, mode=mode, **owners)
        for item in walk(self.env, folder):
            if not exclude.isdisjoint(item.relative.split("/")):
                continue
            below = f"{path}/{item.relative}"
            if item.wrong:
                remedy = "remove it, or name the files one by one"
                self.problem(field, f"{folder}/{item.relative}", item.wrong, remedy)
            elif item.link:
                self.link(below, item.link, field=field)
            elif item.node is None:
                self.folder(below, field=field, mode=mode, weight=1, **owners)
            else:
                self.file(below, item.node, field=field, **options)

    def need(self, field: str, node: Any, *, content: bool = False) -> None:
        """Note that a file must be there, or be built, once everything was read; with ``content`` it must be no pointer
        of Git LFS or git-annex: a device would be given that, and no compiler sees it."""

        def problems() -> list[Problem]:
            return (content and pointer_problems(field, node)) or file_problems(field, node)

        if self.is_closed:
            self.problems += problems()
        else:
            self.late_checks.append(problems)

    def _place(self, entry: FileEntry, node: Any, field: str, *, weight: int = 2) -> None:
        wrong = [*syntax.check_destination(field, entry.path), *entry.problems(field)]
        if wrong:
            self.problems += wrong
            return
        path = syntax.normal_path(entry.path)
        entry = replace(entry, path=path, source="" if node is None or entry.kind == "tree" else path)
        placed, other = _Placed(entry, node, field, weight), self._placed.get(entry.path)
        if other is None or (_gives_way(other, placed) and other.weight < weight):
            self._placed[entry.path] = placed
        elif not _gives_way(other, placed) or (other.weight == weight and other.entry != entry):
            rule = f"provided twice, by {placed_words(other)} and by {placed_words(placed)}"
            self.problem(field, entry.path, rule, "keep one of them")

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
        else:
            self._add_script(phase, body, field)

    def trigger(self, words: str, body: Any, *, field: str = "triggers") -> None:
        """A scriptlet that runs when another package comes or goes: ``triggerin name >= version, ..``."""
        kind, _, names = words.strip().partition(" ")
        if kind not in TRIGGERS:
            remedy = syntax.nearest(kind, TRIGGERS) or f"begin it with one of {', '.join(TRIGGERS)}"
            self.problem(field, words, "no such trigger", remedy)
            return
        watched = [parse_dependency(field, name.strip()) for name in names.split(",")]
        wrong = [dependency for dependency in watched if isinstance(dependency, Problem)]
        self.problems += wrong
        if not wrong:
            self._add_script(f"{kind} -- {', '.join(map(str, watched))}", body, field)

    def _add_script(self, phase: str, body: Any, field: str) -> None:
        if isinstance(body, str):
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
        # An open entry has its place already, so that later statements can name it.
        placed += [_Placed(FileEntry(one.destination, "tree"), None, one.field) for one in self._open]
        phases = [*PHASES, *sorted(self._scripts.keys() - set(PHASES))]
        scripts = [(phase, self._scripts[phase]) for phase in phases if phase in self._scripts]
        relations: dict[str, Any] = {
            field: tuple(dict.fromkeys(given)) for field, given in self._relations.items()
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
                folder = FileEntry(parent, "dir", mode=0o755)
                self._placed[parent] = _Placed(folder, None, "files", weight=0)
                parent = posixpath.dirname(parent)

    def _no_file_as_folder(self) -> None:
        for path, placed in self._placed.items():
            above = self._placed.get(posixpath.dirname(path))
            if above and above.entry.kind in ("file", "link"):
                rule = f"{above.entry.path} is a {above.entry.kind}, so nothing can lie below it"
                self.problem(placed.field, path, rule, "choose another destination")


def _gives_way(one: _Placed, other: _Placed) -> bool:
    """Whether two entries may name one path: folders, and what comes along with another."""
    return one.entry.kind == other.entry.kind == "dir" or 0 in (one.weight, other.weight)


def _owners(options: dict[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in ("owner", "group") if key in options}


def _is_utf8(value: object) -> bool:
    try:
        return isinstance(value, bytes) and bool(value.decode() or True)
    except UnicodeDecodeError:
        return False


def placed_words(placed: _Placed) -> str:
    """``files=agent.c`` as a message names an entry."""
    content = placed.entry.link or (str(placed.node) if placed.node is not None else "")
    return f"{placed.field}={content}" if content else placed.field

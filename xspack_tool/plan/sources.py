"""What the user names in a declaration, as SCons nodes: files, folders walked file by file, links."""

from __future__ import annotations

import os
import posixpath
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MappingView
from pathlib import Path
from typing import Any

import SCons.Node.Alias
import SCons.Node.FS
from msgspec import Struct
from SCons.Node import Node
from SCons.Util import flatten

from xspack_tool.errors import Problem
from xspack_tool.model.package import Package
from xspack_tool.plan.scons import built_above, library_links
from xspack_tool.plan.settings import out_path
from xspack_tool.rpm.tree import Tree, grown, walk_disk


class XsFile(Struct, frozen=True):
    """A payload file with its mode, owner or group given; of a folder, all files below it. Then the folders get the
    same mode, and may be entered by all who may read them."""

    source: Any
    mode: int | str | None = None
    owner: str = "root"
    group: str = "root"


class XsConfig(Struct, frozen=True):
    """A configuration file, or a folder of such. With ``noreplace`` False an upgrade puts its own in the place of one
    that was changed, which is kept as .rpmsave; ``missingok``: it may be absent."""

    source: Any
    noreplace: bool = True
    missingok: bool = False
    mode: int | str | None = None
    owner: str = "root"
    group: str = "root"

    @property
    def role(self) -> str:
        """What rpm calls it."""
        return "config" + ("" if self.noreplace else "-replace") + ("-missingok" if self.missingok else "")


class XsDir(Struct, frozen=True):
    """A payload folder with its mode, owner and group, and those below it: without ``source`` an empty one. Files in
    it keep their modes, as far as the folder's goes, or get ``file_mode``."""

    source: Any = None
    mode: int | str = 0o755
    owner: str = "root"
    group: str = "root"
    file_mode: int | str | None = None


class XsLink(Struct, frozen=True):
    """A symbolic link of the payload."""

    target: str


class XsPatch(Struct, frozen=True):
    """A late fix of a driver, and what a submission says about it. ``seen_by_customers`` is a text, or True or
    False."""

    source: Any
    flaw: str = ""
    effect: str = ""
    seen_by_customers: str | bool = ""

    @property
    def seen(self) -> str:
        """Whether customers have seen it, in words."""
        seen = self.seen_by_customers
        return ("yes" if seen else "no") if isinstance(seen, bool) else seen


class TreeItem(Struct, frozen=True):
    """One path below a folder: a file's node, a link's target, or (neither) a folder. ``wrong`` says why it can
    be in no package."""

    relative: str
    node: Node | None = None
    link: str = ""
    wrong: str = ""


def nodes_of(env: Any, value: Any) -> list[Node]:
    """The nodes that a value of the user's names: text (a path, relative to the SConscript that is read),
    a node, or lists of them."""
    found = []
    for item in flatten([value]):
        if isinstance(item, str):
            item = env.fs.Entry(env.subst(item) if "$" in item else item)
        found.append(settle(item))
    return found


def settle(node: Node) -> Node:
    """The node to depend on: a plain source is taken where it lies, never copied into a variant folder."""
    if isinstance(node, SCons.Node.FS.Base) and not node.has_builder():
        source = node.srcnode()
        if source is not node and source.exists():
            return source.disambiguate()
    return node.disambiguate() if isinstance(node, SCons.Node.FS.Base) else node


def named(env: Any, value: Any) -> list[Node]:
    """:func:`nodes_of` for the payload: what is not decided yet stays as it is, see :func:`is_open`."""
    found: list[Node] = []
    for item in flatten([value]):
        if isinstance(item, str):
            item = env.fs.Entry(env.subst(item) if "$" in item else item)
        found.append(item if is_open(item) else settle(item))
    return found


def is_open(node: Node) -> bool:
    """Whether only the end of reading, or of building, says which files are meant: a folder, an alias, a name
    that is neither on the disk nor a target yet, and a target that may be a folder."""
    if is_dir(node) or isinstance(node, SCons.Node.Alias.Alias):
        return True
    if type(node) is not SCons.Node.FS.Entry:
        return False
    if builder_of(node) is not None:
        return any(type(source) is not SCons.Node.FS.File for source in node.sources)
    # Asked itself, SCons would make a file of what is not there.
    place = node.srcnode().get_abspath()
    return not os.path.lexists(place) or os.path.isdir(place)


def decided(node: Node) -> list[Node]:
    """What a node of :func:`named` means when everything was read: an alias is what it stands for."""
    if isinstance(node, SCons.Node.Alias.Alias):
        return [one for source in node.sources for one in decided(source)]
    if type(node) is SCons.Node.FS.Entry and builder_of(node) is None:
        node = node.disambiguate()
    return [node if is_open(node) else settle(node)]


def is_list(value: Any) -> bool:
    """Whether the user wrote or globbed a list, be it of one this time; what a builder returns is none."""
    return isinstance(value, (list, tuple, deque, MappingView)) or any(
        isinstance(item, SCons.Node.Alias.Alias) for item in flatten([value])
    )


def builder_of(node: Node) -> Any:
    """The builder of a node, None where it has none yet. SCons's has_builder() notes that, and an alias then
    takes none any more."""
    return getattr(node, "builder", None)


def is_installed(node: Node) -> bool:
    """Whether env.Install made the node: its lists are plain ones."""
    return str(getattr(builder_of(node), "name", "")).startswith("Install")


def is_dir(node: Node) -> bool:
    """Whether a node is a folder."""
    return isinstance(node, SCons.Node.FS.Dir)


def exists(node: Node) -> bool:
    """Whether a node is there or will be built."""
    return bool(node.has_builder() or node.rexists() or node.srcnode().exists())


def file_problems(field: str, node: Node) -> list[Problem]:
    """Whether a node is no file that is there or will be built; asked when everything was read."""
    if is_dir(node):
        return [Problem(field, str(node), "must be a file, not a folder", "name the files in it")]
    if not exists(node):
        rule = "not found, and nothing builds it"
        return [Problem(field, str(node), rule, "make it, or correct the name")]
    return whole_problems(field, node)


def whole_problems(field: str, node: Node) -> list[Problem]:
    """Whether a file lies in a folder that is a target as a whole, of which SCons does not know that it makes the file:
    what an earlier build left there would be taken. Asked when everything was read."""
    above = None if node.has_builder() and not is_dir(node) else built_above(node)
    if above is None:
        return []
    rule = f"a step of the build makes the whole folder {above}, and what lies there before it would be taken"
    remedy = "name as targets of that step the files that are needed"
    return [Problem(field, str(node), rule, remedy)]


#: How the file begins, or where the link leads, that stands for content which was not fetched.
_POINTERS = (
    (re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n"), "a pointer of Git LFS", "git lfs pull"),
    (
        re.compile(rb"(/annex/objects/|(\.\./)*(.+/)?\.git/annex/objects/)"),
        "a pointer of git-annex",
        "git annex get",
    ),
)


def pointer_problems(field: str, node: Node) -> list[Problem]:
    """Whether a source file is what Git LFS or git-annex leaves in the place of one that was not fetched."""
    path = node.srcnode().get_abspath()
    try:
        if os.path.islink(path) and not os.path.exists(path):
            begin = os.fsencode(os.readlink(path))
        elif node.has_builder() or os.path.getsize(path) > 1024:
            return []
        else:
            with open(path, "rb") as file:
                begin = file.read(1024)
    except OSError:
        return []
    return [
        Problem(field, str(node), f"{what}, not the file itself", f"fetch it: {command} {node.name}")
        for pattern, what, command in _POINTERS
        if pattern.match(begin)
    ]


def first_line(node: Node) -> str:
    """The first line of a source file; empty for one that is still to be built, or not there."""
    if node.has_builder() or not isinstance(node, SCons.Node.FS.File) or not node.rexists():
        return ""
    with open(node.rfile().get_abspath(), encoding="utf-8", errors="replace") as file:
        return file.readline(4096)


def walk(env: Any, folder: Node) -> list[TreeItem]:
    """Everything below a folder, sorted: what lies on the disk and what was declared to be built there.

    Where the folder holds $XSPACK_OUT, that is no part of it, nor is what SCons and git keep for themselves. Links are
    kept as links; nothing behind one is read.
    """
    source = folder.srcnode()
    out = _out_folder(env)
    items = {}
    for entry in walk_disk(source.get_abspath(), exclude=frozenset([out])):
        wrong = entry.text if entry.kind == "wrong" else ""
        link = entry.text if entry.kind == "link" else ""
        # A leading # would mean the top of the tree to SCons.
        name = entry.relative if entry.relative[:1] != "#" else f"./{entry.relative}"
        node = source.File(name) if entry.kind == "file" else None
        items[entry.relative] = TreeItem(entry.relative, node, link, wrong)
    for place in _places(folder):
        for item in _declared(place, "", out):
            items[item.relative] = item
    return [items[key] for key in sorted(items)]


def _places(folder: Node) -> list[Node]:
    """The folder, and where its sources lie: under a VariantDir both may hold declared targets."""
    source = folder.srcnode()
    return list({id(source): source, id(folder): folder}.values())


def _out_folder(env: Any) -> str:
    out: str = env.Dir(out_path(env)).get_abspath()
    return out


def _declared(folder: Node, prefix: str, out: str) -> Iterator[TreeItem]:
    children: Iterable[tuple[str, Node]] = sorted(folder.entries.items(), key=lambda child: str(child[0]))
    for name, node in children:
        if name in (".", "..") or node.get_abspath() == out:
            continue
        if is_dir(node) and not node.has_explicit_builder():
            below = list(_declared(node, f"{prefix}{name}/", out))
            if below:
                yield TreeItem(prefix + name)
                yield from below
        elif node.has_explicit_builder():
            yield TreeItem(prefix + name, node)


class BuiltTree(Struct, frozen=True):
    """A folder that steps of the build fill: what must be done before it is looked at, and where it lies then."""

    needs: tuple[Node, ...]
    tree: Tree


class Folders:
    """The folders of one package that the build fills, by the path of their entry."""

    def __init__(self, trees: Mapping[str, BuiltTree]) -> None:
        self.needs = tuple(dict.fromkeys(need for path in sorted(trees) for need in trees[path].needs))
        self._trees = {path: trees[path].tree for path in sorted(trees)}
        self._known = frozenset(need.get_abspath() for need in self.needs if not is_dir(need))

    def found(self) -> str:
        """What a step's signature says of what lies there when they are built."""
        return "\n".join(tree.signature(self._known) for tree in self._trees.values())

    def grown(self, package: Package, contents: Mapping[str, Path]) -> tuple[Package, Mapping[str, Path]]:
        """The package and its contents with what lies there now."""
        return grown(package, contents, self._trees)


NO_FOLDERS = Folders({})


def built_tree(env: Any, node: Node, *, is_awaited: bool) -> BuiltTree | None:
    """The folder (or what becomes one) as a build makes it; None where nothing of it is built.

    Asked when everything was read. ``is_awaited`` says that it is to be looked at late though no target in it is
    declared: something else that fills it is depended on.
    """
    if not is_dir(node):
        return BuiltTree((node,), Tree((("", node.get_abspath()),), _links_of(node, "")))
    out = _out_folder(env)
    above = built_above(node)
    items = [item for place in _places(node) for item in _declared(place, "", out) if item.node is not None]
    waits = [wait for place in _places(node) for wait in place.depends]
    if not (items or above or waits or is_awaited):
        return None
    known = {item.relative: item.node for item in items if item.node}
    places = []
    if node.srcnode() is node:
        # What lies there is no dependency each by each: it may have come by a step that did not declare it.
        places.append(("", node.get_abspath()))
    else:
        known = {item.relative: item.node for item in walk(env, node) if item.node} | known
    places += [(relative, place.get_abspath()) for relative, place in known.items()]
    links = [link for item in items if item.node for link in _links_of(item.node, item.relative)]
    needs = dict.fromkeys([*known.values(), *waits, *([above] if above else [])])
    return BuiltTree(tuple(needs), Tree(tuple(places), tuple(links), frozenset([out])))


def links_of(node: Node) -> list[tuple[str, str]]:
    """The links, name and target, that belong to a versioned library, or to what env.Install made of one."""
    library = next(iter(node.sources), node) if is_installed(node) else node
    made = library_links(library)
    names = [(posixpath.basename(str(link)), posixpath.basename(str(target))) for link, target in made]
    real, own = posixpath.basename(str(library)), posixpath.basename(str(node))
    return [(link, own if target == real else target) for link, target in names if link != own]


def _links_of(node: Node, relative: str) -> tuple[tuple[str, str], ...]:
    """Those that its builder makes beside it."""
    if getattr(builder_of(node), "name", "") == "InstallBuilder":
        return ()
    prefix = posixpath.dirname(relative) + "/" if "/" in relative else ""
    return tuple((prefix + link, target) for link, target in links_of(node))

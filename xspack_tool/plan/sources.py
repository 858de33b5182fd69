"""What the user names in a declaration, as SCons nodes: files, folders walked file by file, links."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import SCons.Node.FS
from SCons.Node import Node
from SCons.Util import flatten

from xspack_tool.errors import Problem
from xspack_tool.plan.profile import out_path

#: What SCons and git keep for themselves in a folder of sources.
_BOOKKEEPING = re.compile(r"\.git|\.sconsign.*|\.sconf_temp|\.scons(?:_temp)?")


@dataclass(frozen=True)
class XsFile:
    """A payload file with its mode, owner or group given."""

    source: Any
    mode: int | None = None
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class XsLink:
    """A symbolic link of the payload."""

    target: str


@dataclass(frozen=True)
class XsPatch:
    """A late fix of a driver's, and what a submission says of it. ``seen_by_customers`` is a text, or True or
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


@dataclass(frozen=True)
class TreeItem:
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


def is_dir(node: Node) -> bool:
    """Whether a node is a folder."""
    return isinstance(node, SCons.Node.FS.Dir)


def exists(node: Node) -> bool:
    """Whether a node is there or will be built."""
    return bool(node.has_builder() or node.rexists() or node.srcnode().exists())


def file_problems(field: str, node: Node) -> list[Problem]:
    """Whether a node is no file that is there or will be built; asked when everything was read."""
    if is_dir(node):
        return [Problem(field, str(node), "a folder, where a file is wanted", "name the files in it")]
    if not exists(node):
        rule = "no such file, and nothing builds it"
        return [Problem(field, str(node), rule, "make it, or correct the name")]
    return []


def first_line(node: Node) -> str:
    """The first line of a source file; empty for one that is still to be built, or not there."""
    if node.has_builder() or not isinstance(node, SCons.Node.FS.File) or not node.rexists():
        return ""
    with open(node.rfile().get_abspath(), encoding="utf-8", errors="replace") as file:
        return file.readline(4096)


def walk(env: Any, folder: Node, exclude: Sequence[str] = ()) -> list[TreeItem]:
    """Everything below a folder, sorted: what lies on the disk and what was declared to be built there.

    ``exclude`` are base names to leave out. Where the folder holds $XSPACK_OUT, that is no part of it, nor is what
    SCons and git keep for themselves. Links are kept as links; nothing behind one is read.
    """
    source = folder.srcnode()
    out = env.Dir(out_path(env)).get_abspath()
    items = {
        item.relative: item for item in _on_disk(source, source.get_abspath(), "", frozenset(exclude), out)
    }
    # Under a VariantDir both the variant folder and the source folder may hold declared targets.
    for place in {id(source): source, id(folder): folder}.values():
        for item in _declared(place, "", frozenset(exclude), out):
            items[item.relative] = item
    return [items[key] for key in sorted(items)]


def _on_disk(top: Node, folder: str, prefix: str, exclude: frozenset[str], out: str) -> Iterator[TreeItem]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        yield TreeItem(prefix.rstrip("/"), wrong=error.strerror or "cannot be read")
        return
    for entry in entries:
        relative = prefix + entry.name
        if entry.name in exclude or entry.path == out or _BOOKKEEPING.fullmatch(entry.name):
            continue
        if entry.is_symlink():
            yield TreeItem(relative, link=os.readlink(entry.path))
        elif entry.is_dir(follow_symlinks=False):
            yield TreeItem(relative)
            yield from _on_disk(top, entry.path, relative + "/", exclude, out)
        elif entry.is_file(follow_symlinks=False):
            # A leading # would mean the top of the tree to SCons.
            yield TreeItem(relative, top.File(relative if relative[0] != "#" else f"./{relative}"))
        else:
            yield TreeItem(relative, wrong="neither file, folder nor link")


def _declared(folder: Node, prefix: str, exclude: frozenset[str], out: str) -> Iterator[TreeItem]:
    children: Iterable[tuple[str, Node]] = sorted(folder.entries.items(), key=lambda child: str(child[0]))
    for name, node in children:
        if name in (".", "..") or name in exclude or node.get_abspath() == out:
            continue
        if isinstance(node, SCons.Node.FS.Dir):
            below = list(_declared(node, f"{prefix}{name}/", exclude, out))
            if below:
                yield TreeItem(prefix + name)
                yield from below
        elif node.has_builder():
            yield TreeItem(prefix + name, node)

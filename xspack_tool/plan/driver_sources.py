"""The sources of a driver, file by file: links inside them are kept, those that lead out are followed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import SCons.Node.FS
from SCons.Node import Node

from xspack_tool.errors import Problem
from xspack_tool.plan.read_cache import read_file_cached
from xspack_tool.plan.sources import TreeItem, pointer_problems, walk

#: The most files that a link which leads out of the sources brings in: a driver's headers, no kernel tree.
_MOST_FILES = 2000
_LARGEST_MAKEFILE = 1 << 20


def driver_items(env: Any, field: str, folder: Node) -> tuple[list[TreeItem], list[Problem]]:
    """The files and links of a driver's folder, sorted. A link to something in it stays a link; what another leads to
    outside becomes part of the sources under the link's name."""
    top = os.path.realpath(folder.srcnode().get_abspath())
    items: dict[str, TreeItem] = {}
    problems: list[Problem] = []
    for item in walk(env, folder):
        if item.link:
            for reached in _behind(item, top):
                items[reached.relative] = reached
        elif item.node is not None:
            items[item.relative] = item
    for item in items.values():
        if item.wrong:
            remedy = "correct the link, or put a copy of its target in its place"
            problems.append(Problem(field, f"{folder}/{item.relative}", item.wrong, remedy))
        elif item.node is not None:
            problems += pointer_problems(field, item.node)
        elif not os.path.exists(os.path.join(top, item.relative)):
            problems += pointer_problems(field, folder.srcnode().File(f"./{item.relative}"))
    return [items[name] for name in sorted(items) if not items[name].wrong], problems


def _behind(item: TreeItem, top: str) -> Iterator[TreeItem]:
    """What a link stands for."""
    place = os.path.join(top, item.relative)
    meant = os.path.realpath(place)
    if meant == top or meant.startswith(top + os.sep):
        # As the driver has it, unless that holds the folder's own path. What is not there may be made by its build.
        link = item.link
        if os.path.isabs(link) or not _stays_inside(place, link, top):
            link = os.path.relpath(meant, os.path.dirname(place))
        yield TreeItem(item.relative, link=link)
    elif os.path.isfile(meant):
        yield TreeItem(item.relative, _node(meant))
    elif os.path.isdir(meant):
        yield from _tree(item.relative, meant)
    else:
        # It leads nowhere: for the compiler as for us. What needs it will say so.
        yield TreeItem(item.relative, link=item.link)


def _stays_inside(place: str, link: str, top: str) -> bool:
    return os.path.normpath(os.path.join(os.path.dirname(place), link)).startswith(top)


def _tree(relative: str, folder: str) -> Iterator[TreeItem]:
    """The files below a folder that lies elsewhere; links in it are followed, folders behind them once."""
    count, seen = 0, {folder}
    waiting = [(relative, folder)]
    while waiting:
        name, place = waiting.pop()
        for entry in sorted(os.scandir(place), key=lambda one: one.name):
            below, meant = f"{name}/{entry.name}", os.path.realpath(entry.path)
            if entry.is_dir():
                if meant not in seen:
                    seen.add(meant)
                    waiting.append((below, entry.path))
            elif entry.is_file():
                count += 1
                if count > _MOST_FILES:
                    rule = (
                        f"a link to {folder}, outside the sources, which holds more than {_MOST_FILES} files"
                    )
                    yield TreeItem(relative, wrong=rule)
                    return
                yield TreeItem(below, _node(entry.path))


def _node(path: str) -> Node:
    return SCons.Node.FS.get_default_fs().File(Path(path).absolute().as_posix())


#: What make reads, and what in it asks for the running kernel.
_MAKEFILE = re.compile(r"(?:.*/)?(?:(?:GNU)?[Mm]akefile|Kbuild)(?:[.-][^/]*)?|.*\.(?:mk|mak)")
_RUNNING = re.compile(
    r"\buname\s+(?:-[a-z]*r|--kernel-release)\b|/proc/version\b|/proc/sys/kernel/osrelease\b"
)


def running_kernel_lines(env: Any, items: Iterable[TreeItem]) -> tuple[tuple[str, int, str], ...]:
    """The lines of a driver's Makefiles that ask for the running kernel: file, number, text."""
    found = []
    for item in items:
        node = item.node
        if node is not None and not node.has_builder() and _MAKEFILE.fullmatch(item.relative):
            lines = read_file_cached(env, node, "running kernel", _asking)
            found += [(str(node), number, text) for number, text in lines]
    return tuple(found)


def _asking(path: Path) -> list[tuple[int, str]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = enumerate(file.read(_LARGEST_MAKEFILE).splitlines(), 1)
        return [
            (number, " ".join(text.split())[:120])
            for number, text in lines
            if _RUNNING.search(re.sub(r"(?<!\\)#.*", "", text))
        ]

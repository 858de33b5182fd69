"""Which nodes SCons was asked for, and everything that those need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import SCons.Node.Alias
import SCons.Node.FS
import SCons.Script
from SCons.Node import Node

from xspack_tool.plan.scons import has_own_targets

#: What -u, -D and -U are in SCons's options.
_UP, _UP_DEFAULT = 1, 3


def asked_nodes(options: Any, targets: Any, target_top: str | None) -> list[Node]:
    """The nodes that are named on the command line or by Default; without any, the top folder. With ``-u`` and ``-U``,
    which begin in the folder ``target_top``, what SCons takes of them."""
    fs = SCons.Node.FS.get_default_fs()
    folder = fs.Dir(target_top) if target_top else None
    if targets or has_own_targets():
        return [_node(target, folder) for target in SCons.Script.BUILD_TARGETS]
    named: list[Any] = list(SCons.Script.DEFAULT_TARGETS) or [fs.Top]
    if folder and options.climb_up == _UP_DEFAULT:
        return [_node(target) for target in named if _was_declared_in(target, folder)]
    if folder and options.climb_up == _UP:
        return [node for target in named for node in _within(_node(target), folder)]
    return [_node(target) for target in named]


def _was_declared_in(target: Any, folder: Any) -> bool:
    declared = getattr(target, "cwd", None)
    return declared is None or declared.srcnode() == folder


def _within(node: Node, folder: Any) -> list[Node]:
    """The node if it is in the folder; the folder itself if that is in the node."""
    if node.is_under(folder):
        return [node]
    return [folder] if isinstance(node, SCons.Node.FS.Dir) and folder.is_under(node) else []


def may_be_older(node: Node, made_before: set[str], folders: Iterable[str]) -> bool:
    """Whether nothing declares how it is made, and it is not there, or an older output, or a folder of such, or one
    in the place of an output (``folders`` are those for outputs)."""
    if isinstance(node, SCons.Node.FS.Dir):
        path = f"{node.get_abspath()}/"
        is_output = any(path.startswith(f"{folder}/") and path != f"{folder}/" for folder in folders)
        return (is_output or any(other.startswith(path) for other in made_before)) and not any(
            other.has_builder() for other in reached([node]) if other is not node
        )
    if not isinstance(node, SCons.Node.FS.Base) or node.has_builder():
        return False
    return node.get_abspath() in made_before or not node.rexists()


def reached(nodes: Iterable[Node]) -> Iterator[Node]:
    """These nodes, and all that they need as far as declarations tell, each once. A folder needs what is built in
    it."""
    stack = list(nodes)
    seen = set(map(id, stack))
    while stack:
        node = stack.pop()
        yield node
        for other in _needs(node):
            if id(other) not in seen:
                seen.add(id(other))
                stack.append(other)


def _needs(node: Node) -> Iterable[Node]:
    if isinstance(node, SCons.Node.FS.Dir):
        within = [child for name, child in node.entries.items() if str(name) not in (".", "..")]
        return [*node.sources, *(node.depends or ()), *(node.prerequisites or ()), *within]
    sources: list[Node] = node.sources
    if node.depends or node.prerequisites:  # SCons forgets an empty list once the node is done
        return [*sources, *(node.depends or ()), *(node.prerequisites or ())]
    return sources


def _node(target: Any, folder: Any = None) -> Node:
    if isinstance(target, Node):
        return target
    alias = SCons.Node.Alias.default_ans.lookup(str(target))
    return alias or SCons.Node.FS.get_default_fs().Entry(str(target), directory=folder).disambiguate()

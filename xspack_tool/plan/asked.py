"""Which nodes SCons was asked for, and everything that those need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import SCons.Node.Alias
import SCons.Node.FS
import SCons.Script
from SCons.Node import Node


def asked_nodes(targets: Sequence[Any] | None = None) -> list[Node]:
    """The nodes that are named on the command line or by Default; without any, the top folder, as SCons has it."""
    named = targets or SCons.Script.BUILD_TARGETS or SCons.Script.DEFAULT_TARGETS
    return [_node(target) for target in named] or [SCons.Node.FS.get_default_fs().Top]


def is_made_by_nothing(node: Node) -> bool:
    """Whether it is a file, or a folder where a file should be, that no declaration makes."""
    if isinstance(node, SCons.Node.FS.Dir):
        return node.rexists() and not any(
            other.has_builder() for other in reached([node]) if other is not node
        )
    return isinstance(node, SCons.Node.FS.Base) and not node.has_builder()


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


def _needs(node: Node) -> Iterator[Node]:
    yield from node.sources
    yield from node.depends
    yield from node.prerequisites or ()
    if isinstance(node, SCons.Node.FS.Dir):
        yield from (child for name, child in node.entries.items() if str(name) not in (".", ".."))


def _node(target: Any) -> Node:
    if isinstance(target, Node):
        return target
    alias = SCons.Node.Alias.default_ans.lookup(str(target))
    return alias or SCons.Node.FS.get_default_fs().Entry(str(target)).disambiguate()

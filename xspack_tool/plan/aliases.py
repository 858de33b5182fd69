"""``pack``, ``check`` and the like: aliases that exist without a line in the SConstruct."""

from __future__ import annotations

import os
from typing import Any

import SCons.Node.FS
from SCons.Action import Action
from SCons.Node import Node
from SCons.Node.Alias import default_ans

from xspack_tool.plan.asked import reached
from xspack_tool.plan.node_record import record_of
from xspack_tool.plan.session import session


def make_aliases() -> None:
    """Make those that the user did not: of each kind that has one for all, and for each of its targets."""
    if not session().aliases:
        return
    env, _ = session().environments[0]
    made: dict[str, list[Node]] = {}
    for name, label, nodes in session().aliases:
        made.setdefault(name, []).extend(nodes)
        made.setdefault(f"{name}:{label}", []).extend(nodes)
        # `check` judges what can be judged, and tells what is wrong with the rest
        if any(record_of(node).is_broken for node in nodes):
            made.setdefault("check", []).extend(nodes)
            made.setdefault(f"check:{label}", []).extend(nodes)
    for name, nodes in made.items():
        if not _is_the_users(name):
            env.Alias(name, nodes)
            _answer(env, name, nodes)


def _is_the_users(name: str) -> bool:
    """Whether `scons <name>` builds something already: an alias, a file, or what is in a folder."""
    alias = default_ans.lookup(name)
    if alias is not None and (alias.sources or alias.depends):
        return True
    node = _entry(name)
    return node is not None and any(other.has_builder() for other in reached([node]))


def _answer(env: Any, name: str, nodes: list[Node]) -> None:
    """A statement before that named the alias, such as Default("pack"), got a file of that name: nothing but what the
    alias stands for."""
    node = _entry(name)
    if node is not None and not node.rexists():
        node.must_be_same(SCons.Node.FS.File)
        env.AlwaysBuild(env.Command(node, nodes, Action(lambda target, source, env: None, None)))


def _entry(name: str) -> Any:
    """What a statement means by this name at the top of the tree; None where none used it."""
    return SCons.Node.FS.get_default_fs().Top.entries.get(os.path.normcase(name))

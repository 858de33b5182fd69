"""The shape of lists, pipelines and conditions in the syntax tree, made flat.

The grammar nests ``a && b && c`` to the left, and hangs what follows a here-document's mark
(``cat <<E | sh``, ``cat <<E && b``) below the redirection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from xspack_tool.rules.shell.model import Redirect

if TYPE_CHECKING:
    from tree_sitter import Node

LISTS = frozenset({"list", "pipeline", "redirected_statement"})
_REDIRECTS = frozenset({"file_redirect", "heredoc_redirect", "herestring_redirect"})


class Item(Struct, frozen=True):
    """A member of a pipeline with the redirections written behind it."""

    node: Node
    redirects: tuple[Redirect, ...] = ()


#: Pipelines with the operator before each: ``""`` for the first, then ``&&`` or ``||``.
Chain = list[tuple[str, list[Item]]]


def chain_of(node: Node, redirect: Callable[[Node], Redirect], inherited: tuple[Redirect, ...]) -> Chain:
    """The pipelines of a list, pipeline or redirected statement; ``inherited`` goes to every member."""
    chain: Chain = [("", [])]
    pending: list[Node] = [node]
    while pending:
        current = pending.pop()
        if current.type in LISTS or current.type == "heredoc_redirect":
            if current.type == "heredoc_redirect":
                _add(chain, redirect(current), current, inherited)
            pending.extend(reversed(current.children))
        elif current.type in _REDIRECTS:
            _add(chain, redirect(current), current, inherited)
        elif current.type in ("&&", "||"):
            chain.append((current.type, []))
        elif current.is_named and current.type not in ("heredoc_start", "heredoc_body", "heredoc_end"):
            chain[-1][1].append(Item(current, inherited))
    return [(operator, items) for operator, items in chain if items]


def _add(chain: Chain, redirect: Redirect, node: Node, inherited: tuple[Redirect, ...]) -> None:
    """Give a redirection to the command before it; one without a command (``> file``) is an item itself."""
    items = chain[-1][1]
    if not items:
        items.append(Item(node, inherited))
    items[-1] = replace(items[-1], redirects=(*items[-1].redirects, redirect))


def ways_of(node: Node) -> list[tuple[list[Node], Sequence[Node]]]:
    """The ways of an ``if``: its condition (empty for ``else``) and its body, each as nodes with tokens."""
    ways: list[tuple[list[Node], list[Node]]] = [([], [])]
    in_body = False
    pending = list(reversed(node.children))
    while pending:
        child = pending.pop()
        if child.type in ("elif_clause", "else_clause"):
            pending.extend(reversed(child.children))
        elif child.type in ("if", "elif", "else", "then", "fi"):
            in_body = child.type in ("then", "else")
            if child.type in ("elif", "else"):
                ways.append(([], []))
        else:
            ways[-1][in_body].append(child)
    return list(ways)

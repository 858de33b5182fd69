"""tree-sitter's parsers: they recover from errors and do not recurse on nested input."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_of_thread = threading.local()


def parser(language: Literal["bash", "python"]) -> Parser:
    """The parser of a language for this thread: a parser has state, and rules run in several threads."""
    found: Parser | None = getattr(_of_thread, language, None)
    if found is None:
        import tree_sitter

        grammar = import_module(f"tree_sitter_{language}").language()
        found = tree_sitter.Parser(tree_sitter.Language(grammar))
        setattr(_of_thread, language, found)
    return found


def text_of(node: Node) -> str:
    """The source of a node."""
    return (node.text or b"").decode("utf-8", "replace")

"""The shell grammar: tree-sitter's for bash."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from xspack_tool.binary.grammars import parser

if TYPE_CHECKING:
    from tree_sitter import Node

#: Longer scripts are not read; the grammar's error recovery is quadratic on some malformed input.
MAX_BYTES = 32 * 1024

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})


def is_shell(interpreter: str) -> bool:
    """Whether a scriptlet's interpreter (``/bin/sh``, ``/bin/bash -e``, empty for the default) is a shell."""
    words = interpreter.split()
    return not words or posixpath.basename(words[0]) in _SHELLS


def parse(text: str) -> Node | None:
    """The root of the syntax tree of ``text``, None if it is longer than is read."""
    data = text.encode("utf-8", "replace")
    return None if len(data) > MAX_BYTES else parser("bash").parse(data).root_node


def line_of(node: Node) -> int:
    """The line of a node, the first being 1."""
    return int(node.start_point[0]) + 1

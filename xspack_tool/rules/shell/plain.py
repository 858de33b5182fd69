"""Scripts of so plain a grammar that every shell reads them: no shell, which is a process, has to be asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xspack_tool.rules.shell import grammar

if TYPE_CHECKING:
    from tree_sitter import Node

#: Nodes that a shell reads as the grammar does, whatever is in them.
_LEAVES_WORDS = (
    "comment file_descriptor number special_variable_name string_content test_operator variable_name"
)
#: Nodes that :func:`_fits` looks into.
_BRANCHES_WORDS = (
    "binary_expression command command_name concatenation do_group elif_clause else_clause file_redirect if_statement"
    " list negated_command pipeline program raw_string redirected_statement simple_expansion string test_command"
    " unary_expression variable_assignment while_statement word"
)
#: What the grammar takes for a program's name and a shell does not.
_RESERVED_WORDS = (
    "! case coproc do done elif else esac fi for function if in select then time until while { } [[ ]]"
)
_LEAVES, _BRANCHES, _RESERVED = (
    frozenset(words.split()) for words in (_LEAVES_WORDS, _BRANCHES_WORDS, _RESERVED_WORDS)
)
#: After these words a statement has to stand, where the grammar is content with none.
_OPENING = frozenset(("if", "then", "elif", "else", "do", "while", "until"))
_WORD = re.compile(r"[A-Za-z0-9_@%+:,./=*?~^-]+")
_TEST = re.compile(r"\[ [^&|;<>()\n]* \]")
_REDIRECT = re.compile(r"[0-9]?(?:[<>]|>>)[ \t]*[A-Za-z_./][A-Za-z0-9_./-]*|[0-9]?>&[0-9]")
#: Signs of what is not plain: quoting by other means than quotes, here-documents, a `$` that begins nothing, separators
#: with nothing between them.
_ODD = re.compile(
    r"[\\`]|<<|\$(?![A-Za-z_0-9#?@*!$-])|&[0-9][<>]|[;&|][ \t]*[;)]|(?:^|\n)[ \t]*[;&|]|[;|][ \t]*&"
    r"|&[ \t]*(?:&[ \t]*&|\|)|(?<!\|)\|\s*!|\|[ \t]*\|[ \t]*\|"
)


def is_plain(text: str) -> bool:
    """Whether every shell reads this; False says nothing."""
    if not text.isascii() or _ODD.search(text):
        return False
    root = grammar.parse(text)
    if root is None or root.has_error:
        return False
    left = [root]
    while left:
        node = left.pop()
        if node.is_named and node.type not in _LEAVES:
            if node.type not in _BRANCHES or not _fits(node, text):
                return False
            left += node.children
    return True


def _fits(node: Node, script: str) -> bool:
    """What a shell demands of a node besides what the grammar does."""
    text = script[node.start_byte : node.end_byte]
    if node.type == "word":
        return bool(_WORD.fullmatch(text))
    if node.type == "command_name":
        return text not in _RESERVED
    if node.type == "test_command":
        return bool(_TEST.fullmatch(text))
    if node.type == "negated_command":
        return text.startswith("! ") and "\n" not in text
    if node.type == "file_redirect":
        return bool(_REDIRECT.fullmatch(text))
    children = [child for child in node.children if child.type not in ("comment", "\n")]
    return all(
        script[word.end_byte : word.end_byte + 1] in (" ", "\t", "\n")
        and place < len(children)
        and children[place].is_named
        and children[place].type not in ("elif_clause", "else_clause", "do_group")
        for place, word in enumerate(children, start=1)
        if word.type in _OPENING
    )

"""What flows into commands and out of them: redirections, here-documents, text that is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from xspack_tool.binary.grammars import text_of
from xspack_tool.rules.shell.grammar import line_of
from xspack_tool.rules.shell.model import Command, Redirect, Word
from xspack_tool.rules.shell.words import Expander

if TYPE_CHECKING:
    from tree_sitter import Node


def redirect_of(node: Node, expander: Expander) -> Redirect:
    """A redirection with its target or text."""
    if node.type == "heredoc_redirect":
        return _here_document(node, expander)
    operator = next((child.type for child in node.children if not child.is_named), ">")
    targets = [child for child in node.named_children if child.type != "file_descriptor"]
    target = expander.word(targets[-1]) if targets else Word("")
    if node.type == "herestring_redirect":
        return Redirect("<<", Word("", line=target.line), target.text)
    return Redirect(operator, target)


def _here_document(node: Node, expander: Expander) -> Redirect:
    parts = {child.type: child for child in node.children}
    body = parts.get("heredoc_body")
    if body is None:
        return Redirect("<<", Word("", line=line_of(node) + expander.offset))
    text = text_of(body)
    mark = text_of(parts["heredoc_start"]) if "heredoc_start" in parts else ""
    if not re.search(r"['\"\\]", mark):
        text = re.sub(r"\\([$`\\])", r"\1", text)
        for child in body.named_children:
            if child.type != "heredoc_content":
                expander.word(child)
    return Redirect("<<", Word("", line=line_of(body) + expander.offset), text)


def output_of(commands: Sequence[Command], text_of_file: Callable[[str], str]) -> str:
    """The text that the last of some commands writes, as far as it is known."""
    if not commands:
        return ""
    last = commands[-1]
    if last.name in ("echo", "printf"):
        args = [arg for arg in last.args if not re.fullmatch(r"-[neE]+", arg)]
        text = " ".join(args)
        return text.replace("\\n", "\n") if last.name == "printf" or "-e" in last.args else text
    if last.name == "cat":
        here = [redirect.body for redirect in last.redirects if redirect.operator.startswith("<<")]
        known = [text_of_file(operand) for operand in last.operands]
        return "".join(here or known)
    return ""

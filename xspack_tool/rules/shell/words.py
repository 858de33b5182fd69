"""Expanding words: quotes removed, known variables put in, and what the rest was expanded from noted."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from xspack_tool.binary.bash import parts
from xspack_tool.binary.grammars import text_of
from xspack_tool.rules.shell.branches import Branches
from xspack_tool.rules.shell.grammar import line_of
from xspack_tool.rules.shell.model import NOTHING, Command, Guards, Word
from xspack_tool.rules.shell.variables import Variables

if TYPE_CHECKING:
    from tree_sitter import Node

_LONGEST = 64 * 1024
_DEEPEST = 20


class Expander:
    """Turns nodes into words. ``run`` walks the commands of a substitution and returns those it found."""

    def __init__(self, run: Callable[[Node], list[Command]], branches: Branches) -> None:
        self.variables = Variables(branches)
        self.positional: list[Word] | None = None
        self.status: tuple[Guards, Guards] = (NOTHING, NOTHING)
        #: How many lines of the script come before the text that is being walked.
        self.offset = 0
        self.reads: dict[str, int] = {}
        self._run = run
        self._depth = 0

    def fields(self, node: Node) -> list[Word]:
        """The words that one word of the source becomes: unquoted values are split at blanks."""
        source = text_of(node)
        if source in ("$@", "$*", '"$@"', '"$*"', "${@}", '"${@}"') and self.positional is not None:
            return list(self.positional)
        word = self.word(node)
        array = source.startswith('"${') and source.endswith('[@]}"')
        splits = node.type in ("simple_expansion", "expansion", "command_substitution") or array
        if splits and re.search(r"\s", word.text):
            return [replace(word, text=text) for text in word.text.split()]
        return [word] if word.text or not splits else []

    def word(self, node: Node) -> Word:
        """One word."""
        self._depth += 1
        try:
            word = self._word(node) if self._depth < _DEEPEST else Word(text_of(node))
        finally:
            self._depth -= 1
        return replace(word, text=word.text[:_LONGEST], line=self._line(node))

    def _word(self, node: Node) -> Word:
        kind = node.type
        pieces = list(parts(node))
        if pieces != [node]:
            return _joined([Word(piece) if isinstance(piece, str) else self.word(piece) for piece in pieces])
        if kind == "simple_expansion":
            return self._variable(text_of(node).lstrip()[1:], self._line(node))
        if kind == "expansion":
            return self._expansion(node)
        if kind == "command_substitution":
            return self._substitution(node)
        if kind in ("process_substitution", "arithmetic_expansion"):
            return self._opaque(node)
        if node.named_child_count:
            return _joined([self.word(child) for child in node.named_children])
        return Word(text_of(node))

    def _line(self, node: Node) -> int:
        return line_of(node) + self.offset

    def _expansion(self, node: Node) -> Word:
        names = [child for child in node.named_children if child.type.endswith("variable_name")]
        if not names:
            names = [child for child in node.named_children if child.type == "subscript"]
        if not names:
            return Word(text_of(node))
        name = text_of(names[0]).partition("[")[0]
        value = self._variable(name, self._line(node))
        signs = [child for child in node.children if not child.is_named]
        sign = next((text_of(child) for child in signs if child.start_byte >= names[0].end_byte), "}")
        others = [c for c in node.named_children if c.start_byte >= names[0].end_byte and c != names[0]]
        other = _joined([self.word(child) for child in others])
        unknown = bool(value.refs) and value.text == f"${name}"
        handled = frozenset(f"+{ref.lstrip('+')}" for ref in value.refs)
        if sign in (":-", "-", ":=", "=") and unknown:
            return Word(other.text, other.refs | handled) if other.text else value
        if sign in (":+", "+"):
            return Word(
                other.text, frozenset(r.lstrip("+") and f"+{r.lstrip('+')}" for r in other.refs) | handled
            )
        if sign in (":?", "?"):
            return replace(value, refs=handled)
        if sign in ("#", "##", "%", "%%", "/", "//", ":", "^", ",") and not unknown:
            return Word(f"${name}", value.refs)
        return value

    def _variable(self, name: str, line: int) -> Word:
        self.reads.setdefault(name, line)
        if name == "?":
            return Word("$?", frozenset({"?"}), 0, *self.status)
        if name.isdigit() and self.positional is not None:
            place = int(name) - 1
            return self.positional[place] if 0 <= place < len(self.positional) else Word("")
        values = self.variables.values(name)
        if not values:
            return Word(f"${name}", frozenset({name}))
        word = self.variables.pick(values)
        return replace(word, variable=name) if len(values) > 1 else word

    def _substitution(self, node: Node) -> Word:
        commands = self._run(node)
        called = frozenset(f"$({command.name}" for command in commands)
        refs = frozenset(ref for command in commands for word in command.words for ref in word.refs)
        if len(commands) == 1:
            only = commands[0]
            query = only.name in ("which", "type") or (only.name == "command" and "-v" in only.args)
            if query and only.operands:
                return Word(posixpath.basename(only.operands[-1]))
            if only.name in ("echo", "printf") and only.args:
                return Word(" ".join(only.args), refs)
        return Word("$()", called | refs)

    def _opaque(self, node: Node) -> Word:
        if node.type == "process_substitution":
            commands = self._run(node)
            return Word("<()", frozenset(f"$({command.name}" for command in commands))
        refs = frozenset(m[1] for m in re.finditer(r"\$\{?([A-Za-z_0-9]+)", text_of(node)))
        return Word("$(())", refs)

    def assign(self, name: str, word: Word, append: bool, guards: Guards) -> None:
        """Set a variable where the walk is now."""
        if append and (old := self.variables.values(name)):
            word = _joined([old[0].word, word])
        self.variables.assign(name, word, guards)

    def reads_argument(self, node: Node) -> bool:
        """Whether an arithmetic command looks at the scriptlet's ``$1``."""
        return self._opaque(node).reads_argument


def _joined(words: list[Word]) -> Word:
    words = [word for word in words if word.text or word.refs] or words[:1]
    if not words:
        return Word("")
    if len(words) == 1:
        return words[0]
    refs = frozenset(ref for word in words for ref in word.refs)
    return Word("".join(word.text for word in words), refs)

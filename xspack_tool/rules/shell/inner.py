"""The state of a walk through a script, and the shell text inside of other: functions, substitutions, ``sh -c``,
here-documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from xspack_tool.rules.shell import grammar
from xspack_tool.rules.shell.branches import Branches
from xspack_tool.rules.shell.grammar import line_of
from xspack_tool.rules.shell.model import NOTHING, Command, Guards, Outcome, Redirect, Script, Word
from xspack_tool.rules.shell.streams import redirect_of
from xspack_tool.rules.shell.unwrap import Body
from xspack_tool.rules.shell.words import Expander
from xspack_tool.rules.shell.written_files import WrittenFiles

if TYPE_CHECKING:
    from tree_sitter import Node


class Walk:
    """Where a walk is, and how it enters an inner text and comes back: each has lines, arguments and options of its
    own."""

    def __init__(self, errexit: bool) -> None:
        self.script = Script()
        self.branches = Branches()
        self.expander = Expander(self._substituted, self.branches)
        self.errexit = errexit
        self.functions: dict[str, tuple[Node, int]] = {}
        self.active: list[str] = []
        self.files = WrittenFiles()
        self.shielded = 0
        self.background = False
        self.pipeline = 0
        self._roots: list[Node] = []
        self._guards: Guards = NOTHING

    def sequence(
        self, nodes: Sequence[Node], guards: Guards, redirects: tuple[Redirect, ...] = ()
    ) -> Outcome:
        """Statements one after the other."""
        raise NotImplementedError

    def redirect(self, node: Node) -> Redirect:
        """A redirection with its target or text."""
        return redirect_of(node, self.expander)

    def _line(self, node: Node) -> int:
        return line_of(node) + self.expander.offset

    def _call(
        self, name: str, arguments: list[Word], guards: Guards, redirects: tuple[Redirect, ...]
    ) -> Outcome:
        body, offset = self.functions[name]
        outer = (self.expander.positional, self.expander.offset)
        self.active.append(name)
        self.expander.positional, self.expander.offset = arguments, offset
        try:
            result = self.sequence([body], guards, redirects)
        finally:
            self.active.pop()
            self.expander.positional, self.expander.offset = outer
        return replace(result, stops="" if result.stops == "return" else result.stops, fatal=())

    # -- shell text that a command runs

    def _body(self, body: Body, command: Command) -> tuple[Body, str, int] | None:
        """The text to walk and the line before its first, None where the script does not hold it."""
        if body.text is not None:
            return body, body.text, max(body.line - 1, 0)
        if body.path:
            return self._written(body, body.path)
        fed = next((redirect for redirect in command.redirects if redirect.operator.startswith("<<")), None)
        if fed is not None:
            return body, fed.body, max(fed.target.line - 1, 0)
        source = next((redirect for redirect in command.redirects if redirect.operator == "<"), None)
        return self._written(body, source.target.text) if source else None

    def _written(self, body: Body, path: str) -> tuple[Body, str, int] | None:
        text = self.files.text(path)
        return (body, text, self.files.line(path) - 1) if text else None

    def _walk_body(
        self, body: Body, text: str, offset: int, guards: Guards, redirects: tuple[Redirect, ...]
    ) -> Outcome:
        root = grammar.parse(text)
        if root is None:
            self.script.complete = False
            return Outcome()
        self._roots.append(root)
        outer = (self.expander.positional, self.expander.offset, self.errexit)
        self.expander.offset = offset
        if body.arguments is not None:
            self.expander.positional = list(body.arguments)
        kept = tuple(redirect for redirect in redirects if redirect.operator not in ("<", "<<"))
        try:
            result = self.sequence([root], guards, kept)
        finally:
            self.expander.positional, self.expander.offset, self.errexit = outer
        return replace(result, stops="") if body.inner else result

    def _substituted(self, node: Node) -> list[Command]:
        """The commands of a substitution, walked in a subshell."""
        first = len(self.script.commands)
        expander = self.expander
        variables = expander.variables
        outer = (variables.index, variables.count, expander.status)
        outside = (self.background, self.pipeline)
        self.background, self.pipeline = False, 0
        self.sequence(node.children, self._guards)
        variables.index, variables.count, expander.status = outer
        self.background, self.pipeline = outside
        return self.script.commands[first:]

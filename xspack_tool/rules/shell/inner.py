"""The state of a walk through a script, and the shell text inside of other: functions, substitutions, ``sh -c``,
here-documents and files that the script writes and runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xspack_tool.rules.shell import grammar
from xspack_tool.rules.shell.grammar import line_of
from xspack_tool.rules.shell.model import NOTHING, Command, Guards, Redirect, Script, Word
from xspack_tool.rules.shell.streams import output_of, redirect_of
from xspack_tool.rules.shell.unwrap import Body
from xspack_tool.rules.shell.words import Expander

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True)
class Outcome:
    """What is known where a statement succeeded, where it failed, and afterwards in any case.

    ``culprits`` are the commands whose failure is its failure, ``fatal`` those after which ``set -e`` ends
    the script. ``stops`` says that nothing runs after it: ``exit``, or ``return`` for the rest of a function.
    """

    if_true: Guards = NOTHING
    if_false: Guards = NOTHING
    afterwards: Guards = NOTHING
    culprits: tuple[Command, ...] = ()
    fatal: tuple[Command, ...] = ()
    stops: str = ""


class Walk:
    """Where a walk is, and how it enters an inner text and comes back: each has lines, arguments and options of its
    own."""

    def __init__(self, errexit: bool) -> None:
        self.script = Script()
        self.expander = Expander(self._substituted)
        self.errexit = errexit
        self.functions: dict[str, tuple[Node, int]] = {}
        self.active: list[str] = []
        self.files: dict[str, tuple[str, int]] = {}
        self.shielded = 0
        self.background = False
        self.pipeline = 0
        self._forks = 0
        self._roots: list[Node] = []
        self._guards: Guards = NOTHING

    def sequence(
        self, nodes: Sequence[Node], guards: Guards, redirects: tuple[Redirect, ...] = ()
    ) -> Outcome:
        """Statements one after the other."""
        raise NotImplementedError

    def fork(self) -> int:
        """A number for a condition, new each time it is walked."""
        self._forks += 1
        return self._forks

    def on(self, fork: int, way: int, walk: Callable[[], Outcome]) -> Outcome:
        """Walk one way of a condition."""
        outer = self.expander.branch
        self.expander.branch = (*outer, (fork, way))
        try:
            return walk()
        finally:
            self.expander.branch = outer

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
            text, line = self.files.get(body.path, ("", 0))
            return (body, text, line - 1) if text else None
        fed = next((redirect for redirect in command.redirects if redirect.operator.startswith("<<")), None)
        if fed is not None:
            return body, fed.body, max(fed.target.line - 1, 0)
        source = next((redirect for redirect in command.redirects if redirect.operator == "<"), None)
        text, line = self.files.get(source.target.text, ("", 0)) if source else ("", 0)
        return (body, text, line - 1) if text else None

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

    def _written(self, command: Command) -> None:
        """Remember the text of a file that the script writes, in case it runs it."""
        text = output_of([command], self.files)
        for redirect in command.redirects:
            if redirect.writes and text:
                old = self.files.get(redirect.target.text, ("", 0))[0] if ">>" in redirect.operator else ""
                line = next((r.target.line for r in command.redirects if r.operator == "<<"), command.line)
                self.files[redirect.target.text] = (old + text, line)

    def _substituted(self, node: Node) -> list[Command]:
        """The commands of a substitution, walked in a subshell."""
        first = len(self.script.commands)
        expander = self.expander
        outer = (expander.value_index, expander.value_count, expander.status)
        outside = (self.background, self.pipeline)
        self.background, self.pipeline = False, 0
        self.sequence(node.children, self._guards)
        expander.value_index, expander.value_count, expander.status = outer
        self.background, self.pipeline = outside
        return self.script.commands[first:]

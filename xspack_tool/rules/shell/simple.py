"""Simple commands: assignments, tests, calls of functions and of programs, and the shell text that they run."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xspack_tool.rules.shell import conditions, grammar
from xspack_tool.rules.shell.grammar import line_of, text_of
from xspack_tool.rules.shell.model import (
    NOTHING,
    Command,
    Exit,
    Guards,
    Redirect,
    Script,
    Word,
)
from xspack_tool.rules.shell.streams import output_of, redirect_of
from xspack_tool.rules.shell.unwrap import Body, unwrap
from xspack_tool.rules.shell.words import Expander

if TYPE_CHECKING:
    from tree_sitter import Node

_SAYS = frozenset({"echo", "printf", "logger", "cat"})
_NEVER_FAIL = frozenset({":", "true"})


@dataclass(frozen=True)
class Result:
    """What is known after a statement: if it succeeded, if it failed, and in any case.

    ``culprits`` are the commands whose failure is its failure, ``fatal`` those after which ``set -e`` ends
    the script. ``stops`` says that nothing runs after it: ``exit``, or ``return`` for the rest of a function.
    """

    yes: Guards = NOTHING
    no: Guards = NOTHING
    after: Guards = NOTHING
    culprits: tuple[Command, ...] = ()
    fatal: tuple[Command, ...] = ()
    stops: str = ""


class SimpleCommands:
    """The state of a walk, and the statements that hold no others."""

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

    def sequence(self, nodes: Sequence[Node], guards: Guards, redirects: tuple[Redirect, ...] = ()) -> Result:
        """Statements one after the other."""
        raise NotImplementedError

    def fork(self) -> int:
        """A number for a condition, new each time it is walked."""
        self._forks += 1
        return self._forks

    def on(self, fork: int, way: int, walk: Callable[[], Result]) -> Result:
        """Walk one way of a condition."""
        outer = self.expander.branch
        self.expander.branch = (*outer, (fork, way))
        try:
            return walk()
        finally:
            self.expander.branch = outer

    # -- assignments

    def assignment(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Result:
        self._guards = guards
        first = len(self.script.commands)
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None:
            return Result()
        word = self.expander.word(value) if value is not None else Word("")
        if value is not None and value.type == "array":
            words = [field for child in value.named_children for field in self.expander.fields(child)]
            word = Word(" ".join(one.text for one in words), frozenset().union(*(one.refs for one in words)))
        self.expander.assign(text_of(name).partition("[")[0], word, "+=" in text_of(node)[:80], guards)
        substituted = self.script.commands[first:]
        plain = value is not None and value.type in ("command_substitution", "string") and substituted
        return Result(culprits=(substituted[-1],)) if plain else Result()

    def assignments(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Result:
        results = [self.assignment(child, guards, redirects) for child in node.named_children]
        return results[-1] if results else Result()

    def declaration(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Result:
        """``export``, ``local``, ``readonly``: never fails because of the value."""
        for child in node.named_children:
            if child.type == "variable_assignment":
                self.assignment(child, guards, redirects)
        return Result()

    # -- tests and commands

    def test(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Result:
        self._guards = guards
        tokens = conditions.tokens_of(node, self.expander.word)
        return self._tested(tokens, self._line(node), guards)

    def _tested(self, tokens: list[Word | str], line: int, guards: Guards) -> Result:
        yes, no = conditions.of_test(tokens, self.expander)
        words = tuple(Word(token, line=line) if isinstance(token, str) else token for token in tokens)
        command = Command((Word("["), *words), line, guards, self.expander.branch)
        return Result(yes, no, NOTHING, (command,), (command,))

    def command(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Result:
        """A simple command, once for each value that the variables in it may have."""
        self._guards = guards
        result = Result()
        self.expander.choice, self.expander.widest = 0, 1
        choice = 0
        while choice < 1 or choice < self.expander.widest:
            self.expander.choice = choice
            result = self._one_command(node, guards, redirects)
            choice += 1
            if result.stops or choice >= 4:
                break
        self.expander.choice, self.expander.widest = 0, 1
        return result

    def _one_command(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Result:
        words: list[Word] = []
        own: list[Redirect] = []
        prefix: list[Node] = []
        for child in node.named_children:
            if child.type == "variable_assignment":
                prefix.append(child)
            elif child.type.endswith("_redirect"):
                own.append(self.redirect(child))
            elif child.type == "command_name" and child.named_children:
                words += self.expander.fields(child.named_children[0])
            elif child.type != "comment":
                words += self.expander.fields(child)
        for child in prefix:
            self.assignment(child, guards, ())
        if not words:
            return Result()
        line = self._line(node)
        widest = self.expander.widest
        result = self._run(words, line, guards, (*redirects, *own))
        self.expander.widest = widest
        return result

    def _run(
        self, words: Sequence[Word], line: int, guards: Guards, redirects: tuple[Redirect, ...]
    ) -> Result:
        name = words[0].text
        if name in self.functions and name not in self.active:
            return self._call(name, list(words[1:]), guards, redirects)
        if name == "test":
            return self._tested(conditions.tokens_of_test(words[1:]), line, guards)
        if name in ("exit", "return"):
            return self._exit(words, line)
        if name == "set":
            self._set([word.text for word in words[1:]])
            return Result()
        if name in _NEVER_FAIL:
            self._nothing_but(redirects, line, guards)
            return Result()
        runs = unwrap(words)
        if not runs.words:
            return Result()
        command = Command(
            runs.words,
            line,
            guards,
            self.expander.branch,
            runs.wrappers,
            redirects,
            self.background,
            self.pipeline,
        )
        body = self._body(runs.body, command) if runs.body else None
        self.script.commands.append(command)
        self._written(command)
        if body is not None:
            return self._walk_body(*body, guards, redirects)
        yes, no = conditions.of_command(command)
        return Result(yes, no, NOTHING, (command,), (command,))

    def bare_redirect(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Result:
        """``> file`` without a command."""
        self._nothing_but(redirects, self._line(node), guards)
        return Result()

    def _nothing_but(self, redirects: tuple[Redirect, ...], line: int, guards: Guards) -> None:
        if redirects:
            branch = self.expander.branch
            self.script.commands.append(Command((Word(":"),), line, guards, branch, redirects=redirects))

    def _exit(self, words: Sequence[Word], line: int) -> Result:
        word = words[1] if len(words) > 1 else Word("$?", frozenset({"?"}))
        inside = bool(self.active) and words[0].text == "return"
        if not inside:
            before = self.script.commands[-1:]
            said = bool(before) and before[0].name in _SAYS and _same_way(before[0], self.expander.branch)
            self.script.exits.append(Exit(word.text, line, self.expander.branch, said))
        return Result(stops="return" if inside else "exit")

    def _set(self, args: list[str]) -> None:
        for place, option in enumerate(args):
            if re.fullmatch(r"[-+][a-zA-Z]+", option) and "e" in option:
                self.errexit = option.startswith("-")
            elif option in ("-o", "+o") and args[place + 1 : place + 2] == ["errexit"]:
                self.errexit = option == "-o"

    def _call(
        self, name: str, arguments: list[Word], guards: Guards, redirects: tuple[Redirect, ...]
    ) -> Result:
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
    ) -> Result:
        root = grammar.parse(text)
        if root is None:
            self.script.complete = False
            return Result()
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
        outer = (expander.choice, expander.widest, expander.status)
        outside = (self.background, self.pipeline)
        self.background, self.pipeline = False, 0
        self.sequence(node.children, self._guards)
        expander.choice, expander.widest, expander.status = outer
        self.background, self.pipeline = outside
        return self.script.commands[first:]

    def redirect(self, node: Node) -> Redirect:
        """A redirection with its target or text."""
        return redirect_of(node, self.expander)

    def _line(self, node: Node) -> int:
        return line_of(node) + self.expander.offset


def _same_way(command: Command, branch: tuple[tuple[int, int], ...]) -> bool:
    return command.branch[: len(branch)] == branch

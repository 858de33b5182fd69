"""Simple commands: assignments, tests, calls of functions and of programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xspack_tool.binary.grammars import text_of
from xspack_tool.rules.shell import conditions
from xspack_tool.rules.shell.inner import Walk
from xspack_tool.rules.shell.model import NOTHING, Command, Exit, Guards, Outcome, Redirect, Word
from xspack_tool.rules.shell.unwrap import unwrap

if TYPE_CHECKING:
    from tree_sitter import Node

_SAYS = frozenset({"echo", "printf", "logger", "cat"})
_NEVER_FAIL = frozenset({":", "true"})


class SimpleCommands(Walk):
    """The statements that hold no others."""

    # -- assignments

    def assignment(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        self._guards = guards
        first = len(self.script.commands)
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None:
            return Outcome()
        word = self.expander.word(value) if value is not None else Word("")
        if value is not None and value.type == "array":
            words = [field for child in value.named_children for field in self.expander.fields(child)]
            word = Word(" ".join(one.text for one in words), frozenset().union(*(one.refs for one in words)))
        self.expander.assign(text_of(name).partition("[")[0], word, "+=" in text_of(node)[:80], guards)
        substituted = self.script.commands[first:]
        plain = value is not None and value.type in ("command_substitution", "string") and substituted
        return Outcome(culprits=(substituted[-1],)) if plain else Outcome()

    def assignments(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        results = [self.assignment(child, guards, redirects) for child in node.named_children]
        return results[-1] if results else Outcome()

    def declaration(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        """``export``, ``local``, ``readonly``: never fails because of the value."""
        for child in node.named_children:
            if child.type == "variable_assignment":
                self.assignment(child, guards, redirects)
        return Outcome()

    # -- tests and commands

    def test(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        self._guards = guards
        tokens = conditions.tokens_of(node, self.expander.word)
        return self._tested(tokens, self._line(node), guards)

    def _tested(self, tokens: list[Word | str], line: int, guards: Guards) -> Outcome:
        if_true, if_false = conditions.of_test(tokens, self.expander)
        words = tuple(Word(token, line=line) if isinstance(token, str) else token for token in tokens)
        command = Command((Word("["), *words), line, guards, self.branches.now)
        return Outcome(if_true, if_false, NOTHING, (command,), (command,))

    def command(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        """A simple command, once for each value that the variables in it may have."""
        self._guards = guards
        return self.expander.variables.each(lambda: self._one_command(node, guards, redirects))

    def _one_command(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
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
            return Outcome()
        line = self._line(node)
        value_count = self.expander.variables.count
        result = self._run(words, line, guards, (*redirects, *own))
        self.expander.variables.count = value_count
        return result

    def _run(
        self, words: Sequence[Word], line: int, guards: Guards, redirects: tuple[Redirect, ...]
    ) -> Outcome:
        name = words[0].text
        if name in self.functions and name not in self.active:
            return self._call(name, list(words[1:]), guards, redirects)
        if name == "test":
            return self._tested(conditions.tokens_of_test(words[1:]), line, guards)
        if name in ("exit", "return"):
            return self._exit(words, line)
        if name == "set":
            self._set([word.text for word in words[1:]])
            return Outcome()
        if name in _NEVER_FAIL:
            self._nothing_but(redirects, line, guards)
            return Outcome()
        runs = unwrap(words)
        if not runs.words:
            return Outcome()
        command = Command(
            runs.words,
            line,
            guards,
            self.branches.now,
            runs.wrappers,
            redirects,
            self.background,
            self.pipeline,
        )
        body = self._body(runs.body, command) if runs.body else None
        self.script.commands.append(command)
        self.files.note(command)
        if body is not None:
            return self._walk_body(*body, guards, redirects)
        if_true, if_false = conditions.of_command(command)
        return Outcome(if_true, if_false, NOTHING, (command,), (command,))

    def bare_redirect(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        """``> file`` without a command."""
        self._nothing_but(redirects, self._line(node), guards)
        return Outcome()

    def _nothing_but(self, redirects: tuple[Redirect, ...], line: int, guards: Guards) -> None:
        if redirects:
            branch = self.branches.now
            self.script.commands.append(Command((Word(":"),), line, guards, branch, redirects=redirects))

    def _exit(self, words: Sequence[Word], line: int) -> Outcome:
        word = words[1] if len(words) > 1 else Word("$?", frozenset({"?"}))
        inside = bool(self.active) and words[0].text == "return"
        if not inside:
            before = self.script.commands[-1:]
            said = bool(before) and before[0].name in _SAYS and _same_way(before[0], self.branches.now)
            self.script.exits.append(Exit(word.text, line, self.branches.now, said))
        return Outcome(stops="return" if inside else "exit")

    def _set(self, args: list[str]) -> None:
        for place, option in enumerate(args):
            if re.fullmatch(r"[-+][a-zA-Z]+", option) and "e" in option:
                self.errexit = option.startswith("-")
            elif option in ("-o", "+o") and args[place + 1 : place + 2] == ["errexit"]:
                self.errexit = option == "-o"


def _same_way(command: Command, branch: tuple[tuple[int, int], ...]) -> bool:
    return command.branch[: len(branch)] == branch

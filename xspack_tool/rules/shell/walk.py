"""Walking a script in the order in which it runs: which commands, under which conditions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from xspack_tool.binary.grammars import text_of
from xspack_tool.rules.shell import conditions, grammar
from xspack_tool.rules.shell.lists import LISTS, Chain, Item, chain_of, ways_of
from xspack_tool.rules.shell.model import ARGUMENT, NOTHING, Command, Guards, Outcome, Redirect, Script, Word
from xspack_tool.rules.shell.simple import SimpleCommands
from xspack_tool.rules.shell.streams import output_of

if TYPE_CHECKING:
    from tree_sitter import Node

_MOST_STEPS = 20_000
_DEEPEST = 40
_Handler = Callable[["Node", Guards, tuple[Redirect, ...]], Outcome]


@functools.lru_cache(maxsize=512)
def analyse(text: str, errexit: bool = False) -> Script:
    """Read a script. Never raises; what is too long or too deep leaves ``complete`` False."""
    walker = _Walker(errexit)
    root = grammar.parse(text)
    if root is None:
        walker.script.complete = False
        return walker.script
    walker.script.grammatical = not root.has_error
    walker.script.last = walker.sequence(root.children, NOTHING).culprits
    walker.script.reads = walker.expander.reads
    return walker.script


class _Walker(SimpleCommands):
    """Statements made of other statements."""

    def __init__(self, errexit: bool) -> None:
        super().__init__(errexit)
        self._steps = 0
        self._depth = 0

    # -- sequences and single statements

    def sequence(
        self, nodes: Sequence[Node], guards: Guards, redirects: tuple[Redirect, ...] = ()
    ) -> Outcome:
        """Statements one after the other, with the tokens between them."""
        known, result = guards, Outcome()
        for place, node in enumerate(nodes):
            if not node.is_named or node.type == "comment":
                continue
            behind = nodes[place + 1] if place + 1 < len(nodes) else None
            background = behind is not None and behind.type == "&"
            outer, self.background = self.background, self.background or background
            result = self.statement(node, known, redirects)
            self.background = outer
            if background:
                result = Outcome()
            if self.errexit and not self.shielded:
                self.script.fatal += result.fatal
            self.expander.status = (result.if_true, result.if_false)
            if result.stops:
                break
            known |= result.afterwards
        return replace(result, afterwards=known - guards)

    def statement(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...] = ()) -> Outcome:
        """One statement of any kind."""
        self._steps += 1
        self._depth += 1
        try:
            if self._steps > _MOST_STEPS or self._depth > _DEEPEST:
                self.script.complete = False
                return Outcome()
            return self._statement(node, guards, redirects)
        finally:
            self._depth -= 1

    def _statement(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        kind = node.type
        if kind in LISTS:
            return self._chain(chain_of(node, self.redirect, redirects), guards)
        handlers: dict[str, _Handler] = {
            "command": self.command,
            "declaration_command": self.declaration,
            "variable_assignment": self.assignment,
            "variable_assignments": self.assignments,
            "test_command": self.test,
            "negated_command": self._negated,
            "if_statement": self._if,
            "case_statement": self._case,
            "while_statement": self._loop,
            "for_statement": self._for,
            "c_style_for_statement": self._loop,
            "file_redirect": self.bare_redirect,
            "subshell": self._subshell,
            "compound_statement": self._compound,
            "do_group": self._group,
            "function_definition": self._define,
        }
        if kind in handlers:
            return handlers[kind](node, guards, redirects)
        if kind in ("ERROR", "else_clause", "program"):
            return self.sequence(node.children, guards, redirects)
        return Outcome()

    # -- lists and pipelines

    def _chain(self, chain: Chain, guards: Guards) -> Outcome:
        result = Outcome()
        for place, (operator, items) in enumerate(chain):
            last = place == len(chain) - 1
            self.shielded += not last
            if not operator:
                result = self._pipe(items, guards)
            elif operator == "&&":
                result = self._and(result, items, guards)
            else:
                result = self._or(result, items, guards)
            self.shielded -= not last
            if result.stops:
                break
        return result

    def _and(self, left: Outcome, items: list[Item], guards: Guards) -> Outcome:
        right = self.branches.on(self.branches.fork(), 0, lambda: self._pipe(items, guards | left.if_true))
        afterwards = left.if_false if right.stops else NOTHING
        return Outcome(
            left.if_true | right.if_true,
            left.if_false & right.if_false,
            afterwards,
            left.culprits + right.culprits,
            right.fatal,
        )

    def _or(self, left: Outcome, items: list[Item], guards: Guards) -> Outcome:
        right = self.branches.on(self.branches.fork(), 0, lambda: self._pipe(items, guards | left.if_false))
        afterwards = left.if_true if right.stops else NOTHING
        culprits = () if right.stops else right.culprits
        if_true = left.if_true if right.stops else left.if_true & right.if_true
        return Outcome(
            if_true, left.if_false | right.if_false, afterwards, culprits, () if right.stops else right.fatal
        )

    def _pipe(self, items: list[Item], guards: Guards) -> Outcome:
        if len(items) == 1:
            return self.statement(items[0].node, guards, items[0].redirects)
        outer, number = self.pipeline, self.branches.fork()
        members: list[Outcome] = []
        flowing, source = "", 0
        for item in items:
            self.pipeline = number
            first = len(self.script.commands)
            fed = (Redirect("<<", Word("", line=source), flowing),) if flowing else ()
            members.append(self.statement(item.node, guards, (*item.redirects, *fed)))
            flowing = output_of(self.script.commands[first:], self.files.text)
            source = next((r.target.line for r in item.redirects if r.operator == "<<"), source)
        self.pipeline = outer
        last = self.script.commands[-1] if self.script.commands else None
        if_true, if_false = conditions.of_pipeline(
            [(member.if_true, member.if_false) for member in members], last
        )
        return Outcome(if_true, if_false, NOTHING, members[-1].culprits, members[-1].culprits)

    def _negated(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        self.shielded += 1
        inner = self.sequence(node.children, guards, redirects)
        self.shielded -= 1
        culprits = tuple(replace(command, negated=not command.negated) for command in inner.culprits)
        return Outcome(inner.if_false, inner.if_true, NOTHING, culprits, (), inner.stops)

    # -- compound commands

    def _if(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        known, ways = guards, _Ways()
        closed, fork = False, self.branches.fork()
        for way, (condition, body) in enumerate(ways_of(node)):
            test = Outcome()
            if condition:
                self.shielded += 1
                test = self.sequence(condition, known, redirects)
                self.shielded -= 1
            else:
                closed = True
            inner = self._way(fork, way, body, known | test.if_true, redirects)
            ways.add(inner, (known | test.if_true) - guards)
            known = known | test.if_false
        if not closed:
            ways.survivors.append(known - guards)
        return ways.joined()

    def _way(
        self, fork: int, way: int, body: Sequence[Node], guards: Guards, redirects: tuple[Redirect, ...]
    ) -> Outcome:
        return self.branches.on(fork, way, lambda: self.sequence(body, guards, redirects))

    def _case(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        value = Word("")
        ways, closed, fork = _Ways(), False, self.branches.fork()
        items = [child for child in node.named_children if child.type == "case_item"]
        heads = [child for child in node.named_children if child.type != "case_item"]
        if heads:
            value = self.expander.word(heads[0])
        for way, item in enumerate(items):
            split = next((n for n, child in enumerate(item.children) if child.type == ")"), 0)
            patterns = [text_of(child).strip("'\"") for child in item.children[:split] if child.is_named]
            known = frozenset.intersection(*[conditions.of_case(value, p) for p in patterns] or [NOTHING])
            closed = closed or "*" in patterns
            inner = self._way(fork, way, item.children[split + 1 :], guards | known, redirects)
            ways.add(inner, known)
        if not closed:
            ways.survivors.append(NOTHING)
        return ways.joined()

    def _loop(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...], fork: int = 0) -> Outcome:
        bodies = [child for child in node.children if child.type in ("do_group", "compound_statement")]
        test = Outcome()
        if node.type == "while_statement" and bodies:
            until = node.children[0].type == "until"
            condition = [child for child in node.children[1:] if child.end_byte <= bodies[-1].start_byte]
            self.shielded += 1
            test = self.sequence(condition, guards, redirects)
            self.shielded -= 1
            test = Outcome(test.if_false, test.if_true) if until else test
        if not bodies:
            return Outcome()
        inner = self._way(fork or self.branches.fork(), 0, [bodies[-1]], guards | test.if_true, redirects)
        return Outcome(culprits=inner.culprits)

    def _for(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        name = next((text_of(child) for child in node.children if child.type == "variable_name"), "")
        words = [
            word
            for child in node.named_children
            if child.type not in ("variable_name", "do_group", "compound_statement")
            for word in self.expander.fields(child)
        ]
        fork = self.branches.fork()
        self.expander.variables.assign_each(name, words, fork, guards)
        return self._loop(node, guards, redirects, fork)

    def _subshell(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        return replace(self.sequence(node.children, guards, redirects), stops="", afterwards=NOTHING)

    def _compound(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        if node.children and node.children[0].type == "((":
            known = frozenset({ARGUMENT}) if self.expander.reads_argument(node) else NOTHING
            return Outcome(known, known)
        return self.sequence(node.children, guards, redirects)

    def _group(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        return self.sequence(node.children, guards, redirects)

    def _define(self, node: Node, guards: Guards, redirects: tuple[Redirect, ...]) -> Outcome:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            self.functions[text_of(name)] = (body, self.expander.offset)
        return Outcome()


class _Ways(Struct):
    """The ways of a condition: what is known at the end of those that go on."""

    survivors: list[Guards] = field(default_factory=list)
    culprits: list[Command] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def add(self, inner: Outcome, known: Guards) -> None:
        self.culprits += inner.culprits
        self.stopped.append(inner.stops)
        if not inner.stops:
            self.survivors.append(known | inner.afterwards)

    def joined(self) -> Outcome:
        """What every way that goes on agrees on, where some do not."""
        culprits = tuple(self.culprits)
        if not self.survivors:
            return Outcome(stops="return" if "return" in self.stopped else "exit", culprits=culprits)
        afterwards = frozenset.intersection(*self.survivors) if any(self.stopped) else NOTHING
        return Outcome(afterwards, NOTHING, afterwards, culprits)

"""Alternative values: a variable that was set on several ways may have the value of each at a later command."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from xspack_tool.rules.shell.branches import Branch, Branches, exclusive
from xspack_tool.rules.shell.model import Guards, Outcome, Word

_MOST_VALUES = 4
_MOST_REMEMBERED = 8


class Value(Struct, frozen=True):
    """What a variable was set to, on which branch, and what was known there."""

    word: Word
    branch: Branch
    guards: Guards
    #: Whether others assigned at the same place may hold instead, as in a loop.
    among: bool = False


class Variables:
    """The variables of a script, with the values that each may have on the way to a command.

    Where there are several, ``index`` says which one is taken and ``count`` how many there were.
    """

    def __init__(self, branches: Branches) -> None:
        self.index = 0
        self.count = 1
        self._branches = branches
        self._values: dict[str, list[Value]] = {}

    def assign(self, name: str, word: Word, guards: Guards) -> None:
        """Set a variable where the walk is now."""
        branch = self._branches.now
        values = self._values.get(name, []) if branch else []
        self._values[name] = [*values[1 - _MOST_REMEMBERED :], Value(word, branch, guards)]

    def assign_each(self, name: str, words: list[Word], fork: int, guards: Guards) -> None:
        """The values that the variable of the loop ``fork`` takes one after the other."""
        branch = (*self._branches.now, (fork, 0))
        values = [Value(word, branch, guards, place > 0) for place, word in enumerate(words[:_MOST_VALUES])]
        self._values[name] = [*self._values.get(name, [])[1 - _MOST_REMEMBERED :], *values]

    def values(self, name: str) -> list[Value]:
        """The values that may hold where the walk is now, newest first."""
        holding = []
        for value in reversed(self._values.get(name, [])):
            if exclusive(value.branch, self._branches.now):
                continue
            holding.append(value)
            if value.branch == self._branches.now[: len(value.branch)] and not value.among:
                break
        return holding

    def pick(self, values: list[Value]) -> Word:
        """The one of some values whose turn it is."""
        self.count = max(self.count, min(len(values), _MOST_VALUES))
        return values[self.index % len(values)].word

    def each(self, run: Callable[[], Outcome]) -> Outcome:
        """Run once for each value that the variables read may have, until one ends the script."""
        self.index, self.count = 0, 1
        result = run()
        for turn in range(1, _MOST_VALUES):
            if result.stops or turn >= self.count:
                break
            self.index = turn
            result = run()
        self.index, self.count = 0, 1
        return result

"""Exclusive branches: which ways of which conditions a walk is on, and which of two places never both run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

#: The conditions around a place, outermost first: the number of each, and which of its ways.
Branch = tuple[tuple[int, int], ...]
_Result = TypeVar("_Result")


def exclusive(first: Branch, second: Branch) -> bool:
    """Whether the two lie on different ways of one condition, so that never both run."""
    ways = dict(first)
    return any(ways.get(fork, way) != way for fork, way in second)


class Branches:
    """Where a walk is."""

    def __init__(self) -> None:
        self.now: Branch = ()
        self._forks = 0

    def fork(self) -> int:
        """A number for a condition, new each time it is walked."""
        self._forks += 1
        return self._forks

    def on(self, fork: int, way: int, walk: Callable[[], _Result]) -> _Result:
        """Walk one way of a condition."""
        outer = self.now
        self.now = (*outer, (fork, way))
        try:
            return walk()
        finally:
            self.now = outer

"""Marks that tests get by what they call: ``from marks import needs``."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

TESTS = os.path.dirname(__file__)
#: Mark -> the programs that a developer's machine need not have, or that must not run there unasked.
PROGRAMS = {
    "server": ("sshd", "nginx", "weed", "azurite-blob", "postgres", "buildbox-casd", "bgd"),
    "container": ("podman", "runc", "crun"),
    "browser": ("chromium",),
}
#: What a plain `pytest` leaves out. CI runs it, and so does who names files or marks.
LEFT_OUT = (*PROGRAMS, "slow")


def needs(*called: object) -> set[str]:
    """The marks of a test: of the programs that its function, its fixtures and its parameters name, and all functions
    of ours that these use."""
    found: set[str] = set()
    seen: set[FunctionType] = set()
    waiting = list(_functions(called))
    while waiting:
        function = waiting.pop()
        if function not in seen:
            seen.add(function)
            marks, used = _look(function)
            found |= marks
            waiting += used
    return found


@functools.cache
def _look(function: FunctionType) -> tuple[set[str], list[FunctionType]]:
    """The marks of the texts in its code, and the functions of ours that it names."""
    codes = list(_codes(function.__code__))
    texts = {os.path.basename(text) for code in codes for text in _texts(code.co_consts)}
    names = {name for code in codes for name in code.co_names}
    used = [function.__globals__[name] for name in names if name in function.__globals__]
    return {mark for mark, programs in PROGRAMS.items() if texts.intersection(programs)}, list(
        _functions(used)
    )


def _functions(thing: object) -> Iterator[FunctionType]:
    """Those of ours that it is, holds, or has as its methods."""
    thing = inspect.unwrap(thing) if callable(thing) else getattr(thing, "fget", thing)
    if isinstance(thing, FunctionType):
        if thing.__code__.co_filename.startswith(TESTS):
            yield thing
    elif isinstance(thing, (tuple, list)):
        for item in thing:
            yield from _functions(item)
    elif isinstance(thing, dict):
        yield from _functions(list(thing.values()))
    elif isinstance(thing, type):
        yield from _functions([member for member in vars(thing).values() if not isinstance(member, type)])


def _texts(constants: tuple[Any, ...]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple):
            yield from _texts(constant)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Its own, and that of functions inside."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)

"""The steps of all builds, as the code has them: ``from steps import all_steps``."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterator

import xspack_tool.kinds
import xspack_tool.plan
from xspack_tool.plan.step import Step


@functools.cache
def all_steps() -> tuple[type[Step], ...]:
    """Every kind of step, by the name of its class."""
    for room in (xspack_tool.plan, xspack_tool.kinds):
        for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)

    def below(kind: type[Step]) -> Iterator[type[Step]]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    # One without a word for it is a base of others.
    found = {
        kind for kind in below(Step) if hasattr(kind, "label") and kind.__module__.startswith("xspack_tool.")
    }
    return tuple(sorted(found, key=lambda kind: kind.__name__))


def labels() -> frozenset[str]:
    """What they print as their first word."""
    return frozenset(kind.label for kind in all_steps())

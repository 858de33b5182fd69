"""Conditions on variables: what the value of a variable says of the place where it was set (``up=yes``)."""

from __future__ import annotations

from collections.abc import Callable

from xspack_tool.rules.shell.model import NOTHING, Guards
from xspack_tool.rules.shell.variables import Variables


def of_variable(name: str, variables: Variables, holds: Callable[[str], bool]) -> tuple[Guards, Guards]:
    """What is known if the value of a variable passes a test and if not, from where it was set."""
    values = variables.values(name)
    if_true = [value.guards for value in values if holds(value.word.text)]
    if_false = [value.guards for value in values if not holds(value.word.text)]
    return (
        frozenset.intersection(*if_true) if if_true else NOTHING,
        frozenset.intersection(*if_false) if if_false else NOTHING,
    )

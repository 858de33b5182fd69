"""``$NAME`` in what a declaration says: the value of a construction variable, by one rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xspack_tool.errors import Problem
from xspack_tool.plan.sources import XsLink

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<braced>[^}]*)\}|(?P<plain>[A-Za-z_]\w*))")


class Expansion:
    """The texts of one field with the values of an environment's variables, and what is wrong with them."""

    def __init__(self, env: Any, field: str) -> None:
        self.env, self.field = env, field
        self.problems: list[Problem] = []

    def text(self, text: str) -> str:
        """A text with its variables expanded; ``$$`` is a dollar sign."""

        def value(found: re.Match[str]) -> str:
            name = found["braced"] if found["braced"] is not None else found["plain"]
            if name is None:
                return "$"
            if name not in self.env:
                remedy = f"set it, or write ${found[0]} for the text itself"
                self.problems.append(
                    Problem(self.field, text, f"{found[0]} is not a construction variable", remedy)
                )
                return found[0]
            return str(self.env.subst(f"${{{name}}}"))

        return _VARIABLE.sub(value, text) if "$" in text else text

    def each(self, value: Any) -> Any:
        """A text, the texts in a list, or the paths of a table."""
        if isinstance(value, str):
            return self.text(value)
        if type(value) is dict:
            return {self.each(path): item for path, item in value.items()}
        return type(value)(map(self.each, value)) if type(value) in (list, tuple) else value

    def table(self, value: Mapping[Any, Any]) -> dict[Any, Any]:
        """Destinations, and the targets of links."""
        done: dict[Any, Any] = {}
        for path, item in value.items():
            place = self.text(path) if isinstance(path, str) else path
            if place in done:
                rule, remedy = f"two destinations become {place}", "keep one of them"
                self.problems.append(Problem(self.field, path, rule, remedy))
            done[place] = XsLink(self.text(item.target)) if isinstance(item, XsLink) else item
        return done

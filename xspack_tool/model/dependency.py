"""What an RPM requires, provides, conflicts with or obsoletes: one relation."""

from __future__ import annotations

import re

from msgspec import Struct

from xspack_tool.errors import Problem

OPERATORS = ("<", "<=", "=", ">=", ">")
#: A capability: a name, a path, or name(with parentheses) such as libc.so.6(GLIBC_2.4)(64bit).
CAPABILITY = re.compile(r"[A-Za-z0-9_/][^\s,<>=]*")
#: Without ^, which rpm 4.11 does not know.
EVR = re.compile(r"(?:(?P<epoch>[0-9]+):)?(?P<version>[A-Za-z0-9_.+~]+)(?:-(?P<release>[A-Za-z0-9_.+~]+))?")


class Dependency(Struct, frozen=True, order=True):
    """``name``, or ``name operator evr`` with evr as ``[epoch:]version[-release]``."""

    name: str
    operator: str = ""
    evr: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {self.evr}" if self.operator else self.name


def evr_text(epoch: int, version: str, release: str) -> str:
    """``[epoch:]version-release``; the epoch 0 is not written."""
    return f"{epoch}:{version}-{release}" if epoch else f"{version}-{release}"


def parse_dependency(field: str, value: object) -> Dependency | Problem:
    """Read ``"python3 >= 3.6"``; a Problem says what is wrong with it. rpm 4.11 knows no rich dependencies."""
    if not isinstance(value, str):
        return Problem(field, value, "a dependency must be a text", 'write it as "name >= version"')
    if value.strip().startswith("("):
        return Problem(
            field, value, "rpm 4.11 on the hosts knows no rich dependencies", "name one capability an entry"
        )
    words = value.split()
    if len(words) not in (1, 3):
        return Problem(
            field,
            value,
            "a dependency must be a name, or name, operator and version with blanks between",
            'write it as "name >= version"',
        )
    if not CAPABILITY.fullmatch(words[0]):
        return Problem(
            field, value, f"{words[0]!r} is not the name of a capability", 'write "name >= version"'
        )
    if len(words) == 1:
        return Dependency(words[0])
    if words[1] not in OPERATORS:
        return Problem(field, value, f"unknown operator {words[1]!r}", f"use one of {' '.join(OPERATORS)}")
    if not EVR.fullmatch(words[2]):
        return Problem(
            field, value, f"{words[2]!r} is not a version", "write it as [epoch:]version[-release]"
        )
    return Dependency(*words)

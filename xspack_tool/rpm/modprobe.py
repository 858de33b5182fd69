"""Files of /etc/modprobe.d, which configure modules. Source: modprobe.d(5)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xspack_tool.errors import Problem
from xspack_tool.model.syntax import nearest

_MODULE = re.compile(r"[A-Za-z0-9_-]+")
_OPTION = re.compile(r"[A-Za-z0-9_.-]+(=.*)?")
#: Each command with how its line is written.
_FORMS = {
    "options": "options MODULE NAME=VALUE ..",
    "blacklist": "blacklist MODULE",
    "alias": "alias PATTERN MODULE",
    "softdep": "softdep MODULE pre: MODULE .. post: MODULE ..",
    "install": "install MODULE COMMAND ..",
    "remove": "remove MODULE COMMAND ..",
}
#: Commands by which a module is never loaded.
_NEVER = {"/bin/true", "/bin/false", "/usr/bin/true", "/usr/bin/false", "true", "false", ":"}


def modprobe_problems(lines: Sequence[object]) -> list[Problem]:
    """What is wrong with the lines as ``modprobe=`` of a declaration."""
    found = []
    for line in lines:
        if not isinstance(line, str) or not line.strip() or re.search(r"[\x00-\x08\x0a-\x1f\x7f\\]", line):
            rule, remedy = "one line of text, without \\ at its end", 'such as "options acme queues=4"'
            found.append(Problem("modprobe", line, rule, remedy))
        elif problem := _problem(line):
            found.append(problem)
    return found


def _problem(line: str) -> Problem | None:
    command, *words = line.split()
    if command.startswith("#"):
        return None
    if command not in _FORMS:
        remedy = nearest(command, _FORMS) or f"use one of {', '.join(_FORMS)}"
        return Problem("modprobe", line, f"modprobe has no command {command!r}", remedy)
    modules, rest = words[:1], words[1:]
    if command == "alias":
        modules, rest = words[1:], words[:1]
    good = bool(modules) and all(map(_MODULE.fullmatch, modules))
    if command in ("blacklist", "alias"):
        good = good and len(words) == (1 if command == "blacklist" else 2)
    elif command == "softdep":
        good = good and bool(rest) and rest[0] in ("pre:", "post:") and rest[-1] not in ("pre:", "post:")
        good = good and all(word in ("pre:", "post:") or _MODULE.fullmatch(word) for word in rest)
    elif command == "options":
        # A value in quotes may hold blanks.
        plain = re.sub(r'"[^"]*"', "x", line).split()[2:]
        good = good and bool(plain) and '"' not in "".join(plain)
        good = good and all(map(_OPTION.fullmatch, plain))
    else:
        good = good and bool(rest)
    if good:
        return None
    return Problem("modprobe", line, f"not a valid {command} line of modprobe.d", f"write {_FORMS[command]}")


def modprobe_text(lines: Sequence[str]) -> str:
    """The file with these lines."""
    return "".join(f"{line.strip()}\n" for line in lines)


def kept_out(lines: Sequence[str]) -> tuple[str, ...]:
    """The modules that these lines keep from being loaded for a device, sorted, with _ for -."""
    found = set()
    for line in lines:
        command, *words = line.split() or [""]
        if not words:
            continue
        if command == "blacklist" or (command == "install" and words[1:2] and words[1] in _NEVER):
            found.add(words[0].replace("-", "_"))
    return tuple(sorted(found))

"""Taking wrappers off a command: what really runs behind ``env``, ``exec``, ``nohup`` and ``sh -c``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from msgspec import Struct

from xspack_tool.rules.shell.model import Word

#: Programs that run the command in their arguments: their options that take a value, and how many operands
#: of their own come before the command.
_WRAPPERS: dict[str, tuple[frozenset[str], int]] = {
    "builtin": (frozenset(), 0),
    "busybox": (frozenset(), 0),
    "chroot": (frozenset(), 1),
    "command": (frozenset(), 0),
    "doas": (frozenset({"-u", "-C"}), 0),
    "env": (frozenset({"-u", "--unset", "-C", "--chdir"}), 0),
    "exec": (frozenset({"-a"}), 0),
    "flock": (frozenset({"-w", "--timeout", "-E"}), 1),
    "ionice": (frozenset({"-c", "-n"}), 0),
    "nice": (frozenset({"-n"}), 0),
    "nohup": (frozenset(), 0),
    "runuser": (frozenset({"-u", "-g", "-G"}), 0),
    "setsid": (frozenset(), 0),
    "stdbuf": (frozenset({"-i", "-o", "-e"}), 0),
    "sudo": (frozenset({"-u", "-g", "-h", "-p", "-C", "-D"}), 0),
    "taskset": (frozenset(), 1),
    "time": (frozenset({"-o", "-f"}), 0),
    "timeout": (frozenset({"-k", "-s", "--kill-after", "--signal"}), 1),
    "toybox": (frozenset(), 0),
    "xargs": (frozenset({"-a", "-d", "-E", "-I", "-L", "-n", "-P", "-s"}), 0),
}
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_DEEPEST = 12


class Body(Struct, frozen=True):
    """Shell text that a command runs.

    ``text`` None means: from its standard input, or, with ``path``, from that file. ``arguments`` are its
    positional parameters, None those of the caller. ``inner`` is False where the
    caller's own shell runs it.
    """

    text: str | None
    line: int = 0
    path: str = ""
    arguments: tuple[Word, ...] | None = None
    inner: bool = True


class Unwrapped(Struct, frozen=True):
    """The command proper, the wrappers taken off, and the shell text it runs if it runs some."""

    words: tuple[Word, ...]
    wrappers: tuple[str, ...]
    body: Body | None = None


def unwrap(words: Sequence[Word]) -> Unwrapped:
    """Take the wrappers off; at most a dozen, one inside the other."""
    wrappers: list[str] = []
    rest = list(words)
    while rest and len(wrappers) < _DEEPEST:
        name = posixpath.basename(rest[0].text)
        if name not in _WRAPPERS or (name == "command" and _is_query(rest)):
            break
        inner = _operands(rest[1:], *_WRAPPERS[name])
        if name == "env":
            while inner and _ASSIGNMENT.match(inner[0].text):
                inner = inner[1:]
        if not inner or (option := _command_option(name, rest)):
            body = Body(option.text, option.line) if inner and option else None
            return Unwrapped(tuple(rest), tuple(wrappers), body)
        wrappers.append(name)
        rest = inner
    return Unwrapped(tuple(rest), tuple(wrappers), _body(rest))


def _is_query(words: Sequence[Word]) -> bool:
    return len(words) > 1 and words[1].text in ("-v", "-V")


def _operands(words: Sequence[Word], valued: frozenset[str], own: int) -> list[Word]:
    rest = list(words)
    while rest and rest[0].text.startswith("-"):
        option = rest.pop(0).text
        if option == "--":
            break
        if option in valued and rest:
            rest.pop(0)
    return rest[own:]


def _command_option(name: str, words: Sequence[Word]) -> Word | None:
    """The text of ``-c TEXT`` of the wrappers that know it."""
    if name in ("runuser", "flock"):
        return _after(words, ("-c", "--command"))
    return None


def _after(words: Sequence[Word], options: tuple[str, ...]) -> Word | None:
    found = (words[n + 1] for n, word in enumerate(words[:-1]) if word.text in options)
    return next(found, None)


def _body(words: Sequence[Word]) -> Body | None:
    if not words:
        return None
    name, args = posixpath.basename(words[0].text), list(words[1:])
    if name in _SHELLS:
        return _shell_body(args)
    if name == "su" and (text := _after(words, ("-c", "--command"))):
        return Body(text.text, text.line)
    if name == "eval" and args:
        return Body(" ".join(word.text for word in args), args[0].line, inner=False)
    if name == "trap" and args and args[0].text not in ("", "-", "-l", "-p"):
        return Body(args[0].text, args[0].line, inner=False)
    if name in (".", "source") and args:
        return Body(None, path=args[0].text, inner=False)
    if "/" in words[0].text:
        return Body(None, path=words[0].text, arguments=tuple(args))
    return None


def _shell_body(args: list[Word]) -> Body | None:
    command = False
    while args and args[0].text.startswith(("-", "+")) and args[0].text not in ("-", "--"):
        option = args.pop(0).text
        if option in ("-o", "+o", "-O", "+O") and args:
            args.pop(0)
        elif not option.startswith("--"):
            command = command or "c" in option
            if "s" in option and not command:
                return Body(None, arguments=tuple(args))
    if args and args[0].text in ("-", "--"):
        args.pop(0)
    if command:
        if not args:
            return None
        literal = not args[0].refs
        return Body(args[0].text, args[0].line, arguments=tuple(args[2:]) if literal else None)
    return Body(None, path=args[0].text, arguments=tuple(args[1:])) if args else Body(None)

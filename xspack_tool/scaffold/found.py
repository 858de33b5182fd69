"""What lies in a folder that gets a pack: a driver's sources, RPMs, or a call of build-update."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xspack_tool.errors import BadInput

_MAX_TEXT = 1 << 20
_OBJECTS = re.compile(r"^\s*(?:ifneq.*\n\s*)?obj-(?:m|\$\(\w+\))\s*[:+]?=", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^(?:export\s+)?([A-Za-z_]\w*)\s*(?::{0,2}|\?)=\s*(.*)$")
_RULE = re.compile(r"^([^\s#:=][^:=]*?)\s*:(?!=)\s*(.*)$")
_REFERENCE = re.compile(
    r"\$\$|\$[({](\w+)[)}]|\$\(shell\b[^()]*(?:\([^()]*\)[^()]*)*\)|\$([A-Za-z_]\w*|[@<^])"
)
_DEEPEST = 20


def driver_sources(folder: Path) -> bool:
    """Whether a folder holds a driver for kbuild or dkms."""
    if (folder / "dkms.conf").is_file():
        return True
    return any(
        (folder / name).is_file() and _OBJECTS.search(read_text(folder / name))
        for name in ("Kbuild", "Makefile", "GNUmakefile")
    )


def rpms_in(folder: Path) -> list[Path]:
    """The binary RPMs in a folder, sorted by name."""
    return sorted(path for path in folder.glob("*.rpm") if not path.name.endswith(".src.rpm"))


def build_update_files(folder: Path) -> list[Path]:
    """The Makefiles and shell scripts of a folder that call build-update, sorted by name."""
    candidates = sorted([*folder.glob("[Mm]akefile"), *folder.glob("*.mk"), *folder.glob("*.sh")])
    return [path for path in candidates if path.is_file() and any(_calls(read_text(path)))]


@dataclass(frozen=True)
class Line:
    """A logical line, with the target and the prerequisites of the rule it stands in."""

    text: str
    target: str
    prerequisites: str


def build_update_words(path: Path) -> list[str]:
    """The words after ``build-update`` where a Makefile or a script calls it, with plain variables replaced.

    Raises BadInput where it is not called once, or not plainly.
    """
    text = read_text(path)
    calls = list(_calls(text))
    if len(calls) != 1:
        raise BadInput(path, f"build-update is called {len(calls)} times, where one call is wanted")
    line = calls[0]
    values = _values(text)
    special = {
        "@": line.target,
        "<": " ".join(line.prerequisites.split()[:1]),
        "^": line.prerequisites,
    }
    expanded = _expand(line.text, {**values, **special}, 0)
    try:
        words = shlex.split(expanded, comments=True)
    except ValueError as error:
        raise BadInput(path, f"the call of build-update cannot be read: {error}") from None
    at = next(number for number, word in enumerate(words) if Path(word).name == "build-update")
    return words[at + 1 :]


def read_text(path: Path) -> str:
    """A text file of ordinary size. Raises BadInput."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX_TEXT + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(path, getattr(error, "strerror", None) or "not UTF-8") from None
    if len(text) > _MAX_TEXT:
        raise BadInput(path, f"larger than {_MAX_TEXT >> 20} MiB")
    return text


def _lines(text: str) -> Iterator[Line]:
    """The logical lines: those that end with a backslash go on."""
    target = prerequisites = ""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line[:1].isspace() and (rule := _RULE.match(line)) and not _ASSIGNMENT.match(line):
            target, prerequisites = rule[1], rule[2]
        yield Line(line.strip(), target, prerequisites)


def _calls(text: str) -> Iterator[Line]:
    for line in _lines(text):
        words = line.text.lstrip("@-+").split()
        if any(Path(word).name == "build-update" for word in words[:2]) and not line.text.startswith("#"):
            yield Line(line.text.lstrip("@-+"), *_expanded_rule(line, text))


def _expanded_rule(line: Line, text: str) -> Sequence[str]:
    values = _values(text)
    return [_expand(one, values, 0) for one in (line.target, line.prerequisites)]


def _values(text: str) -> dict[str, str]:
    """The plain assignments of a Makefile or of a shell script."""
    values = {}
    for line in _lines(text):
        if assigned := _ASSIGNMENT.match(line.text):
            value = assigned[2]
            if value[:1] in "\"'" and value[-1:] == value[:1] and len(value) > 1:
                value = value[1:-1]
            values[assigned[1]] = value
    return values


def _expand(text: str, values: Mapping[str, str], depth: int) -> str:
    """The text with its variables replaced; what a command would print is empty."""
    if depth > _DEEPEST or len(text) > _MAX_TEXT:
        return text

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name = found[1] or found[2]
        return _expand(values.get(name, ""), values, depth + 1) if name else ""

    return _REFERENCE.sub(value, text)

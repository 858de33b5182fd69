"""What lies in a folder that gets a pack: a driver's sources, RPMs, or a call of build-update."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from xspack_tool.binary import bash
from xspack_tool.errors import BadInput

_MAX_TEXT = 1 << 20
_OBJECTS = re.compile(r"^\s*(?:ifneq.*\n\s*)?obj-(?:m|\$\(\w+\))\s*[:+]?=", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^(?:export\s+)?([A-Za-z_]\w*)\s*(?::{0,2}|\?)=\s*(.*)$")
_RULE = re.compile(r"^([^\s#:=][^:=]*?)\s*:(?!=)\s*(.*)$")
_REFERENCE = re.compile(
    r"\$\$|\$[({](\w+)[)}]|\$\(shell\b[^()]*(?:\([^()]*\)[^()]*)*\)|\$([A-Za-z_]\w*|[@<^])"
)
_DEEPEST = 20
_MAKEFILE = re.compile(r"makefile|\.ma?ke?$", re.IGNORECASE)
_TELLS_OF_IT = ("echo", "printf", "which", "type", "command")


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
    return [path for path in candidates if path.is_file() and any(_calls(path))]


class Line(Struct, frozen=True):
    """A logical line of a Makefile, with the target and the prerequisites of the rule it stands in."""

    text: str
    target: str
    prerequisites: str


def build_update_words(path: Path) -> list[str]:
    """The words after ``build-update`` where a Makefile or a script calls it, with plain variables replaced.

    Raises BadInput where it is not called once, or not plainly.
    """
    calls = list(_calls(path))
    if len(calls) != 1:
        raise BadInput(path, f"build-update is called {len(calls)} times, where one call is wanted")
    return calls[0]


def read_text(path: Path, newline: str | None = None) -> str:
    """A text file of ordinary size, with the ends of its lines as they are where ``newline`` is empty. Raises
    BadInput."""
    try:
        with open(path, encoding="utf-8", newline=newline) as file:
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
            continue
        yield Line(line, target, prerequisites)


def _calls(path: Path) -> Iterator[list[str]]:
    """What build-update is called with: in a shell script, or in the recipes of a Makefile."""
    text = read_text(path)
    if _MAKEFILE.search(path.name) and not text.startswith("#!"):
        calls = [call for line in _recipes(text) for call in bash.commands(line)]
    else:
        calls = list(bash.commands(text, bash.assignments(text, {}, conditional=True).values))
    for words, _ in calls:
        # Another program may run it, such as sudo.
        at = next((number for number, word in enumerate(words[:2]) if Path(word).name == "build-update"), -1)
        if at >= 0 and words[0] not in _TELLS_OF_IT:
            yield words[at + 1 :]


def _recipes(text: str) -> Iterator[str]:
    """The lines of a Makefile's recipes, with the values of its variables, as a shell gets them."""
    values = _values(text)
    for line in _lines(text):
        if _ASSIGNMENT.match(line.text):
            continue  # One in a recipe is indented.
        target, prerequisites = (_expand(words, values, 0) for words in (line.target, line.prerequisites))
        special = {"@": target, "<": " ".join(prerequisites.split()[:1]), "^": prerequisites}
        recipe = _expand(line.text.lstrip("\t @-+"), {**values, **special}, 0)
        if "build-update" in recipe:
            yield recipe


def _values(text: str) -> dict[str, str]:
    """The plain assignments of a Makefile."""
    values = {}
    for line in _lines(text):
        if assigned := _ASSIGNMENT.match(line.text):
            values[assigned[1]] = assigned[2].rstrip()
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

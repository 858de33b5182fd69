"""The changes between two packs as Markdown, for release notes and merge requests."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from xspack_tool.errors import visible
from xspack_tool.evidence.changes import Change, PackChanges

#: Words without a meaning in Markdown, nor for forges, which make links of addresses and of the names of people.
_WORDS = re.compile(r"(?!.*\bwww\.)[A-Za-z](?:[A-Za-z0-9 .,()→-]|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))*")
#: What a block of differences begins a line with.
_SIGNS = {"~": "!"}
#: Lines of one text that are shown, at most.
_SHOWN = 200


class Texts(Struct, frozen=True):
    """The texts of a pack that a reader wants to see changes of: scriptlets and configuration files, by what they are
    (``acme-agent.noarch: %post``)."""

    by_name: Mapping[str, str]


def as_markdown(changes: PackChanges, old: Texts, new: Texts) -> str:
    """The page. All texts of a pack are shown as text, never as markup."""
    title, summary = (
        _shown(text.replace(" -> ", " → ")) for text in (f"{changes.old} -> {changes.new}", changes.summary)
    )
    lines = [f"## {title}", "", summary, ""]
    lines += _section("Pack", changes.document)
    lines += _block("Removed", [f"- {name}" for name in changes.removed])
    lines += _block("Added", [f"+ {name}" for name in changes.added])
    for name, changed in changes.changed.items():
        lines += _section(name, changed)
    lines += _section("Variants", changes.variants)
    lines += _section("Devices", changes.devices)
    for name in sorted(old.by_name.keys() & new.by_name.keys()):
        lines += _difference(name, old.by_name[name], new.by_name[name])
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(title: str, found: tuple[Change, ...]) -> list[str]:
    return _block(title, [_SIGNS.get(change.kind, change.kind) + str(change)[1:] for change in found])


def _difference(name: str, old: str, new: str) -> list[str]:
    """What changed in a text."""
    found = list(_unified(old, new))
    if len(found) > _SHOWN:
        found = [*found[:_SHOWN], f" .. and {len(found) - _SHOWN} lines more"]
    return _block(name, found)


def _block(title: str, lines: list[str]) -> list[str]:
    """A block of differences that no line of it can end; nothing without lines."""
    if not lines:
        return []
    lines = [visible(line, "\t") for line in lines]
    fence = "`" * max(3, _longest_run("\n".join(lines)) + 1)
    return [f"### {_shown(title)}", "", f"{fence}diff", *lines, fence, ""]


def _unified(old: str, new: str) -> Iterator[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    for number, line in enumerate(lines):
        if number > 1:  # the first two name files
            yield line


def _shown(text: str) -> str:
    """A text in a heading or a paragraph: as it is where it is plain words, else as code."""
    clean = visible(text)
    if _WORDS.fullmatch(clean):
        return clean
    fence = "`" * (_longest_run(clean) + 1)
    around = " " if clean[:1] in ("`", " ") or clean[-1:] in ("`", " ") else ""
    return f"{fence}{around}{clean}{around}{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)

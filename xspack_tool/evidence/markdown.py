"""The changes between two packs as Markdown, for release notes and merge requests."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from xspack_tool.errors import visible
from xspack_tool.evidence.changes import Change, PackChanges

#: What has a meaning in Markdown (CommonMark), or in the HTML that it may hold.
_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+.!|~&-])")
#: Lines of one text that are shown, at most.
_SHOWN = 200


class Texts(Struct, frozen=True):
    """The texts of a pack that a reader wants to see changes of: scriptlets and configuration files, by what they are
    (``acme-agent.noarch: %post``)."""

    by_name: Mapping[str, str]


def as_markdown(changes: PackChanges, old: Texts, new: Texts) -> str:
    """The page. All texts of a pack are shown as text, never as markup."""
    lines = [f"## {_escaped(changes.old)} → {_escaped(changes.new)}", "", _escaped(changes.summary), ""]
    lines += _section("Pack", changes.document)
    lines += _names("Removed", changes.removed)
    lines += _names("Added", changes.added)
    for name, changed in changes.changed.items():
        lines += _section(name, changed)
    lines += _section("Variants", changes.variants)
    lines += _section("Devices", changes.devices)
    for name in sorted(old.by_name.keys() & new.by_name.keys()):
        lines += _difference(name, old.by_name[name], new.by_name[name])
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(title: str, found: tuple[Change, ...]) -> list[str]:
    if not found:
        return []
    return [f"### {_escaped(title)}", "", *(f"- {_escaped(str(change))}" for change in found), ""]


def _names(title: str, names: tuple[str, ...]) -> list[str]:
    return [f"### {title}", "", *(f"- {_escaped(name)}" for name in names), ""] if names else []


def _difference(name: str, old: str, new: str) -> list[str]:
    """What changed in a text, in a block that no line of it can end."""
    found = list(_unified(old, new))
    if not found:
        return []
    if len(found) > _SHOWN:
        found = [*found[:_SHOWN], f" .. and {len(found) - _SHOWN} lines more"]
    longest = max((len(run) for line in found for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"### {_escaped(name)}", "", f"{fence}diff", *found, fence, ""]


def _unified(old: str, new: str) -> Iterator[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    for number, line in enumerate(lines):
        if number > 1:  # the first two name files
            yield visible(line, "\t")


def _escaped(text: str) -> str:
    return _SIGNS.sub(r"\\\1", visible(text))

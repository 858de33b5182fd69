"""The texts of a package as its header holds them: what rpm's parser makes of a spec, without what it loses.

A line that begins with ``#``, a brace behind a backslash, a word that rpm takes for its own: here they are text.
"""

from __future__ import annotations

from collections.abc import Sequence

from xspack_tool.model.changelog import ChangelogEntry
from xspack_tool.rpm.spec import changelog_lines

#: What C's isspace() takes for a blank.
BLANK = " \t\n\r\f\v"


def one_line(text: str) -> bytes:
    """A tag of one line."""
    return text.strip(BLANK).encode()


def description(text: str) -> bytes:
    """Lines without the blanks at their ends, nor empty lines at the end."""
    return "\n".join(line.rstrip(BLANK) for line in text.split("\n")).rstrip(BLANK).encode()


def scriptlet(text: str) -> bytes:
    """A scriptlet without the blanks at its end."""
    return text.rstrip(BLANK).encode()


def changelog(entries: Sequence[ChangelogEntry]) -> list[tuple[int, bytes, bytes]]:
    """Time, author and text of each entry, newest first."""
    return [
        (
            entry.time,
            entry.author.lstrip(BLANK).encode(),
            "\n".join(changelog_lines(entry)).strip(BLANK).encode(),
        )
        for entry in sorted(entries, key=lambda entry: entry.date, reverse=True)
    ]

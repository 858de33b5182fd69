"""Changelog entries, and the time of a package that follows from them."""

from __future__ import annotations

import datetime
import re

from msgspec import Struct

from xspack_tool.errors import Problem

#: The time of a package that has no changelog, where SOURCE_DATE_EPOCH is not set: 2020-01-01.
CONSTANT_TIME = 1577836800

#: What fits into the header's 32 bits; rpmbuild leaves out the very first day, and counts others round.
FIRST_DAY, LAST_DAY = datetime.date(1970, 1, 2), datetime.date(2106, 2, 6)

#: How an entry is written, as errors say it.
FORM = "2026-11-20 Name <mail> 1.0-1\\n- what changed"
_HEAD = re.compile(r"(?P<date>\d{4}-\d\d-\d\d)\s+(?P<who>\S.*)")


class ChangelogEntry(Struct, frozen=True):
    """One dated entry. ``author`` is ``Name <mail> version-release`` as rpm shows it."""

    date: datetime.date
    author: str
    text: str

    @property
    def time(self) -> int:
        """Noon UTC of its day, as rpm itself reads a changelog date (seconds since 1970)."""
        noon = datetime.datetime.combine(self.date, datetime.time(12), datetime.timezone.utc)
        return int(noon.timestamp())


def parse_entry(field: str, value: object) -> ChangelogEntry | Problem:
    r"""Read ``"2026-11-20 Name <mail> 5.2-1\n- what changed"``."""
    form = f'write it as "{FORM}"'
    if not isinstance(value, str):
        return Problem(field, value, "a changelog entry must be a text", form)
    head, _, body = value.strip().partition("\n")
    heading = _HEAD.fullmatch(head.strip())
    if not heading or not body.strip():
        return Problem(field, value, "a changelog entry must be a dated head line and its text", form)
    if "\0" in value:
        return Problem(field, value, "a changelog must not hold a NUL", form)
    try:
        date = datetime.date.fromisoformat(heading["date"])
    except ValueError:
        return Problem(field, value, f"{heading['date']} is not a date of the calendar", form)
    if not FIRST_DAY <= date <= LAST_DAY:
        rule = f"an RPM's days go from {FIRST_DAY} to {LAST_DAY}, {date} is none of them"
        return Problem(field, value, rule, "give the day of the change")
    return ChangelogEntry(date, heading["who"], body.strip())

"""The errors of xspack, and where in the user's files they came from."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Sequence
from typing import TextIO

from msgspec import Struct
from msgspec.structs import replace

#: What moves a terminal's cursor, ends a line for some readers, changes the direction of text or cannot be seen, and
#: what is no character at all. A text, not a pattern: to compile it takes a build without words half a millisecond.
UNSEEN = r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\ud800-\udfff]"


def visible(text: str, keep: str = "") -> str:
    r"""A foreign text that does no harm where it is shown: ``\x1b`` for what :data:`UNSEEN` has, but for the
    characters of ``keep``. The one function for terminals, logs and pages."""

    def escape(found: re.Match[str]) -> str:
        code = ord(found[0])
        return found[0] if found[0] in keep else f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"

    return re.sub(UNSEEN, escape, text)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of equal length as lines of text, their cells below each other."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def colour_wanted(stream: TextIO, choice: str = "auto") -> bool:
    """Whether to write in colour: ``always``, ``never``, or on a terminal that is not dumb, where NO_COLOR
    (no-color.org) is not set."""
    if choice != "auto":
        return choice == "always"
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def counted(count: int, word: str) -> str:
    """A count with its noun: ``1 package``, ``2 packages``."""
    return f"{count} {word}{'' if count == 1 else 's'}"


class Place(Struct, frozen=True, order=True):
    """A line of a user's file, as a message shows it; line 0 for what is no file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Problem(Struct, frozen=True):
    """One mistake of the user: what was found, which rule it breaks, what to do.

    ``place`` and ``target`` are filled in by the caller that knows them (see :meth:`at`); the room that
    finds a mistake knows only the field, the value, the rule and the remedy.
    """

    field: str
    value: object
    rule: str
    remedy: str
    place: Place | None = None
    target: str = ""

    def at(self, place: Place | None, target: str) -> Problem:
        """The same problem with the place and target it belongs to, unless it has its own."""
        return replace(self, place=self.place or place, target=self.target or target)

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        target = f"{self.target}: " if self.target else ""
        field = f"{self.field}={self.value!r}: " if self.field else ""
        return visible(f"{where}{target}{field}{self.rule}; {self.remedy}", "\n\t")


#: What to do where the system says no.
_REMEDIES = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there, or have the quota raised",
    errno.EROFS: "its file system is read-only: make it writable, or use another folder",
    errno.EACCES: "allow it (chmod, chown), or use another folder",
    errno.EPERM: "allow it (chmod, chown), or use another folder",
    errno.EMFILE: "raise the limit: ulimit -n",
    errno.EFBIG: "raise the limit: ulimit -f",
}


def system_words(error: OSError) -> str:
    """What the system said, and what to do, where that can be told."""
    words = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{words}; {remedy}" if remedy else words


#: What a program's own line ends with where there was no room for it, or no right to write.
_NO_ROOM = {os.strerror(number): number for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)}


def raise_for_room(said: str, folder: str) -> None:
    """Raise OSError where a program that works in ``folder`` said that it could not write: what it told besides is no
    answer."""
    if found := re.search(f"^[a-z-]+: .*: ({'|'.join(_NO_ROOM)})$", said, re.MULTILINE):
        raise OSError(_NO_ROOM[found[1]], found[1], folder)


class XspackError(Exception):
    """Any failure that is reported to the user in words; its text is complete without a traceback, and does no
    harm to a terminal, whatever file it speaks of."""

    def __str__(self) -> str:
        return visible(super().__str__(), "\n\t")


class DeclarationError(XspackError):
    """Mistakes in declarations, all of them together."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.place or Place("", 0))
        count = len(self.problems)
        head = f"{count} mistake{'s' if count != 1 else ''} in the declarations, nothing was built"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


class StepError(XspackError):
    """A step of the build failed: a program, or a check on what it made."""


class Interrupted(StepError):
    """A program was ended by a signal: what it would have answered is not known, and how it ended is no answer."""


class BadInput(XspackError):
    """A file that cannot be trusted or read: damaged, hostile, or not what its name says.

    The text is one line that names the file.
    """

    def __init__(self, file: object, why: str) -> None:
        # A part of the file may stand in it: one line stays one.
        self.file, self.why = str(file), visible(why, "\t")
        super().__init__(f"{file}: {self.why}")

    def __str__(self) -> str:
        return visible(super().__str__(), "\t")


class HostileInput(BadInput):
    """A file that was made to do harm: bombs, entities, paths that lead elsewhere. Always re-raised by code that
    reports damaged files and goes on."""


def damaged(file: object) -> BadInput:
    """What is said of a file of ours that is not as it was written."""
    return BadInput(file, "damaged since it was built; build again")

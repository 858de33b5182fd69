"""Relations as a header keeps them: sorted sets (rpm's lib/rpmds.c), read as build/parseReqs.c reads them."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator

LESS, GREATER, EQUAL = 2, 4, 8
SENSE = LESS | GREATER | EQUAL
POSTTRANS, PRETRANS, INTERPRETER = 1 << 5, 1 << 7, 1 << 8
PRE, POST, PREUN, POSTUN = 1 << 9, 1 << 10, 1 << 11, 1 << 12
FOUND_REQUIRES, FOUND_PROVIDES = 1 << 14, 1 << 15
RPMLIB, CONFIG = 1 << 24, 1 << 28

_OPERATORS = {
    b"<": LESS,
    b"<=": LESS | EQUAL,
    b"=<": LESS | EQUAL,
    b"=": EQUAL,
    b"==": EQUAL,
    b">=": GREATER | EQUAL,
    b"=>": GREATER | EQUAL,
    b">": GREATER,
}
_WORD = re.compile(rb"[^ \t\n\r\f\v,]+")
_NAME = re.compile(rb"[A-Za-z0-9_/\x80-\xff]")

#: Name, version and flags of a relation, in the order by which rpm sorts them.
Item = tuple[bytes, bytes, int]


class UnusualError(Exception):
    """What this writer leaves to rpmbuild; the text says why."""


def parse(text: bytes) -> list[Item]:
    """The relations of a line. Raises UnusualError where rpm would complain."""
    words = _WORD.findall(text)
    items: list[Item] = []
    at = 0
    while at < len(words):
        name = words[at]
        if not _NAME.match(name):
            raise UnusualError(f"the dependency {text.decode(errors='replace')!r}")
        at += 1
        version, flags = b"", 0
        if at < len(words) and words[at] in _OPERATORS:
            if at + 1 >= len(words) or name[:1] == b"/":
                raise UnusualError(f"the dependency {text.decode(errors='replace')!r}")
            version, flags = words[at + 1], _OPERATORS[words[at]]
            at += 2
        items.append((name, version, flags))
    return items


def read_relations(declared: Iterable[object]) -> list[Item]:
    """Declared relations as a header has them. Raises UnusualError for those that rpm would complain about, and for one
    that it would take for several."""
    items = []
    for relation in map(str, declared):
        item, *more = parse(relation.encode()) or [(b"", b"", 0)]
        if more or not item[0]:
            raise UnusualError(f"the dependency {relation!r}")
        items.append(item)
    return items


class Relations:
    """A sorted set of relations."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    def add(self, name: bytes, version: bytes = b"", flags: int = 0) -> None:
        """Add a relation; one on rpm's own features is marked as such."""
        self.merge((name, version, flags | RPMLIB if name.startswith(b"rpmlib(") else flags))

    def merge(self, item: Item) -> None:
        """Add a relation as it is."""
        at = bisect.bisect_left(self._items, item)
        if at == len(self._items) or self._items[at] != item:
            self._items.insert(at, item)

    def index(self, item: Item) -> int:
        """The place of a relation that is there."""
        return bisect.bisect_left(self._items, item)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

"""Facts of files that cost time to find out while reading, remembered between runs.

A fact is kept with the file's inode, size and time of change; any of them another, and it is found out again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import SCons.Script

from xspack_tool.files import file_digest
from xspack_tool.plan.notes import read_notes, write_notes
from xspack_tool.plan.profile import out_path
from xspack_tool.plan.session import session

_stores: dict[str, Store] = {}


class Store:
    """The facts below one XSPACK_OUT."""

    def __init__(self, file: Path) -> None:
        self.file, self.changed = file, False
        self.facts: dict[str, Any] = read_notes(file) or {}
        session().at_end.append(self.save)

    def save(self) -> None:
        """Keep what was found out; losing it costs time only."""
        if self.changed and not any(map(SCons.Script.GetOption, ("no_exec", "question", "clean"))):
            with suppress(OSError):
                write_notes(self.file, self.facts)


def file_fact(env: Any, node: Any, what: str, find: Callable[[Path], Any]) -> Any:
    """``find(path)`` of a file that exists, remembered. The answer must be plain JSON; errors are not kept."""
    path = Path(node.get_abspath())
    return remembered(env, f"{what} {path}", file_state(path), lambda: find(path))


def file_sha256(env: Any, node: Any) -> str:
    """The SHA-256 of a file that exists, remembered."""
    digest: str = file_fact(env, node, "sha256", file_digest)
    return digest


def remembered(env: Any, key: str, state: Any, find: Callable[[], Any]) -> Any:
    """``find()``, remembered as long as ``state`` (plain JSON) is the same."""
    place = env.File(out_path(env, ".xspack", "facts.json")).get_abspath()
    store = _stores.get(place) or _stores.setdefault(place, Store(Path(place)))
    known = store.facts.get(key)
    if known is None or known["state"] != state:
        known = {"state": state, "fact": find()}
        store.facts[key] = known
        store.changed = True
    return known["fact"]


def file_state(path: Path | str) -> list[int]:
    """What changes when a file is written anew. Raises OSError where there is none."""
    found = os.stat(path)
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]

"""Results of reading files that take long, cached between runs of SCons.

An entry is valid while the file has the same inode, size and times.
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
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import out_path


class ReadCache:
    """The entries below one XSPACK_OUT."""

    def __init__(self, file: Path) -> None:
        self.file, self.changed = file, False
        self.entries: dict[str, Any] = read_notes(file) or {}
        session().at_end.append(self.save)

    def save(self) -> None:
        """Write new entries; a failure is ignored, since losing them costs time only."""
        if self.changed and not any(map(SCons.Script.GetOption, ("no_exec", "question", "clean"))):
            with suppress(OSError):
                write_notes(self.file, self.entries)

    def read(self, key: str, state: Any, read: Callable[[], Any], cheap: bool = False) -> Any:
        """As :func:`read_cached`."""
        entry = self.entries.get(key)
        if entry is None or entry["state"] != state:
            entry = {"state": state, "result": read()}
            self.entries[key] = entry
            self.changed |= not cheap
        return entry["result"]

    def sha256(self, path: str) -> str:
        """The SHA-256 of a file that exists."""
        digest: str = self.read(f"sha256 {path}", file_state(path), lambda: file_digest(Path(path)))
        return digest


def read_file_cached(env: Any, node: Any, what: str, read: Callable[[Path], Any]) -> Any:
    """``read(path)`` of a file that exists, cached. The result must be plain JSON; errors are not cached."""
    path = Path(node.get_abspath())
    return read_cached(env, f"{what} {path}", file_state(path), lambda: read(path))


def file_sha256(env: Any, node: Any) -> str:
    """The SHA-256 of a file that exists, cached."""
    return cache_of(env).sha256(node.get_abspath())


def read_cached(env: Any, key: str, state: Any, read: Callable[[], Any], cheap: bool = False) -> Any:
    """``read()``, cached as long as ``state`` (plain JSON) is the same. What is ``cheap`` is written with what else
    was read, and for itself makes no file: a tree in which all is refused stays as it is."""
    return cache_of(env).read(key, state, read, cheap)


def cache_of(env: Any) -> ReadCache:
    """The cache below an environment's XSPACK_OUT."""
    # A relative folder means another place in each SConscript.
    place = (out_path(env, ".xspack"), env.fs.getcwd())
    return session().read_caches_by_place.get(place) or _cache_at(env, place)


def _cache_at(env: Any, place: tuple[str, Any]) -> ReadCache:
    # No node of its own: it would be a source of the folder of outputs.
    file = os.path.join(env.Dir(place[0]).get_abspath(), "read-cache.json")
    caches = session().read_caches
    if file not in caches:
        caches[file] = ReadCache(Path(file))
    session().read_caches_by_place[place] = caches[file]
    return caches[file]


def file_state(path: Path | str) -> list[int]:
    """What changes when a file is written anew. Raises OSError where there is none."""
    found = os.stat(path)
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]

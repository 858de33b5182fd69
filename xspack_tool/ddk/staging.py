"""The staged copy of a driver's sources, in which kbuild works; kept between builds."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from msgspec import Struct

from xspack_tool.errors import Interrupted, StepError
from xspack_tool.files import write_whole

#: What a build in the user's own folder leaves there: kbuild would take it for its own.
_LEFTOVER_ENDINGS = (".ko", ".mod", ".mod.c", ".mod.o", ".cmd", ".o.d", ".order")
_LEFTOVER_NAMES = {"Module.symvers", "Module.markers", "modules.order", "modules.livepatch", ".cache.mk"}
_FOREIGN_FOLDERS = {".tmp_versions", ".git", ".svn", ".hg", "CVS"}


def driver_sources(names: Iterable[str]) -> list[str]:
    """The names (relative, with /) that are sources, sorted: without what an earlier kbuild left beside them,
    and without a version control system's own files. An object with neither a source nor kbuild's record of
    its command beside it is a part that the vendor delivers compiled, and stays."""
    known = set(names)
    return sorted(name for name in known if not _is_leftover(PurePosixPath(name), known))


def _is_leftover(path: PurePosixPath, known: set[str]) -> bool:
    if path.name in _LEFTOVER_NAMES or _FOREIGN_FOLDERS & set(path.parts[:-1]):
        return True
    if path.name.endswith(_LEFTOVER_ENDINGS):
        return True
    if path.suffix == ".o":
        beside = [path.with_suffix(".c"), path.with_suffix(".S"), path.with_name(f".{path.name}.cmd")]
        return any(str(name) in known for name in beside)
    return False


class Staged(Struct, frozen=True):
    """An up-to-date staged copy: the sources as given, and what earlier builds made of them."""

    root: Path
    #: The lock's descriptor, for the programs that work in the copy: held for as long as one of them runs.
    lock: int


@contextlib.contextmanager
def staged_copy(
    work_dir: Path,
    key: str,
    sources: Mapping[str, Path],
    links: Mapping[str, str] | None = None,
    *,
    fresh: bool = False,
    lock: int | None = None,
) -> Iterator[Staged]:
    """Bring the staged copy below ``work_dir`` up to date and hold it for one build.

    ``links`` are the sources' symbolic links and where they lead. ``key`` names all that objects depend on besides the
    sources; another key starts afresh, as do other links, or ``fresh``. So does a build
    that was killed half-way: a mark stays for as long as the copy is worked in, and a StepError (a mistake in
    the driver, which kbuild itself recovers from) removes it, anything else does not. The lock is on the
    folder itself and dies with its holders: a kbuild that outlives us is waited for. With ``lock`` that has been
    done already.
    """
    root, mark, state = work_dir / "staged", work_dir / "unfinished", work_dir / "state.json"
    work_dir.mkdir(parents=True, exist_ok=True)
    with contextlib.nullcontext(lock) if lock is not None else locked(work_dir) as lock:
        links = dict(sorted((links or {}).items()))
        key += json.dumps(links) if links else ""
        known = None if fresh or mark.exists() else _read_state(state, key)
        mark.touch()
        names = sorted(sources)
        if known is None or _needs_clean(set(known), set(names)):
            known = None
            if root.exists():
                shutil.rmtree(root)
        root.mkdir(exist_ok=True)
        if known is None:
            for name, leads_to in links.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).symlink_to(leads_to)
        _synchronise(root, known or [], sources)
        state.write_text(json.dumps({"key": key, "names": names}))
        try:
            yield Staged(root, lock)
        except Interrupted:  # nothing in there can be trusted
            raise
        except StepError:
            mark.unlink()
            raise
        mark.unlink()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[int]:
    """A folder's lock, for as long as the block lasts."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _read_state(state: Path, key: str) -> list[str] | None:
    """The names of the last build's sources, or None if that was another build."""
    try:
        found = json.loads(state.read_text())
        return list(found["names"]) if found["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _needs_clean(old: set[str], new: set[str]) -> bool:
    """Whether a file came or went and make cannot know whom it concerns: a header, a Makefile, or a source
    beside another of its name."""
    stems = [path.stem for path in map(PurePosixPath, old | new) if path.suffix != ".h"]
    changed = [PurePosixPath(name) for name in old ^ new]
    return any(path.suffix not in (".c", ".S") or stems.count(path.stem) > 1 for path in changed)


def _synchronise(root: Path, known: list[str], sources: Mapping[str, Path]) -> None:
    for name in set(known) - set(sources):
        _remove(root / name)
    newest = _newest(root)
    for name, source in sources.items():
        _copy(source, root / name, newest)


def _newest(root: Path) -> int:
    """The newest time of a file in the copy, in ns."""
    return max((path.lstat().st_mtime_ns for path in root.rglob("*")), default=0)


def _copy(source: Path, target: Path, newest: int) -> None:
    """Bring one file up to date. A changed file becomes newer than all that was built, whatever the time of
    the source, the clock, or the resolution of the file system's times."""
    mode, content = 0o755 if source.stat().st_mode & 0o100 else 0o644, source.read_bytes()
    if target.is_file() and not target.is_symlink() and target.read_bytes() == content:
        if target.stat().st_mode & 0o777 != mode:
            target.chmod(mode)
        return
    write_whole(target, content, mode)
    if newest and target.stat().st_mtime_ns <= newest:
        later = max(newest + 1_000_000_000, time.time_ns())
        os.utime(target, ns=(later, later))


def _remove(path: Path) -> None:
    """Remove a source and what was compiled from it."""
    for gone in (path, path.with_suffix(".o"), path.with_name(f".{path.stem}.o.cmd")):
        gone.unlink(missing_ok=True)

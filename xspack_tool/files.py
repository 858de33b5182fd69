"""Files appear whole or not at all: each is written beside its place, and renamed when it is whole."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

_BLOCK = 1 << 20
#: From this size on, a file that is replaced is given back apart.
_LARGE = 1 << 20


@contextmanager
def whole(place: Path, shared: bool = False) -> Iterator[Path]:
    """Where to write what is to become ``place``; its folder is made. What is there gets its name when the block ends
    well, and is removed else. ``shared`` is for a place that others may write at the same time."""
    place.parent.mkdir(parents=True, exist_ok=True)
    own = f".{os.getpid()}.{threading.get_ident()}" if shared else ""
    beside = place.with_name(f".{place.name}{own}.new")
    try:
        yield beside
        _give_name(beside, place)
    except BaseException as error:
        # The system names no file where there is no room in it, and Python the one that was copied.
        if isinstance(error, OSError) and (
            error.filename is None or error.errno in (errno.ENOSPC, errno.EDQUOT)
        ):
            error.filename = str(place)
        beside.unlink(missing_ok=True)
        raise


def _give_name(made: Path, place: Path) -> None:
    """Rename it. A large file that had the name goes in a thread: a disk takes a millisecond for each MiB that it gets
    back, and nothing has to wait for that."""
    old = None
    with suppress(OSError):
        if place.stat().st_size >= _LARGE:
            old = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.replace(made, place)
    finally:
        if old is not None:
            _close_apart(old)


def _close_apart(descriptor: int) -> None:
    try:
        threading.Thread(target=os.close, args=(descriptor,), name="closing").start()
    except RuntimeError:  # no more threads
        os.close(descriptor)


def write_whole(place: Path, content: str | bytes, mode: int | None = None, shared: bool = False) -> None:
    """Write a file, a text as UTF-8; ``shared`` as for :func:`whole`."""
    with whole(place, shared) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        if mode is not None:
            beside.chmod(mode)


def write_all(files: Mapping[Path, tuple[str, int]]) -> None:
    """Write several texts, each with its mode: all of them, or none. They get their names in the order in which they
    are given. Folders that are made for them go with them."""
    made: list[Path] = []
    try:
        with ExitStack() as stack:
            for place, (text, mode) in reversed(list(files.items())):
                made += [folder for folder in place.parents if not folder.exists() and folder not in made]
                beside = stack.enter_context(whole(place))
                beside.write_text(text, encoding="utf-8")
                beside.chmod(mode)
    except BaseException:
        for folder in sorted(made, reverse=True):
            with suppress(OSError):
                folder.rmdir()
        raise


def copy_whole(source: Path, place: Path) -> None:
    """Copy a file's content."""
    with whole(place) as beside:
        shutil.copyfile(source, beside)


def first_bytes(path: Path, most: int) -> bytes:
    """A file's content as far as ``most`` bytes. Memory is taken for what is there: Python takes it for all that is
    asked for."""
    blocks = []
    with open(path, "rb") as file:
        while most and (block := file.read(min(most, _BLOCK))):
            blocks.append(block)
            most -= len(block)
    return b"".join(blocks)


def digest_of(file: IO[bytes], kind: str = "sha256") -> str:
    """The digest of what is left of an open file, in hexadecimal, read block by block."""
    found = hashlib.new(kind, usedforsecurity=False)
    while block := file.read(_BLOCK):
        found.update(block)
    return found.hexdigest()


def file_digest(path: Path | str) -> str:
    """The SHA-256 of a file's content as it is now."""
    with open(path, "rb") as file:
        return digest_of(file)


@contextmanager
def meanwhile(work: Callable[[], str]) -> Iterator[Callable[[], str]]:
    """Have a thread do some work while the block runs; the block's value waits for what it returns, or raises what it
    raised. Digests take a core of their own: hashlib lets other threads run. The work has ended when the block has."""
    digests: list[str] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            digests.append(work())
        except BaseException as error:
            raised.append(error)

    def result() -> str:
        thread.join()
        if raised:
            raise raised[0]
        return digests[0]

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield result
    finally:
        thread.join()

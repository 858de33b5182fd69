"""Progress on a terminal, for whatever takes more than a second."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Seconds before anything is shown.
_PATIENCE = 1.0


@contextmanager
def progress(what: str, total: int, *, is_bytes: bool = False) -> Iterator[Callable[[int], None]]:
    """A function to be told how much more is done; a bar on the terminal's error stream after a second."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    bar = _Bar(what, total, is_bytes)
    timer = threading.Timer(_PATIENCE, bar.show)
    timer.daemon = True
    timer.start()
    try:
        yield bar.advance
    finally:
        timer.cancel()
        bar.close()


class _Bar:
    """A bar of rich that is shown late, or never."""

    def __init__(self, what: str, total: int, is_bytes: bool) -> None:
        self._what, self._total, self._bytes = what, total, is_bytes
        self._done = 0
        self._lock = threading.Lock()
        self._bar: Any = None
        self._closed = False

    def show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn

        with self._lock:
            if self._closed:
                return
            count = DownloadColumn() if self._bytes else MofNCompleteColumn()
            columns = (TextColumn("{task.description}", markup=False), BarColumn(), count)
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._what, total=self._total, completed=self._done)
            self._bar.start()

    def advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            if self._bar is not None:
                self._bar.update(self._task, completed=self._done)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._bar is not None:
                self._bar.stop()

"""A fixed clock for pycdlib, which asks the clock and the time zone by itself."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from time import struct_time
from typing import Any


class _Clock:
    """Python's ``time`` module, but in :func:`fixed_clock`, where it is always one moment, in UTC."""

    def __init__(self) -> None:
        self.fixed = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        moment: float | None = getattr(self.fixed, "moment", None)
        return time.time() if moment is None else moment

    def localtime(self, seconds: float | None = None) -> struct_time:
        if getattr(self.fixed, "moment", None) is None:
            return time.localtime(seconds)
        return _in_utc(self.time() if seconds is None else seconds)

    def gmtime(self, seconds: float | None = None) -> struct_time:
        return _in_utc(self.time() if seconds is None else seconds)


@functools.lru_cache(maxsize=64)
def _in_utc(moment: float) -> struct_time:
    """pycdlib asks four times a file, for one moment."""
    return time.gmtime(moment)


@functools.cache
def _install() -> _Clock:
    """Put one clock in the place of ``time`` in pycdlib's modules, once a process."""
    import pycdlib  # noqa: F401

    clock = _Clock()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "pycdlib" and getattr(module, "time", None) is time:
            vars(module)["time"] = clock
    return clock


_LOCK = threading.Lock()


@contextmanager
def fixed_clock(moment: int) -> Iterator[None]:
    """Within it pycdlib sees ``moment`` (seconds since 1970) and UTC, in this thread only."""
    with _LOCK:
        clock = _install()
    clock.fixed.moment = float(moment)
    try:
        yield
    finally:
        clock.fixed.moment = None

"""Running a program and measuring it."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: What would steer a build, or keep Python from keeping its compiled modules as it does for everybody.
_LEFT_OUT = ("MAKEFLAGS", "SCONSFLAGS", "SOURCE_DATE_EPOCH", "PYTHONDONTWRITEBYTECODE", "GNUPGHOME")


@dataclass(frozen=True)
class Sample:
    """One run: seconds by the clock, seconds of processor time (with all children), and the most memory that
    the program itself (without children) held, in MiB."""

    wall: float
    cpu: float
    memory: float


class Failed(Exception):
    """A program that is measured did not succeed."""


def measure(
    argv: Sequence[str | os.PathLike[str]], folder: Path, env: Mapping[str, str] | None = None
) -> Sample:
    """Run ``argv`` in ``folder``; its output goes to a file there. Raises Failed with the end of it."""
    log = folder / "measured.log"
    caller = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    with open(log, "wb") as out:
        begin = time.perf_counter()
        process = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**caller, **(env or {})}
        )
        peak = _Peak(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise Failed(f"{' '.join(map(str, argv))} in {folder} ended with {process.returncode}:\n{tail}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, peak.end())


class _Peak:
    """Asks the kernel, now and then, for the most memory that a process ever held."""

    def __init__(self, pid: int) -> None:
        self._status, self._kib, self._over = f"/proc/{pid}/status", 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            try:
                with open(self._status, encoding="ascii") as file:
                    found = next((line for line in file if line.startswith("VmHWM:")), "VmHWM: 0 kB")
            except OSError:
                return
            self._kib = max(self._kib, int(found.split()[1]))

    def end(self) -> float:
        self._over.set()
        self._thread.join()
        return self._kib / 1024


def median(values: Sequence[float]) -> float:
    """The median, or not a number where nothing was measured."""
    return statistics.median(values) if values else float("nan")

"""Processes that have many inputs read, and what became of each."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import random
import resource
import signal
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from soak.commands import harmless
from soak.inputs import Kind, try_one

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Limits:
    """What each input may take: memory of the process that reads it, in bytes, and seconds."""

    memory: int = 512 << 20
    seconds: int = 30


@dataclass
class Count:
    """What became of the inputs of a kind: ``faults`` are (number, what happened)."""

    inputs: int = 0
    taken: int = 0
    slowest: float = 0.0
    faults: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Count) -> None:
        self.inputs += other.inputs
        self.taken += other.taken
        self.slowest = max(self.slowest, other.slowest)
        self.faults += other.faults


def input_of(kind: Kind, name: str, seed: int, number: int) -> bytes:
    """The input of a number: a function of the kind's originals and the seed alone."""
    return kind.input(random.Random(f"{seed}:{name}:{number}"))


class Worker:
    """A process that reads inputs, and is started anew where one ends it."""

    def __init__(self, kinds: Mapping[str, Kind], seed: int, place: Path, limits: Limits) -> None:
        self.kinds, self.seed, self.place, self.limits = kinds, seed, place, limits
        self._number = _FORK.Value("q", 0)
        self._start()

    def _start(self) -> None:
        self._conn, theirs = _FORK.Pipe()
        # A fork of this process, which has no threads: the originals are there already.
        self._process = _FORK.Process(target=self._serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def read(self, name: str, first: int, seconds: float) -> Count:
        """Have inputs read from a number on, for so long."""
        self._number.value = first
        self._conn.send((name, first, seconds))
        try:
            count: Count = self._conn.recv()
            return count
        except EOFError:
            self._process.join()
            number, status = self._number.value, self._process.exitcode or 0
            self._start()
            what = (
                f"took more than {self.limits.seconds} s"
                if -status == signal.SIGALRM
                else f"ended with {status}"
            )
            return Count(number - first + 1, faults=[(number, f"the reader {what}")])

    def end(self) -> None:
        self._conn.send(None)
        self._process.join()

    def _serve(self, conn: Connection) -> None:
        os.setsid()
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_AS, (self.limits.memory, self.limits.memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # What libraries and programs say by themselves, past Python.
        self._said = os.memfd_create("said")
        os.dup2(self._said, 2)
        while request := conn.recv():
            conn.send(self._slice(*request))

    def _slice(self, name: str, first: int, seconds: float) -> Count:
        kind, count, late = self.kinds[name], Count(), time.monotonic() + seconds
        while not count.inputs or time.monotonic() < late:
            number = self._number.value = first + count.inputs
            content = input_of(kind, name, self.seed, number)
            begin = time.monotonic()
            # Python's own handlers wait for the end of a library's call; the default one does not.
            signal.setitimer(signal.ITIMER_REAL, self.limits.seconds)
            try:
                count.taken += try_one(kind, content, self.place)
                harmless(self._said_since(), "what a library said")
            except BaseException as fault:
                count.faults.append((number, _told(fault)))
            signal.setitimer(signal.ITIMER_REAL, 0)
            count.slowest = max(count.slowest, time.monotonic() - begin)
            count.inputs += 1
        return count

    def _said_since(self) -> str:
        """What was written to the standard error since this was asked last."""
        size = os.fstat(self._said).st_size
        text = os.pread(self._said, size, 0).decode(errors="replace") if size else ""
        if size:
            os.ftruncate(self._said, 0)
            os.lseek(self._said, 0, os.SEEK_SET)
        return text


def _told(fault: BaseException) -> str:
    """A fault, and where it happened."""
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(fault.__traceback__)
    ]
    return f"{type(fault).__name__}: {str(fault)[:300]!r} at {' '.join(frames[-5:])}"


def attempt(done: Any, number: int) -> Count:
    """One thing that is done to a build."""
    begin = time.monotonic()
    count = Count(1)
    try:
        done(number)
        count.taken = 1
    except Exception as fault:
        count.faults.append((number, _told(fault)))
    count.slowest = time.monotonic() - begin
    return count

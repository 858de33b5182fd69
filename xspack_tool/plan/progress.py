"""The line at the foot of a terminal while a build runs: how far it is, what runs, how long it may take."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import SCons.Script
from SCons.Node import Node, executing, up_to_date
from SCons.Node.Alias import Alias

from xspack_tool.errors import visible
from xspack_tool.plan.asked import reached
from xspack_tool.plan.node_record import planned_of, record_of
from xspack_tool.plan.outputs import temporaries

#: Seconds before anything is shown, and between two looks.
_PATIENCE, _TICK = 1.0, 0.25
#: Files of fewer bytes are made before anyone could read it.
_LARGE = 4 << 20
_ERASE = "\r\x1b[2K"


def on_terminal() -> bool:
    """Whether somebody watches the build; the log of a CI system is no terminal, whatever it says it is."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


@contextmanager
def progress_line(asked: Sequence[Node]) -> Iterator[None]:
    """Have a line on the terminal say how much is done of what was asked for; nothing elsewhere, and with ``-s``."""
    if not on_terminal() or any(map(SCons.Script.GetOption, ("silent", "no_exec", "question", "clean"))):
        yield
        return
    line = ProgressLine(sys.stdout, steps_of(asked))
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Above(out, line), _Above(err, line)
    try:
        with line:
            yield
    finally:
        sys.stdout, sys.stderr = out, err


def steps_of(asked: Sequence[Node]) -> list[Node]:
    """The first target of everything that is built for what was asked for."""
    built = (node for node in reached(asked) if node.has_builder() and not isinstance(node, Alias))
    return list({_first_target(node): None for node in built})


def _first_target(node: Node) -> Node:
    planned = record_of(node).step
    first: Node = planned.nodes[0] if planned else node
    return first


class ProgressLine:
    """The line: a thread looks at the states of the nodes and writes it anew."""

    def __init__(self, stream: TextIO, steps: list[Node]) -> None:
        self._stream, self._steps = stream, steps
        self._lock, self._stop = threading.RLock(), threading.Event()
        self._begun, self._is_shown = time.monotonic(), False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self.clear()

    def clear(self) -> None:
        """Take the line away; what is written next stands in its place."""
        with self._lock:
            if self._is_shown:
                self._stream.write(_ERASE)
                self._stream.flush()
                self._is_shown = False

    def above(self, stream: TextIO, text: str) -> int:
        """Write to a stream of the same terminal."""
        with self._lock:
            self.clear()
            return stream.write(text)

    def _watch(self) -> None:
        wait = _PATIENCE
        while not self._stop.wait(wait):
            wait = _TICK
            with self._lock:
                runs = [node for node in self._steps if node.get_state() == executing]
                # The programs of other builders write to the terminal as they like.
                if all(record_of(node).step is not None for node in runs):
                    self._show(runs)
                else:
                    self.clear()

    def _show(self, runs: list[Node]) -> None:
        from rich.cells import cell_len, set_cell_size

        done = sum(node.get_state() >= up_to_date for node in self._steps)
        if done == len(self._steps):
            self.clear()
            return
        text = visible(told(done, len(self._steps), runs, time.monotonic() - self._begun))
        width = shutil.get_terminal_size().columns - 1
        with suppress(OSError):  # a terminal that is gone ends no build
            self._stream.write(_ERASE + (set_cell_size(text, width) if cell_len(text) > width else text))
            self._stream.flush()
            self._is_shown = True


def told(done: int, total: int, runs: Sequence[Node], seconds: float) -> str:
    """The words of the line: ``12 of 40 steps, about 9 s left: ISO build/acme-1.0.iso, 312.0 MiB of 700.0 MiB``."""
    left = seconds / done * (total - done) if done else 0.0
    estimate = f", about {_duration(left)} left" if left >= 1 else ""
    return f"{done} of {total} steps{estimate}" + (f": {'; '.join(map(_doing, runs))}" if runs else "")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _doing(node: Node) -> str:
    planned = planned_of(node)
    words = f"{planned.step.label} {node}"
    written = _written(node.get_abspath())
    if written < _LARGE:
        return words
    from xspack_tool.evidence.text import size_words

    whole = f" of {size_words(sum(map(_size, node.sources)))}" if planned.step.copies else ""
    return f"{words}, {size_words(written)}{whole}"


def _size(node: Any) -> int:
    with suppress(OSError):
        return os.stat(node.get_abspath()).st_size
    return 0


def _written(path: str) -> int:
    """The bytes of what a step has written so far, where its writer keeps them in one file."""
    for place in temporaries(path):
        with suppress(OSError):
            if not os.path.isdir(place):
                return os.stat(place).st_size
    return 0


class _Above:
    """A stream whose text is written above the line."""

    def __init__(self, stream: TextIO, line: ProgressLine) -> None:
        self._stream, self._line = stream, line

    def write(self, text: str) -> int:
        return self._line.above(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

"""Worker processes: with several jobs, the work of most steps is Python's own, which runs on one core at a time.

They are forked once, when everything was read and before SCons has threads: each has what was read in its memory, so a
step is handed over by the path of its first target. SCons's thread waits for the answer, and what belongs to the run
(journals, times, messages, the terminal) stays with it. Where a process cannot be forked, threads do all of it.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from typing import IO, NoReturn

import SCons.Script
from msgspec import Struct
from SCons.Node import Node

from xspack_tool.plan.node_record import planned_of, step_of
from xspack_tool.run import ask_to_stop, end_marked, mark_programs

#: From so many bytes on, a step is done by libraries more than by Python: twice as many are compressed in threads.
_LARGE = 8 << 20
#: PR_SET_PDEATHSIG of prctl(2).
_SIGNAL_OF_PARENTS_DEATH = 1

#: Has the step of a node make its targets in this very process; why it could not, in words.
Make = Callable[[Node], str]


class _RaisedThere(Exception):
    """The traceback of what a worker raised."""


class _Worker(Struct, frozen=True):
    """A process, the pipes to it and from it, and the mark of the programs that it starts."""

    pid: int
    asked: IO[bytes]
    answers: IO[bytes]
    mark: int

    def forget(self) -> None:
        """Close the pipes."""
        for pipe in (self.asked, self.answers):
            with suppress(OSError):
                pipe.close()


class Workers:
    """The worker processes of this run, of which there may be none (then this is false)."""

    def __init__(self) -> None:
        #: So many outputs must be missing before processes are worth their start: a build with little to do is slowed
        #: by the copies of memory that are made for them.
        self.least = 8
        self._all: list[_Worker] = []
        #: Those that have nothing to do; None as soon as all are gone.
        self._free: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()

    def __bool__(self) -> bool:
        return bool(self._all)

    def start(self, nodes: Iterable[Node], make: Make) -> None:
        """Fork them if this build has several jobs and enough to do; ``nodes`` are all that steps make."""
        jobs = min(SCons.Script.GetOption("num_jobs"), len(os.sched_getaffinity(0)))
        if jobs < 2 or any(map(SCons.Script.GetOption, ("no_exec", "question", "clean"))):
            return
        missing = (node for node in nodes if _is_apart(node) and not os.path.lexists(node.get_abspath()))
        # A thread may hold a lock that nobody in the new process would ever release.
        if len(list(islice(missing, self.least))) < self.least or len(os.listdir("/proc/self/task")) > 1:
            return
        # A thread that got an answer goes on soon, while another walks through SCons's nodes: 3 to 5 % of a build.
        sys.setswitchinterval(0.0005)
        sys.stdout.flush()
        sys.stderr.flush()
        with suppress(OSError):  # no room for another process: threads do it
            for _ in range(jobs):
                self._all.append(_fork(nodes, make))
        for worker in self._all:
            self._free.put(worker)

    def make(self, node: Node, make: Make) -> str:
        """Have the targets of a step made, there or here; why it could not be, in words."""
        worker = self._free.get() if self._all and _is_apart(node) and not is_large(node) else None
        if worker is None:
            return make(node)
        try:
            pickle.dump(node.get_abspath(), worker.asked)
            worker.asked.flush()
            why, error, where = pickle.load(worker.answers)
        except (EOFError, OSError, pickle.UnpicklingError):
            return f"{planned_of(node).step.label}: {self._lost(worker)}"
        self._free.put(worker)
        if error is not None:
            raise error from _RaisedThere(where)
        return make(node) if why is None else str(why)

    def ask_to_stop(self) -> None:
        """Have programs that workers wait for end; a signal's handler may call it."""
        for worker in tuple(self._all):
            for number in (signal.SIGTERM, signal.SIGCONT):  # one that was stopped would not hear of it
                with suppress(OSError):
                    os.kill(worker.pid, number)

    def end(self) -> None:
        """End them all. They have nothing to do any more, but where an error ended the build."""
        were_busy = self._free.qsize() < len(self._all)
        for worker in self._all:
            os.kill(worker.pid, signal.SIGKILL)
        for worker in self._all:
            os.waitpid(worker.pid, 0)
            worker.forget()
            if were_busy:
                end_marked(worker.mark)
        self._all = []

    def _lost(self, worker: _Worker) -> str:
        """What is said of a worker that has ended."""
        self._all.remove(worker)
        _, status = os.waitpid(worker.pid, 0)
        worker.forget()
        end_marked(worker.mark)
        if not self._all:
            for _ in range(threading.active_count()):
                self._free.put(None)  # for each thread that waits for one
        how = _ended(os.waitstatus_to_exitcode(status))
        return f"the process that worked on it {how}; if memory ran out, build with -j1"


def _ended(status: int) -> str:
    return f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


def _is_apart(node: Node) -> bool:
    step = step_of(node)
    return step is not None and step.is_apart()


def is_large(node: Node) -> bool:
    """Whether a step reads so much that libraries do most of it, which let other threads run. Compressors of several
    processes would have more threads than there are cores."""
    size = 0
    for source in node.get_executor().get_all_sources():
        with suppress(OSError):
            size += os.stat(source.get_abspath()).st_size
    return size >= _LARGE


def _fork(nodes: Iterable[Node], make: Make) -> _Worker:
    asked, answers, mark = os.pipe(), os.pipe(), os.pipe()
    number, parent = os.fstat(mark[0]).st_ino, os.getpid()
    ways = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ways)
    try:
        pid = os.fork()
        if not pid:
            _work(asked[0], answers[1], mark[0], parent, lambda here, back: _answer(here, back, nodes, make))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for end in (asked[0], answers[1], *mark):
            os.close(end)
    return _Worker(pid, os.fdopen(asked[1], "wb"), os.fdopen(answers[0], "rb"), number)


def _work(
    asked: int, answers: int, mark: int, parent: int, answer: Callable[[IO[bytes], IO[bytes]], NoReturn]
) -> NoReturn:
    """What a worker does until nobody asks any more. What else is to be done when Python ends is SCons's to do."""
    import ctypes

    try:
        ctypes.CDLL(None).prctl(_SIGNAL_OF_PARENTS_DEATH, signal.SIGKILL)
        # Not ignored: programs would ignore it, too.
        for which in (signal.SIGINT, signal.SIGTERM):
            signal.signal(which, lambda number, frame: ask_to_stop())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        # Locks, and the pipes of others: who waits for their ends must not wait for this process.
        for name in os.listdir("/proc/self/fd"):
            if int(name) not in (0, 1, 2, asked, answers, mark):
                with suppress(OSError):
                    os.close(int(name))
        mark_programs(mark)
        if os.getppid() == parent:
            answer(os.fdopen(asked, "rb"), os.fdopen(answers, "wb"))
    finally:
        os._exit(1)


def _answer(asked: IO[bytes], answers: IO[bytes], nodes: Iterable[Node], make: Make) -> NoReturn:
    by_path = {node.get_abspath(): node for node in nodes}
    while True:
        try:
            node = by_path.get(pickle.load(asked))
        except EOFError:
            os._exit(0)
        answer: tuple[str | None, BaseException | None, str]
        try:
            answer = (None if node is None else make(node), None, "")
        except BaseException as raised:
            import traceback

            answer = ("", _portable(raised), traceback.format_exc())
        sys.stdout.flush()
        sys.stderr.flush()
        pickle.dump(answer, answers)
        answers.flush()


def _portable(error: BaseException) -> BaseException:
    """The same error, or one in its words where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error

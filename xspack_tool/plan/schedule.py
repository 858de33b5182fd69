"""SCons's scheduler, with a thread more for what waits for gpg's agent; without worker processes, with one thread at a
time for what is Python's."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import SCons.Node

from xspack_tool.plan.node_record import step_of
from xspack_tool.plan.scons import PARALLEL, end_with, schedule_by
from xspack_tool.plan.workers import Workers, is_large


class WaitingParallel(PARALLEL or object):  # type: ignore[misc]  # found while running
    """As many jobs at once as -j says.

    With worker processes, one more step that waits (``Step.waits``): the agent signs one file at a time, on one core,
    and two jobs that both wait for it leave the other core idle. A thread more takes 9 % from a build of 50 packages,
    3 % from one of 500.

    Without them, Python has one core anyway: a step that is nothing but Python's (``Step.is_brief``) and the search
    for the next one would take it from each other at each look at a file, which takes a tenth of the time from both.
    """

    #: The processes of this run.
    processes = Workers()

    def __init__(self, taskmaster: Any, num: int, stack_size: int) -> None:
        super().__init__(taskmaster, num + bool(self.processes), stack_size)
        self._turns, self._alone = threading.Semaphore(num), threading.Lock()
        #: Set while no step is executed alone.
        self._may_search = threading.Event()
        self._may_search.set()
        self._next_task = taskmaster.next_task
        if self.processes:
            taskmaster.next_task = self._next_in_turn
        elif num > 1:
            taskmaster.next_task = self._next_alone

    def _next_in_turn(self) -> Any:
        """The next task, which is executed in its turn."""
        task = self._next_task()
        if task and not _waits(task.node):
            task.execute = functools.partial(self._in_turn, task.execute)
        return task

    def _in_turn(self, execute: Callable[[], None]) -> None:
        with self._turns:
            execute()

    def _next_alone(self) -> Any:
        """The next task, which is not searched for while one that is brief is executed."""
        self._may_search.wait()
        task = self._next_task()
        if task:
            task.execute = functools.partial(self._execute_alone, task.node, task.execute)
        return task

    def _execute_alone(self, node: Any, execute: Callable[[], None]) -> None:
        if not _is_brief(node):
            execute()
            return
        with self._alone:
            self._may_search.clear()
            try:
                execute()
            finally:
                self._may_search.set()

    def _work(self) -> None:
        """What each thread does. SCons takes one that ended by an error for one that had nothing left to do, and the
        build for a good one."""
        try:
            super()._work()
        except BaseException:
            if self.max_workers > 1:
                end_with(2)
                with self.can_search_cv:
                    self.state = self.State.COMPLETED
                    self.can_search_cv.notify_all()
            raise


def _waits(node: Any) -> bool:
    step = step_of(node)
    return step is not None and step.waits


def _is_brief(node: Any) -> bool:
    step = step_of(node)
    return step is not None and step.is_brief() and not is_large(node)


def _forget_failed(taskmaster: Any) -> None:
    """With ``-k``, what needs something that failed has failed, too.

    SCons does not tell a node's parents where it finds out on a second visit that one of its children had failed, and
    then takes those parents for a dependency cycle ("Internal Error: no cycle found").
    """
    known: dict[Any, bool] = {}
    taskmaster.pending_children = {node for node in taskmaster.pending_children if not _fails(node, known)}


def _fails(node: Any, known: dict[Any, bool]) -> bool:
    """Whether a node failed, or waits for one that did; one that waits for itself alone has not."""
    if node not in known:
        known[node] = False
        waits = node.get_state() == SCons.Node.pending
        needs = (*node.children(), *(node.prerequisites or ())) if waits else ()
        known[node] = node.get_state() == SCons.Node.failed or any(_fails(one, known) for one in needs)
    return known[node]


def schedule_with(workers: Workers) -> None:
    """Have builds of this process scheduled so."""
    WaitingParallel.processes = workers
    schedule_by(WaitingParallel, _forget_failed)

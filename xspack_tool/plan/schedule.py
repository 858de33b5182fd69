"""SCons's scheduler, with a thread more for what waits for gpg's agent."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import SCons.Node

from xspack_tool.plan.node_record import record_of
from xspack_tool.plan.scons import PARALLEL, schedule_by
from xspack_tool.plan.workers import Workers


class WaitingParallel(PARALLEL or object):  # type: ignore[misc]  # found while running
    """As many jobs at once as -j says, and one more step that waits (``Step.waits``).

    The agent signs one file at a time, on one core. Two jobs that both wait for it leave the other core idle: with
    worker processes and ``-j2``, a thread more takes 9 % from a build of 50 packages, 3 % from one of 500.
    """

    #: The processes of this run: without them, Python has one core anyway.
    processes = Workers()

    def __init__(self, taskmaster: Any, num: int, stack_size: int) -> None:
        super().__init__(taskmaster, num + bool(self.processes), stack_size)
        self._turns = threading.Semaphore(num)
        if self.processes:
            self._next_task = taskmaster.next_task
            taskmaster.next_task = self._next_in_turn

    def _next_in_turn(self) -> Any:
        """The next task, which is executed in its turn."""
        task = self._next_task()
        if task and not _waits(task.node):
            task.execute = functools.partial(self._in_turn, task.execute)
        return task

    def _in_turn(self, execute: Callable[[], None]) -> None:
        with self._turns:
            execute()


def _waits(node: Any) -> bool:
    planned = record_of(node).step
    return planned is not None and planned.step.waits


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

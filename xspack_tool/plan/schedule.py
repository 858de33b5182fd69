"""SCons's scheduler, with an eye on steps that end while it still walks through what is up to date."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import SCons.Node

from xspack_tool.plan.node_record import record_of
from xspack_tool.plan.scons import PARALLEL, schedule_by
from xspack_tool.plan.workers import Workers


class PromptParallel(PARALLEL or object):  # type: ignore[misc]  # found while running
    """What waits for a step begins when the step has ended.

    SCons notes the end of a step when it has found the next one to execute: with one changed file of many, that
    is after its walk through all the rest, while the second thread waits. What an ended step waits so is the most that
    this can gain: with ``-j2``, 2 to 5 % of the build of 50 packages, 10 to 12 % of one of 200.
    """

    #: The processes of this run.
    processes = Workers()

    def __init__(self, taskmaster: Any, num: int, stack_size: int) -> None:
        # One more thread, which waits for gpg's agent: it signs one file at a time, and lets no core idle.
        super().__init__(taskmaster, num + bool(self.processes), stack_size)
        self._turns = threading.Semaphore(num)
        self.results_queue: list[tuple[Any, bool]]
        self._next_task = taskmaster.next_task
        taskmaster.next_task = self._retire_first

    def _retire_first(self) -> Any:
        """The next task, as SCons finds it once what has ended well is done with. It is called by the one thread
        that holds SCons's lock, between two tasks; a failure stays for SCons's own loop."""
        if self.results_queue:
            with self.results_queue_lock:
                ended = [task for task, well in self.results_queue if well]
                self.results_queue = [result for result in self.results_queue if not result[1]]
            for task in ended:
                task.executed()
                task.postprocess()
                self.jobs -= 1
        task = self._next_task()
        if task and self.processes and not _waits(task.targets[0]):
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


def schedule_promptly(workers: Workers) -> None:
    """Have builds of this process scheduled so."""
    PromptParallel.processes = workers
    schedule_by(PromptParallel, _forget_failed)

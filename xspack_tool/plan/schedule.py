"""SCons's scheduler, with an eye on steps that end while it still walks through what is up to date."""

from __future__ import annotations

from typing import Any

import SCons.Taskmaster.Job
from SCons.Taskmaster.Job import NewParallel


class PromptParallel(NewParallel):
    """What waits for a step begins when the step has ended.

    SCons notes the end of a step when it has found the next one to execute: with one changed file of many, that
    is after its walk through all the rest, while the second thread waits.
    """

    def __init__(self, taskmaster: Any, num: int, stack_size: int) -> None:
        super().__init__(taskmaster, num, stack_size)
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
        return self._next_task()


def schedule_promptly() -> None:
    """Have builds of this process scheduled so."""
    SCons.Taskmaster.Job.NewParallel = PromptParallel

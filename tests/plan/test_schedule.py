"""When SCons notes that a step has ended."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from SCons.Taskmaster.Job import NewParallel

from xspack_tool.plan.schedule import PromptParallel


class Task:
    """A step that is executed, or, without ``work``, a node that is up to date."""

    def __init__(self, work: bool = False, well: bool = True, waits: bool = False) -> None:
        self.work, self.well, self.waits = work, well, waits
        self.walked_on, self.ended = threading.Event(), threading.Event()
        self.said: list[str] = []

    def prepare(self) -> None: ...

    def needs_execute(self) -> bool:
        return self.work

    def execute(self) -> None:
        if self.waits:
            self.walked_on.wait()
        if not self.well:
            raise ValueError

    def executed(self) -> None:
        self.said.append("executed")

    def failed(self) -> None:
        self.said.append("failed")

    def exception_set(self) -> None: ...

    def postprocess(self) -> None:
        self.ended.set()


class Walk:
    """Hands out a step, and, when another thread has done its work, one node that is up to date: ``late`` is whether
    the step has not ended by then."""

    trace = None
    scheduler: NewParallel

    def __init__(self, step: Task) -> None:
        self.late = False
        self.tasks = self._tasks(step)

    def _tasks(self, step: Task) -> Iterator[Task]:
        yield step
        step.walked_on.set()
        while not (self.scheduler.results_queue or step.ended.is_set()):
            os.sched_yield()
        yield Task()
        self.late = not step.ended.is_set()

    def build(self, scheduler: type[NewParallel], jobs: int) -> None:
        self.scheduler = scheduler(self, jobs, 256)
        self.scheduler.start()

    def next_task(self) -> Task | None:
        return next(self.tasks, None)

    def cleanup(self) -> None: ...


@pytest.mark.parametrize(("scheduler", "late"), [(PromptParallel, False), (NewParallel, True)])
def test_a_step_has_ended_while_scons_still_walks(scheduler: type[NewParallel], late: bool) -> None:
    """SCons's own scheduler notes it only after its walk; should that change, ours is not needed any more."""
    step = Task(work=True, waits=True)
    walk = Walk(step)
    walk.build(scheduler, 2)
    assert (walk.late, step.said) == (late, ["executed"])


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_is_told_once(jobs: int) -> None:
    step = Task(work=True, well=False, waits=jobs > 1)
    Walk(step).build(PromptParallel, jobs)
    assert step.said == ["failed"]

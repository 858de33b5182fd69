"""When SCons notes that a step has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from SCons.Taskmaster.Job import NewParallel

from xspack_tool.plan.schedule import PromptParallel


class Task:
    """A step that is executed, or, without ``work``, a node that is up to date."""

    def __init__(self, work: bool = False, well: bool = True) -> None:
        self.work, self.well = work, well
        self.walked_on, self.ended = threading.Event(), threading.Event()
        self.said: list[str] = []

    def prepare(self) -> None: ...

    def needs_execute(self) -> bool:
        return self.work

    def execute(self) -> None:
        self.walked_on.wait(1)
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
    """Hands out a step, and then what is up to date until that step has ended; gives up after a while."""

    trace = None

    def __init__(self, step: Task) -> None:
        self.late = False
        self.tasks = self._tasks(step)

    def _tasks(self, step: Task) -> Iterator[Task]:
        yield step
        until = time.monotonic() + 0.5
        while not step.ended.is_set() and not self.late:
            yield Task()
            step.walked_on.set()
            self.late = time.monotonic() > until

    def next_task(self) -> Task | None:
        return next(self.tasks, None)

    def cleanup(self) -> None: ...


@pytest.mark.parametrize(("scheduler", "late"), [(PromptParallel, False), (NewParallel, True)])
def test_a_step_has_ended_while_scons_still_walks(scheduler: type[NewParallel], late: bool) -> None:
    """SCons's own scheduler notes it only after its walk; should that change, ours is not needed any more."""
    step = Task(work=True)
    walk = Walk(step)
    scheduler(walk, 2, 256).start()
    assert (walk.late, step.said) == (late, ["executed"])


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_is_told_once(jobs: int) -> None:
    step = Task(work=True, well=False)
    PromptParallel(Walk(step), jobs, 256).start()
    assert step.said == ["failed"]

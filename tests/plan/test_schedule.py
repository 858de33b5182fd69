"""How many steps run at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from SCons.Taskmaster.Job import NewParallel
from trees import Tree

from xspack_tool.plan import schedule
from xspack_tool.plan.schedule import WaitingParallel


class Task:
    """A step that runs until as many run as are wanted."""

    def __init__(self, walk: Walk, waits: bool, well: bool = True) -> None:
        self.walk, self.waits, self.well = walk, waits, well
        self.targets, self.node = [self], self
        self.said: list[str] = []

    def prepare(self) -> None: ...

    def needs_execute(self) -> bool:
        return True

    def execute(self) -> None:
        if not self.well:
            raise ValueError
        with self.walk.lock:
            self.walk.running.append(self)
            self.walk.most.append([task.waits for task in self.walk.running])
            if len(self.walk.running) == self.walk.wanted:
                self.walk.all_run.set()
        self.walk.all_run.wait(60)
        with self.walk.lock:
            self.walk.running.remove(self)

    def executed(self) -> None:
        self.said.append("executed")

    def failed(self) -> None:
        self.said.append("failed")

    def exception_set(self) -> None: ...

    def postprocess(self) -> None: ...


class Walk:
    """Hands out tasks, and notes which run at once."""

    trace = None

    def __init__(self, wanted: int = 1) -> None:
        self.wanted = wanted
        self.tasks: list[Task] = []
        self.running: list[Task] = []
        self.most: list[list[bool]] = []
        self.lock, self.all_run = threading.Lock(), threading.Event()

    def next_task(self) -> Task | None:
        return self.tasks.pop(0) if self.tasks else None

    def cleanup(self) -> None: ...


@pytest.fixture
def parallel(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[NewParallel]]:
    monkeypatch.setattr(WaitingParallel, "processes", [1])
    monkeypatch.setattr(schedule, "_waits", lambda task: task.waits)
    yield WaitingParallel


def test_one_that_waits_runs_beside_as_many_jobs_as_are_wanted(parallel: type[NewParallel]) -> None:
    walk = Walk(3)
    walk.tasks = [Task(walk, waits) for waits in (False, True, False, False, True)]
    parallel(walk, 2, 256).start()
    assert max(map(len, walk.most)) == 3
    assert max(running.count(False) for running in walk.most) == 2


def test_without_processes_all_are_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WaitingParallel, "processes", [])
    monkeypatch.setattr(schedule, "_is_brief", lambda task: False)
    walk = Walk(2)
    walk.tasks = [Task(walk, waits) for waits in (False, True, True, False)]
    WaitingParallel(walk, 2, 256).start()
    assert max(map(len, walk.most)) == 2


def test_without_processes_steps_that_are_brief_have_the_core_for_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(WaitingParallel, "processes", [])
    monkeypatch.setattr(schedule, "_is_brief", lambda task: not task.waits)
    walk = Walk()
    searched: list[int] = []
    during: list[int] = []
    search = walk.next_task

    def noted() -> Task | None:
        searched.append(1)
        return search()

    class Brief(Task):
        def execute(self) -> None:
            before = len(searched)
            walk.all_run.wait(0.2)
            during.append(len(searched) - before)
            super().execute()

    class UpToDate(Task):
        def needs_execute(self) -> bool:
            return False

    monkeypatch.setattr(walk, "next_task", noted)
    walk.tasks = [Brief(walk, False), *(UpToDate(walk, False) for _ in range(500)), Brief(walk, False)]
    walk.tasks += [Task(walk, False) for _ in range(20)]
    WaitingParallel(walk, 4, 256).start()
    assert max(map(len, walk.most)) == 1
    assert during[0] <= 1  # the search that had begun


#: The search itself fails.
FAILING = """\
import SCons.Taskmaster
def search(self):
    raise ZeroDivisionError("by no chance")
SCons.Taskmaster.Taskmaster._find_next_ready_node = search
env.Command("copy", "a", Copy("$TARGET", "$SOURCE"))
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_the_search_fails_the_build(tmp_path: Path, jobs: int) -> None:
    """SCons alone takes a thread that ended so for one that has nothing left to do, and the build for a good one."""
    tree = Tree(tmp_path / "tree").write({"a": "a\n"}).declare(FAILING)
    ran = tree.scons(f"-j{jobs}", "copy")
    assert ran.status == 2 and "by no chance" in ran.said


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_is_told_once(parallel: type[NewParallel], jobs: int) -> None:
    walk = Walk()
    task = Task(walk, False, well=False)
    walk.tasks = [task]
    parallel(walk, jobs, 256).start()
    assert task.said == ["failed"]

"""Builds that are killed, at random moments and beside each file that gets its name, also several in a row: the next
one gives what a clean build gives, in every file. The suite takes sixty; ``pytest -m long
tests/rebuild/test_random_kills.py`` takes five hundred others."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time

import pytest
from cli.test_signals import session
from rebuild.test_interrupted import World, said, start, whole_time, world
from support import LATE

__all__ = ["whole_time", "world"]

SIGNALS = (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
#: So many files get their names in a build from one state to the other.
NAMED = 50


def left_alone(leader: int) -> None:
    """Workers and programs end with the build, by themselves where that was killed at once."""
    late = time.monotonic() + LATE
    while (left := session(leader)) and time.monotonic() < late:
        time.sleep(0.01)
    assert left == []


def kill_and_recover(world: World, whole_time: float, seed: int) -> None:
    rng = random.Random(seed)
    lab = world.tree(f"random{seed}")
    told = []
    for word in ("new", *(rng.choice(("old", "new")) for _ in range(rng.choice((0, 0, 0, 1, 2))))):
        world.declare(lab, word)
        jobs, which = rng.choice((1, 2, 2)), rng.choice(SIGNALS)
        if rng.random() < 0.5:
            when = f"{rng.randint(1, NAMED)} {which:d} {rng.choice(('before', 'after'))}"
            scons = start(lab, f"-j{jobs}", kill=when)
        else:
            scons, when = start(lab, f"-j{jobs}"), rng.choice(("group", "alone"))
            time.sleep(rng.uniform(0.0, 1.0) * whole_time)
            (os.killpg if when == "group" else os.kill)(scons.pid, which)
        scons.wait(LATE)
        left_alone(scons.pid)
        told.append(f"{word} -j{jobs} {which.name} {when}:\n{said(lab)}")
        assert "Traceback" not in told[-1], told[-1]
    try:
        world.ends_clean(lab, rng.choice(("old", "new")), rng.choice((1, 2)))
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *told])) from error
    shutil.rmtree(lab.path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_killed_at_random(world: World, whole_time: float, seed: int) -> None:
    kill_and_recover(world, whole_time, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1500))
def test_killed_at_random_at_length(world: World, whole_time: float, seed: int) -> None:
    kill_and_recover(world, whole_time, seed)

"""Builds that are killed, and outputs that are damaged: the next build gives what a clean one gives."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rebuild.lab import Lab, lab_keys, steps
from rebuild.test_damage import DAMAGES, damage
from rebuild.test_interrupted import World, said, start
from rebuild.test_random_kills import kill_and_recover
from soak.mutate import mutated


@contextmanager
def builds(folder: Path) -> Iterator[dict[str, Callable[[int], None]]]:
    """What is done to builds, each a function of a seed; it raises AssertionError for a fault."""
    with lab_keys() as key:
        world = World(folder, key)
        lab = world.tree("timed")
        world.declare(lab, "new")
        scons, begin = start(lab, "-j2"), time.monotonic()
        assert scons.wait(60) == 0, said(lab)
        whole = time.monotonic() - begin
        yield {
            "killed builds": lambda seed: kill_and_recover(world, whole, seed),
            "damaged outputs": lambda seed: _damage(world, seed),
        }


def _damage(world: World, seed: int) -> None:
    """One to four outputs are changed behind the build's back."""
    rng = random.Random(seed)
    lab = world.tree(f"damaged{seed}")
    world.declare(lab, "old")
    clean = world.clean["old"]
    done = {name: _harm(lab, name, rng) for name in rng.sample(sorted(clean), rng.randint(1, 4))}
    ran = lab.scons(f"-j{rng.choice((1, 2))}")
    assert ran.status == 0, f"{done}: {ran.said}"
    assert lab.outputs() == clean, f"{done}: {ran.said}"
    assert steps(lab.scons()) == set(), done
    shutil.rmtree(lab.path)


def _harm(lab: Lab, name: str, rng: random.Random) -> str:
    path, old_time = lab.path / "build" / name, rng.random() < 0.5
    kind = rng.choice((*DAMAGES, "mutated"))
    if kind != "mutated":
        damage(path, kind, old_time=old_time)
        return kind
    found, content = path.stat(), path.read_bytes()
    path.write_bytes(mutated(content, rng, [content or b"\0"]))
    if old_time:
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    return kind

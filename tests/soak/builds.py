"""Builds that are killed, and outputs that are damaged: the next build gives what a clean one gives. And changed packs,
for which `xspack try` does real transactions."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace
from pack_maker import PACK, Key, PackMaker, package
from rebuild.lab import Lab, lab_keys, steps
from rebuild.test_damage import DAMAGES, damage
from rebuild.test_interrupted import World, said, start
from rebuild.test_random_kills import kill_and_recover
from soak.commands import harmless
from soak.mutate import mutated
from support import ROOT

from xspack_tool.model.dependency import Dependency
from xspack_tool.pack.iso_read import IsoReader


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
        # What takes dnf and root is left out where they are not.
        tries = os.getuid() == 0 and shutil.which("dnf")
        yield {
            "killed builds": lambda seed: kill_and_recover(world, whole, seed),
            "damaged outputs": lambda seed: _damage(world, seed),
            **(
                {"transactions": _transactions(folder, Key(key.home, key.home.parent / "KEY"))}
                if tries
                else {}
            ),
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


def _transactions(folder: Path, key: Key) -> Callable[[int], None]:
    """`xspack try` of a pack, one file of which was changed, and all that it leaves behind."""
    (folder / "packs").mkdir()
    maker = PackMaker(folder / "packs", key)
    text = "#!/bin/sh\necho precheck\n"
    wanted = (Dependency("product-version", ">=", "8.2.0"),)
    packages = [package(), package("acme-tools", {"/etc/acme.conf": "a = b\n"})]
    good = maker(replace(PACK, requires=wanted), packages, precheck=text, remove=text)
    with IsoReader(good) as iso:
        names = sorted(entry.path for entry in iso.entries if entry.kind == "file")

    def attempt(seed: int) -> None:
        rng, there = random.Random(seed), _there()
        name = rng.choice(names)

        def change(tree: Path) -> None:
            content = (tree / name).read_bytes()
            (tree / name).write_bytes(mutated(content, rng, [content]))

        changed, work = maker.changed(good, change), folder / f"try{seed}"
        work.mkdir()
        argv = [
            sys.executable,
            "-m",
            "xspack_tool.cli",
            "try",
            changed,
            "--remove",
            *rng.choice(((), ("--json",))),
        ]
        env = {**os.environ, "TMPDIR": str(work), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(argv, env=env, cwd=work, capture_output=True, text=True, timeout=300)
        told = f"{name}: {done.returncode}: {done.stdout}{done.stderr}"
        harmless(done.stdout + done.stderr, name)
        assert done.returncode in (0, 1), told
        assert done.stderr.count("\n") <= 1, told
        assert (_there(), list(work.iterdir())) == (there, []), told
        work.rmdir()
        shutil.rmtree(changed.parent)

    return attempt


def _there() -> list[str]:
    """What is mounted, without what other tests mount meanwhile."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return sorted(words[4] for line in lines if "xspack-try" in (words := line.split())[4])


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

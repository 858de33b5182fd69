"""A build that is killed, or let down by a program: the next one gives what a clean build gives, and
no half-written output was ever there under its own name."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from rebuild.lab import Declaration, Lab, kernel, steps
from support import LATE, need, wait_for
from trees import SCONS

BYTES = random.Random(1).randbytes(200_000)
FILES: dict[str, str | bytes] = {
    **{f"src/{name}": BYTES + name.encode() for name in ("a", "b", "c")},
    "src/driver/Kbuild": "obj-m := a.o\n",
    "src/driver/a.c": "int a;\n",
    **{f"kernel/{name}": text for name, text in kernel().items()},
}


def declarations(word: str, version: str) -> Iterator[Declaration]:
    """Three packages and a driver in a pack; ``word`` stands in each of them."""
    for name in ("a", "b", "c"):
        given = {"version": f"'{version}'", "arch": "'noarch'", "files": f"{{'/opt/{name}': '{name}'}}"}
        # A scriptlet of which bash is asked what it thinks.
        scripts = f"{{'post': 'case $1 in 1) echo {name} {word} ;; esac\\n'}}"
        yield "Userspace", name, {**given, "summary": f"'{word}'", "scripts": scripts}
    yield (
        "KernelModule",
        "k",
        {
            "version": "'1'",
            "source": "env.Dir('driver')",
            "ddk": "'#kernel'",
            "make_variables": f"{{'FLAG': '{word}'}}",
        },
    )
    pack = {
        "version": "'1'",
        "uuid": "'9a1f0f0e-0000-4000-8000-000000000000'",
        "description": f"'{word}'",
        "packages": "[made['a'], made['b'], made['c']]",
        "key": "'KEY'",
    }
    yield "Pack", "one", pack


class World:
    """A built tree, and what clean builds of two states of its declarations give."""

    def __init__(self, folder: Path, lab_key: Any) -> None:
        self.folder, self.env = folder, {"XSPACK_GNUPGHOME": str(lab_key.home)}
        self.files = {**FILES, "src/KEY": lab_key.public}
        self.clean: dict[str, dict[str, str]] = {}
        for word, version in STATES.items():
            lab = Lab(folder / f"clean-{word}", self.files)
            self.declare(lab, word, version)
            lab.scons("-j2").good()
            self.clean[word] = lab.outputs()

    def declare(self, lab: Lab, word: str, version: str = "") -> None:
        lab.declare_all(declarations(word, version or STATES[word]), self.env)

    def tree(self, name: str) -> Lab:
        """A copy of the tree in its first state, built."""
        shutil.copytree(self.folder / "clean-old", self.folder / name, symlinks=True)
        return Lab(self.folder / name, {})

    def look(self, lab: Lab, seen: dict[str, tuple[int, int]]) -> None:
        """Every output that is there is a whole one of either state; ``seen`` are those known already."""
        for name in self.clean["old"].keys() | self.clean["new"].keys():
            try:
                with open(lab.path / "build" / name, "rb") as file:
                    found = os.fstat(file.fileno())
                    if seen.get(name) != (found.st_ino, found.st_mtime_ns):
                        digest = hashlib.sha256(file.read()).hexdigest()
                        assert digest in {clean.get(name) for clean in self.clean.values()}, name
                        seen[name] = (found.st_ino, found.st_mtime_ns)
            except FileNotFoundError:
                continue

    def ends_clean(self, lab: Lab, word: str, jobs: int = 2) -> None:
        """The next build succeeds, equals a clean one, and leaves nothing besides."""
        self.declare(lab, word)
        lab.scons(f"-j{jobs}").good()
        assert lab.outputs() == self.clean[word]
        notes = [path.name for path in (lab.path / "build/.xspack").iterdir()]
        assert [name for name in notes if not name.endswith(".json") or name.startswith(".")] == []
        assert steps(lab.scons().good()) == set()


#: One package's version rises as well, so that names change.
STATES = {"old": "1", "new": "2"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, lab_key: Any) -> World:
    need("rpmbuild", "rpmsign", "make", "gcc", "strip")
    return World(tmp_path_factory.mktemp("world"), lab_key)


def start(lab: Lab, *args: str, path: str = "", kill: str = "") -> subprocess.Popen[bytes]:
    """A real SCons in a process group of its own, which takes signals even where this test ignores them. It has begun
    to read: what Python says of a signal while it loads SCons is not ours."""
    argv = ["env", "--default-signal=INT,TERM", *SCONS, *args]
    begun = lab.path.parent / f".{lab.path.name}.begun"
    begun.unlink(missing_ok=True)
    more = {
        "LAB_BEGUN": str(begun),
        **({"PATH": path} if path else {}),
        **({"LAB_KILL": kill} if kill else {}),
    }
    said = (lab.path.parent / f".{lab.path.name}.said").open("wb")
    started = subprocess.Popen(
        argv, cwd=lab.path, env={**os.environ, **more}, stdout=said, stderr=said, start_new_session=True
    )
    while not begun.exists() and started.poll() is None:
        time.sleep(0.002)
    return started


def said(lab: Lab) -> str:
    return (lab.path.parent / f".{lab.path.name}.said").read_text(errors="replace")


#: (signal, whether the programs that SCons started get it too, as from a terminal, jobs, the state built next,
#: the moment as a part of a whole build's time). Going back to the old state finds new outputs in the old's place.
MOMENTS = [
    (signal.SIGKILL, False, 2, "old", 0.30),
    (signal.SIGKILL, False, 1, "new", 0.40),
    (signal.SIGKILL, False, 2, "new", 0.55),
    (signal.SIGKILL, False, 1, "old", 0.65),
    (signal.SIGKILL, True, 2, "old", 0.75),
    (signal.SIGKILL, False, 2, "old", 0.85),
    (signal.SIGINT, True, 1, "new", 0.35),
    (signal.SIGINT, True, 2, "old", 0.60),
    (signal.SIGINT, False, 2, "new", 0.80),
    (signal.SIGTERM, False, 1, "old", 0.50),
    (signal.SIGTERM, True, 2, "new", 0.45),
    (signal.SIGTERM, False, 2, "old", 0.70),
]


@pytest.fixture(scope="module")
def whole_time(world: World) -> float:
    """How long a build from the old state to the new takes, in seconds, once it has begun to read."""
    lab = world.tree("timed")
    world.declare(lab, "new")
    scons, begin = start(lab, "-j2"), time.monotonic()
    assert scons.wait(LATE) == 0, said(lab)
    return time.monotonic() - begin


@pytest.mark.parametrize("number", range(len(MOMENTS)))
def test_killed_at_any_moment(world: World, whole_time: float, number: int) -> None:
    which, group, jobs, then, part = MOMENTS[number]
    lab = world.tree(f"killed{number}")
    world.declare(lab, "new")
    seen: dict[str, tuple[int, int]] = {}
    scons, begin = start(lab, f"-j{jobs}"), time.monotonic()
    while time.monotonic() - begin < part * whole_time:
        world.look(lab, seen)
        time.sleep(0.01)
    (os.killpg if group else os.kill)(scons.pid, which)
    status = scons.wait(LATE)
    world.look(lab, seen)
    assert "Traceback" not in said(lab)
    assert status in ((0, -which) if which == signal.SIGKILL else (0, 2, -which)), said(lab)
    world.ends_clean(lab, then, jobs)


def wrapper(lab: Lab, program: str, script: str) -> str:
    """A PATH on which ``program`` is a script; REAL in it is the real one. It says its version as that does."""
    folder = lab.path.parent / f"{lab.path.name}-bin"
    folder.mkdir(exist_ok=True)
    real = shutil.which(program)
    text = f'#!/bin/sh\n[ "$*" = --version ] && exec {real} --version\n{script.replace("REAL", str(real))}\n'
    (folder / program).write_text(text)
    (folder / program).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize("program", ["rpmbuild"])
def test_a_program_outlives_a_killed_build(
    world: World, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes on while the next build makes files of the same names, with other content."""
    monkeypatch.setenv("XSPACK_WRITER", "rpmbuild")
    lab = world.tree(f"outlived-{program}")
    world.declare(lab, "new")
    marks = lab.path.parent / f"{program}-marks"
    marks.mkdir()
    go = lab.path.parent / f"{program}-go"
    waits = f"touch {marks}/$$; until [ -e {go} ]; do sleep 0.05; done"
    slow = wrapper(lab, program, f'{waits}; REAL "$@"; status=$?; rm {marks}/$$; exit $status')
    scons = start(lab, "-j2", path=slow)
    wait_for(lambda: len(list(marks.iterdir())) == 2 or scons.poll() is not None)
    scons.kill()
    scons.wait(LATE)
    assert len(list(marks.iterdir())) == 2
    (lab.path / "src/a").write_bytes(b"another")
    # By then the next build has most likely come to where it waits; one that is later finds nothing to wait for.
    Timer(2, go.touch).start()
    lab.scons("-j2").good()
    (lab.path / "src/a").write_bytes(world.files["src/a"])  # type: ignore[arg-type]
    assert list(marks.iterdir()) == [], "the build did not wait"
    monkeypatch.delenv("XSPACK_WRITER")
    world.ends_clean(lab, "new")


@pytest.mark.parametrize("all_of_it", [True, False], ids=["as from a terminal", "alone"])
def test_what_a_program_that_was_ended_said_is_no_answer(world: World, all_of_it: bool) -> None:
    """bash is asked for its opinion of a scriptlet, and a signal ends it: that is no finding."""
    lab = world.tree(f"ended{all_of_it}")
    world.declare(lab, "new")
    end = ("kill -INT $PPID; " if all_of_it else "") + "kill -INT $$; exec sleep 60"
    script = f'case "$*" in *-n*) {end} ;; esac; exec REAL "$@"'
    status = start(lab, "-j2", path=wrapper(lab, "bash", script)).wait(LATE)
    assert (status, "Traceback" in said(lab)) == (2, False), said(lab)
    assert all_of_it or "bash was ended by SIGINT" in said(lab)
    world.look(lab, {})
    world.ends_clean(lab, "new")


def test_interrupted_when_all_is_done(world: World) -> None:
    """Last of all, the agent of a throwaway keyring is ended."""
    lab = world.tree("done")
    world.declare(lab, "new")
    script = 'case "$*" in *--kill*) kill -INT $PPID; sleep 0.3 ;; esac; exec REAL "$@"'
    status = start(lab, "-j2", path=wrapper(lab, "gpgconf", script)).wait(LATE)
    assert (status, "Traceback" in said(lab)) == (0, False), said(lab)
    world.ends_clean(lab, "new")


FAILURES = {
    "rpmbuild fails half-way": ("rpmbuild", 'for last; do :; done; mkdir -p RPMS; REAL "$@"; exit 9'),
    "rpmbuild is killed": ("rpmbuild", "kill -9 $$"),
    "rpmbuild makes nothing": ("rpmbuild", "exit 0"),
    "kbuild fails": ("make", "exit 2"),
    "kbuild is killed": ("make", '(sleep 0.2; kill -9 $$) & REAL "$@"; exec sleep 60'),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_program_fails(world: World, name: str) -> None:
    """What is there stays as it was; with a program that works, the build goes on from there."""
    program, script = FAILURES[name]
    lab = world.tree(f"failed-{list(FAILURES).index(name)}")
    world.declare(lab, "new")
    writer = "rpmbuild" if program == "rpmbuild" else "xspack"
    ran = lab.scons("-j2", "-k", env={"PATH": wrapper(lab, program, script), "XSPACK_WRITER": writer})
    assert ran.status == 2, ran.said
    assert "Traceback" not in ran.said
    world.look(lab, {})
    world.ends_clean(lab, "old" if "killed" in name else "new")

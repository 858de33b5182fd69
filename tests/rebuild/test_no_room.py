"""A disk that is full or read-only, and a machine without the usual folders: one line that says what to do, and nothing
is written by half."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sentences
from rebuild.lab import Declaration, Lab, kernel
from rebuild.test_interrupted import World, world
from support import lacks, need, need_root
from trees import SCONS, Tree

__all__ = ["world"]

Disk = Callable[..., Any]
DATABASE = ".sconsign.dblite"


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """A function that gives a tmpfs of so many MiB for as long as a with-block lasts."""
    need_root()

    @contextmanager
    def mounted(size: int) -> Iterator[Path]:
        place = tmp_path / "disk"
        place.mkdir(exist_ok=True)
        argv = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(place)]
        if subprocess.run(argv, capture_output=True).returncode:
            lacks("mounting a tmpfs is needed: run the tests where root may mount")
        try:
            yield place
        finally:
            subprocess.run(["umount", place], check=True)

    return mounted


def scons(lab: Lab, *args: str, **env: str | None) -> tuple[int, list[str]]:
    """A real SCons: its status, and what it said of what went wrong; None takes a variable away."""
    given = {name: value for name, value in {**os.environ, **env}.items() if value is not None}
    done = subprocess.run([*SCONS, *args], cwd=lab.path, env=given, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    # make has its own stars, on lines that are indented.
    # A program that met it says so below, in its own words.
    said = re.sub(r"ended with status 1\n +.*: (No space left on device)\n", r"\1; make room there\n", said)
    return done.returncode, [
        line for line in said.splitlines() if re.match(r"scons: \*\*\*|(?!\s).*Could not", line)
    ]


def unfinished(lab: Lab) -> list[str]:
    """What is on its way to another name, below the tree."""
    return sorted(
        name
        for name in lab.files()
        if name.endswith((".new", ".tmp")) or (".work/" in name and "modules/.work/" not in name)
    )


#: How many KiB are free: SCons's database takes a few, each of the RPMs 200.
FREE = [0, 1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100, 200]
#: How much of what the finished tree takes is free: it cannot be enough, however large it is.
PARTS = [0.15, 0.2, 0.3, 0.35, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9]


def taken(*files: Path) -> int:
    """The bytes that files take on a tmpfs."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(-(-file.lstat().st_size // page) * page for file in files)


def fill(place: Path, free: int) -> Path:
    """A file that leaves so many bytes of a disk."""
    filler = place / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(place).free - free))
    return filler


@pytest.mark.slow
@pytest.mark.parametrize("free", [*FREE, *PARTS])
def test_a_full_disk(world: World, disk: Disk, free: float) -> None:
    """The whole tree is on it, SCons's database too. The build goes on when there is room."""
    clean = world.folder / "clean-new"
    whole = taken(clean / DATABASE, *(clean / "build" / name for name in world.clean["new"]))
    with disk(8) as place:
        lab = Lab(place / "tree", world.files)
        world.declare(lab, "new")
        filler = fill(place, free << 10 if isinstance(free, int) else int(free * whole))
        status, wrong = scons(lab, "-j2")
        assert status == 2
        assert wrong
        assert all(line.endswith(sentences.NO_ROOM) for line in wrong), wrong
        assert unfinished(lab) == []
        world.look(lab, {})
        filler.unlink()
        world.ends_clean(lab, "new")


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.75])
def test_only_the_database_has_no_room(world: World, disk: Disk, part: float) -> None:
    """Where the outputs lie on another disk, all of them are made, and compared in the next build. The room is
    a part of what a whole database takes."""
    free = int(part * taken(world.folder / "clean-new" / DATABASE))
    with disk(8) as place:
        lab = Lab(place / "tree", world.files)
        world.declare(lab, "new")
        outside = place.parent / "outside"
        outside.mkdir()
        (lab.path / "build").symlink_to(outside)
        filler = fill(place, free)
        status, wrong = scons(lab, "-j2")
        why = f"what was built cannot be noted: {sentences.NO_ROOM}"
        assert (status, wrong) == (2, [f"scons: *** {DATABASE}: {why}"])
        assert unfinished(lab) == []
        filler.unlink()
        world.ends_clean(lab, "new")


READ_ONLY = "Read-only file system; its file system is read-only: make it writable, or use another folder"


def test_a_tree_that_is_read_only(world: World, disk: Disk) -> None:
    with disk(64) as place:
        lab = Lab(place / "tree", world.files)
        world.declare(lab, "new")
        remount(place, "ro")
        assert scons(lab) == (2, [f"scons: *** [SConstruct] .sconsign.dblite: {READ_ONLY}"])
        assert scons(lab, "-n") == (0, [])
        assert lab.files("build") == set()


def test_a_compiler_on_a_full_disk(disk: Disk) -> None:
    """What it says of it is among many lines; what to do stands in the first."""
    need("make", "gcc", "strip", "dd")
    with disk(4) as place:
        tree = Tree(place / "tree").write({"driver/Kbuild": "obj-m := a.o\n", "driver/a.c": ""})
        tree.write({f"kernel/{name}": text for name, text in kernel().items()})
        tree.write({"kernel/Makefile": "modules:\n\tdd if=/dev/zero of=$(M)/big bs=1M count=9\n"})
        tree.declare("env.KernelModule('k', version='1', source=env.Dir('driver'), ddk='kernel')\n")
        ran = tree.real_scons("build/rpms")
        head = f"compiling modules: make ended with status 2: {sentences.NO_ROOM}\n"
        assert ran.status == 2 and head in ran.said, ran.said


@pytest.mark.parametrize("word", ["old", "new"])
def test_a_built_tree_that_is_read_only(world: World, disk: Disk, word: str) -> None:
    """It is told, and all stays as it was."""
    with disk(64) as place:
        shutil.copytree(world.folder / "clean-old", place / "tree", symlinks=True)
        lab = Lab(place / "tree", {})
        world.ends_clean(lab, "old")
        world.declare(lab, word)
        remount(place, "ro")
        status, wrong = scons(lab, "-j2")
        assert all(READ_ONLY in line for line in wrong), wrong
        assert wrong
        assert status == 2
        remount(place, "rw")
        assert lab.outputs() == world.clean["old"]
        world.ends_clean(lab, "new")


def remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", place], check=True)


def test_nothing_may_be_executed_there(world: World, disk: Disk) -> None:
    with disk(64) as place:
        lab = Lab(place / "tree", world.files)
        remount(place, "noexec")
        world.declare(lab, "new")
        assert scons(lab, "-j2") == (0, [])
        assert lab.outputs() == world.clean["new"]


@pytest.mark.parametrize("home", [None, "/nonexistent", "/dev/null"])
def test_no_home(world: World, home: str | None) -> None:
    lab = world.tree(f"home{home and len(home)}")
    world.declare(lab, "new")
    assert scons(lab, "-j2", HOME=home) == (0, [])
    assert lab.outputs() == world.clean["new"]


@pytest.mark.parametrize("folder", ["/nonexistent", "/dev/null"])
def test_a_temporary_folder_that_is_none(world: World, folder: str) -> None:
    lab = world.tree(f"temporary{folder.replace('/', '-')}")
    world.declare(lab, "new")
    assert scons(lab, "-j2", TMPDIR=folder) == (0, [])
    assert lab.outputs() == world.clean["new"]


def test_no_temporary_folder_at_all() -> None:
    """Neither /tmp nor /var/tmp may be written: what needs a folder with a plain path says so, the rest is built."""
    need_root()
    base = Path(tempfile.mkdtemp(prefix="xs-", dir="/dev/shm"))
    try:
        lab = Lab(base / "tree", {"src/f": "f\n", "src/x.spec": SPEC})
        plain: Declaration = ("Userspace", "a", {"version": "'1'", "files": "{'/opt/a': 'f'}"})
        # Not hidden: this checkout may lie there.
        sealed = " && ".join(
            f"mount --bind {place} {place} && mount -o remount,bind,ro {place}"
            for place in ("/tmp", "/var/tmp")
        )
        argv = ["unshare", "-m", "sh", "-c", f"{sealed} || exit 77; exec {shlex.join(SCONS)}"]
        for declared, status in (([plain], 0), ([("SpecRpm", "x.spec", {})], 2)):
            lab.declare_all(declared)
            done = subprocess.run(argv, cwd=lab.path, capture_output=True, text=True)
            if done.returncode == 77:
                lacks("mounting is needed: run the tests where root may mount")
            said = done.stdout + done.stderr
            assert (done.returncode, "Traceback" in said) == (status, False), said
        assert "neither of /var/tmp and /tmp can be written to; allow it for one of them" in said
    finally:
        shutil.rmtree(base)


SPEC = "Name: x\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n%description\nd\n%files\n"

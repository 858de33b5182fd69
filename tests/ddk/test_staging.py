"""The staged copy: what is kept, what is thrown away, what becomes newer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xspack_tool.ddk.staging import driver_sources, staged_copy
from xspack_tool.errors import Interrupted, StepError

Listing = Callable[[Path], dict[str, Path]]


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        folder.joinpath(name.replace("__", ".")).write_text(text)
    return folder


def staged_names(work: Path) -> set[str]:
    root = work / "staged"
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def build(work: Path, sources: dict[str, Path], key: str = "k", objects: tuple[str, ...] = ()) -> set[str]:
    """One build that makes the given objects; returns what it found."""
    with staged_copy(work, key, sources) as staged:
        found = staged_names(work)
        for name in objects:
            (staged.root / name).write_text("object")
    return found


def test_driver_sources() -> None:
    kept = {"Makefile", "a.c", "sub/b.c", "blob.o", "firmware/x.bin", "fw.o_shipped", ".clang-format"}
    left = {"a.o", ".a.o.cmd", "acme.o", ".acme.o.cmd", "acme.ko", "acme.mod", "acme.mod.c", "acme.mod.o"}
    left |= {"Module.symvers", "modules.order", ".modules.order.cmd", ".tmp_versions/acme.mod", ".git/config"}
    assert driver_sources(kept | left) == sorted(kept)


def test_a_changed_file_becomes_newer_than_every_object(tmp_path: Path, listing: Listing) -> None:
    source, work = write(tmp_path / "s", a__c="1", b__c="1"), tmp_path / "w"
    build(work, listing(source), objects=("a.o", "b.o"))
    future = work / "staged" / "b.o"
    os.utime(future, (2**31, 2**31))  # the clock was ahead when it was made
    source.joinpath("a.c").write_text("2")
    os.utime(source / "a.c", (1, 1))  # and the user's file is an old one
    before = (work / "staged/b.c").stat().st_mtime_ns
    build(work, listing(source))
    assert (work / "staged/a.c").read_text() == "2"
    assert (work / "staged/a.c").stat().st_mtime_ns > future.stat().st_mtime_ns
    assert (work / "staged/b.c").stat().st_mtime_ns == before


def test_a_change_of_the_same_size_and_time_is_seen(tmp_path: Path, listing: Listing) -> None:
    source, work = write(tmp_path / "s", a__c="1"), tmp_path / "w"
    os.utime(source / "a.c", (5, 5))
    build(work, listing(source))
    source.joinpath("a.c").write_text("2")
    os.utime(source / "a.c", (5, 5))
    build(work, listing(source))
    assert (work / "staged/a.c").read_text() == "2"


def test_modes_follow(tmp_path: Path, listing: Listing) -> None:
    source, work = write(tmp_path / "s", gen__sh="#!/bin/sh"), tmp_path / "w"
    build(work, listing(source))
    assert (work / "staged/gen.sh").stat().st_mode & 0o777 == 0o644
    source.joinpath("gen.sh").chmod(0o700)
    build(work, listing(source))
    assert (work / "staged/gen.sh").stat().st_mode & 0o777 == 0o755


def test_a_removed_c_file_takes_its_object_with_it(tmp_path: Path, listing: Listing) -> None:
    source, work = write(tmp_path / "s", a__c="", b__c=""), tmp_path / "w"
    build(work, listing(source), objects=("a.o", ".a.o.cmd", "b.o"))
    source.joinpath("a.c").unlink()
    assert build(work, listing(source)) == {"b.c", "b.o"}


def test_an_added_c_file_keeps_the_objects(tmp_path: Path, listing: Listing) -> None:
    source, work = write(tmp_path / "s", a__c=""), tmp_path / "w"
    build(work, listing(source), objects=("a.o",))
    assert build(work, listing(write(source, c__c=""))) == {"a.c", "a.o", "c.c"}


@pytest.mark.parametrize("name", ["b__h", "Kbuild", "a__S"])
def test_a_file_that_make_cannot_place_starts_afresh(tmp_path: Path, listing: Listing, name: str) -> None:
    source, work = write(tmp_path / "s", a__c=""), tmp_path / "w"
    build(work, listing(source), objects=("a.o",))
    assert build(work, listing(write(source, **{name: ""}))) == {"a.c", name.replace("__", ".")}


def test_another_key_starts_afresh(tmp_path: Path, listing: Listing) -> None:
    source, work = write(tmp_path / "s", a__c=""), tmp_path / "w"
    build(work, listing(source), objects=("a.o",))
    assert build(work, listing(source)) == {"a.c", "a.o"}
    assert build(work, listing(source), key="another kernel") == {"a.c"}


def test_a_mistake_in_the_driver_keeps_the_objects(tmp_path: Path, listing: Listing) -> None:
    source, work = write(tmp_path / "s", a__c=""), tmp_path / "w"
    with pytest.raises(StepError, match=r"^syntax$"), staged_copy(work, "k", listing(source)) as staged:
        (staged.root / "a.o").write_text("")
        raise StepError("syntax")
    assert build(work, listing(source)) == {"a.c", "a.o"}


@pytest.mark.parametrize("failure", [Interrupted("killed"), KeyboardInterrupt(), OSError(28, "disk full")])
def test_what_was_cut_short_is_not_trusted(tmp_path: Path, listing: Listing, failure: BaseException) -> None:
    source, work = write(tmp_path / "s", a__c=""), tmp_path / "w"
    with pytest.raises(type(failure)), staged_copy(work, "k", listing(source)) as staged:
        (staged.root / "a.o").write_text("half")
        raise failure
    assert build(work, listing(source)) == {"a.c"}


_DIES = """
import os, sys
from pathlib import Path
from xspack_tool.ddk.staging import staged_copy
with staged_copy(Path(sys.argv[1]), "k", {"a.c": Path(sys.argv[2])}) as staged:
    (staged.root / "a.o").write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_a_killed_build_leaves_no_lock_and_is_not_trusted(tmp_path: Path, listing: Listing) -> None:
    source, work = write(tmp_path / "s", a__c=""), tmp_path / "w"
    root = Path(__file__).parents[2]
    died = subprocess.run([sys.executable, "-c", _DIES, work, source / "a.c"], cwd=root, check=False)
    assert died.returncode == -9
    assert (work / "staged/a.o").read_text() == "half"
    assert build(work, listing(source)) == {"a.c"}
    assert sorted(path.name for path in work.iterdir()) == ["staged", "state.json"]

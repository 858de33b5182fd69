"""SCons's CacheDir: what is a function of its sources comes back in a fresh clone, what is signed is never in it, and
a damaged entry is noticed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rebuild.lab import Lab, kernel, steps
from support import need
from trees import Ran

FILES: Mapping[str, str | bytes] = {
    "src/f": "f\n",
    "src/driver/Kbuild": "obj-m := a.o\n",
    "src/driver/a.c": "int a;\n",
    **{f"kernel/{name}": text for name, text in kernel().items()},
}
DECLARED = [
    ("Userspace", "p", {"version": "'1'", "arch": "'noarch'", "files": "{'/opt/p/f': 'f'}"}),
    ("KernelModule", "k", {"version": "'1'", "source": "env.Dir('driver')", "ddk": "'#kernel'"}),
    (
        "Pack",
        "one",
        {
            "version": "'1'",
            "uuid": "'9a1f0f0e-0000-4000-8000-000000000000'",
            "description": "'a'",
            "packages": "[made['p']]",
            "key": "'KEY'",
        },
    ),
]
#: What may come out of the cache.
CACHED = {
    "rpms/p-1-1.noarch.rpm",
    "rpms/k-1-1.x86_64.rpm",
    "rpms/update-one-1-1.noarch.rpm",
    "modules/k-6.1.0-acme.tar",
    "modules/k-6.1.0-acme.symvers",
    "index/KEY/p-1-1.noarch.rpm.json",
    "index/KEY/update-one-1-1.noarch.rpm.json",
    "findings/xenserver-8/KEY/p-1-1.noarch.rpm.json",
    "findings/xenserver-8/KEY/update-one-1-1.noarch.rpm.json",
    "packs/one/index.jsonl",
    "packs/one/records.jsonl",
    "packs/one/installed-size",
    "packs/one/time",
    "packs/one/update.xml",
    *(f"packs/one/repodata/{name}" for name in ("repomd.xml", "comps.xml", "comps.xml.gz")),
    *(f"packs/one/repodata/{name}.xml.gz" for name in ("primary", "filelists", "other")),
}
#: What never does.
MADE = {
    "Sign signed/KEY/p-1-1.noarch.rpm",
    "Sign signed/KEY/update-one-1-1.noarch.rpm",
    "Sign packs/one/update.xml.asc",
    "Sign packs/one/repodata/repomd.xml.asc",
    "Judge one-findings.json",
    "ISO one-1.iso",
}


class Clones:
    """Fresh clones of one tree, which share a cache."""

    def __init__(self, folder: Path, lab_key: Any) -> None:
        self.folder, self.key, self.count = folder, lab_key, 0
        self.cache = folder / "cache"

    def clone(self) -> Lab:
        self.count += 1
        lab = Lab(self.folder / f"clone{self.count}", {**FILES, "src/KEY": self.key.public})
        lab.cache = str(self.cache)
        lab.declare_all(DECLARED, {"XSPACK_GNUPGHOME": str(self.key.home)})
        return lab

    def entries(self) -> list[Path]:
        """The entries of the cache, without their checksums."""
        return [path for path in self.cache.glob("??/*") if not path.name.endswith(".sha256")]


@pytest.fixture
def clones(tmp_path: Path, lab_key: Any) -> Clones:
    need("rpmbuild", "rpmsign", "make", "gcc", "strip")
    return Clones(tmp_path, lab_key)


TARGETS = ("build/rpms", "build/modules", "build/one-1.iso", "build/one-findings.json")


def retrieved(ran: Ran) -> set[str]:
    lines = (
        line.split("`")[1].split("'")[0] for line in ran.said.splitlines() if line.startswith("Retrieved `")
    )
    return {line.removeprefix("build/") for line in lines}


def without_programs(tmp_path: Path) -> dict[str, str]:
    """An environment in which the programs that write RPMs and compile modules end badly, and say their version."""
    for program in ("rpmbuild", "make"):
        place = tmp_path / "none" / program
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/sh\n[ $1 = --version ] && exec {shutil.which(program)} $1\nexit 9\n")
        place.chmod(0o755)
    return {"PATH": f"{tmp_path / 'none'}:/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fresh_clone_takes_what_is_unsigned(clones: Clones, tmp_path: Path, jobs: int) -> None:
    """Without rpmbuild and kbuild; signatures, ISOs and the findings of packs are made anew."""
    first = clones.clone()
    first.scons(f"-j{jobs}", *TARGETS).good()
    assert len(clones.entries()) == len(CACHED)
    second = clones.clone()
    ran = second.scons(f"-j{jobs}", *TARGETS, env=without_programs(tmp_path)).good()
    assert retrieved(ran) == CACHED
    assert steps(ran) == MADE
    assert second.outputs() == first.outputs()
    assert steps(second.scons(*TARGETS).good()) == set()


def test_nothing_signed_is_in_the_cache(clones: Clones) -> None:
    """Neither by name nor by content."""
    lab = clones.clone()
    lab.scons(*TARGETS).good()
    content = {path.read_bytes() for path in clones.entries()}
    for name, wanted in lab.outputs().items():
        assert ((lab.path / "build" / name).read_bytes() in content) == (name in CACHED), (name, wanted)
    secret = b"".join(path.read_bytes() for path in clones.key.home.rglob("*.key"))
    assert secret and not any(secret[:64] in one for one in content)


def test_older_versions_go_though_the_new_one_is_retrieved(clones: Clones) -> None:
    newer = [("Userspace", "p", {**DECLARED[0][2], "version": "'2'"}), *DECLARED[1:]]
    first = clones.clone()
    first.declare_all(newer, {"XSPACK_GNUPGHOME": str(clones.key.home)})
    first.scons("build/rpms").good()
    second = clones.clone()
    second.scons("build/rpms").good()
    second.declare_all(newer, {"XSPACK_GNUPGHOME": str(clones.key.home)})
    assert "rpms/p-2-1.noarch.rpm" in retrieved(second.scons("build/rpms").good())
    assert not (second.path / "build/rpms/p-1-1.noarch.rpm").exists()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "changed": lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]),
    "without a checksum": lambda path: path.with_name(f"{path.name}.sha256").unlink(),
    "with another's checksum": lambda path: path.with_name(f"{path.name}.sha256").write_text("0" * 64 + "\n"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_entry_is_told_and_built_instead(clones: Clones, kind: str) -> None:
    first = clones.clone()
    first.scons("-j2", *TARGETS).good()
    count = len(clones.entries())
    for path in clones.entries():
        DAMAGE[kind](path)
    second = clones.clone()
    # A refused entry of several files counts for all of them: those that are whole are given back first.
    ran = second.scons("-j2", *TARGETS).good()
    told = {
        line.split(": ")[1].removeprefix("build/")
        for line in ran.said.splitlines()
        if line.startswith("xspack: ")
    }
    assert told <= CACHED and "rpms/p-1-1.noarch.rpm" in told and "modules/k-6.1.0-acme.tar" in told
    line = f"xspack: build/rpms/p-1-1.noarch.rpm: its entry in the cache {clones.cache} is damaged; it is built instead"
    assert line in ran.said.splitlines()
    assert {"RPM rpms/p-1-1.noarch.rpm", "Modules modules/k-6.1.0-acme.tar"} <= steps(ran)
    assert second.outputs() == first.outputs()
    # The bad entries are gone, good ones are in their place.
    assert len(clones.entries()) == count
    third = clones.clone()
    assert retrieved(third.scons("-j2", *TARGETS).good()) >= told
    assert third.outputs() == first.outputs()


def test_looking_leaves_a_damaged_entry(clones: Clones) -> None:
    """With -n and --cache-readonly nothing is removed."""
    clones.clone().scons("build/rpms").good()
    for path in clones.entries():
        path.write_bytes(b"")
    before = sorted(clones.entries())
    assert "is damaged; it is built instead" in clones.clone().scons("-n", "build/rpms").good().said
    assert (
        "is damaged; it is built instead"
        in clones.clone().scons("--cache-readonly", "build/rpms").good().said
    )
    assert sorted(clones.entries()) == before

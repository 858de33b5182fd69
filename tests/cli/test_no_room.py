"""Commands on a disk that is full or read-only, without a folder for temporary files, and without an output: one line
that says what to do, and nothing is written by half."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import sentences
from pack_maker import UUID, PackMaker, package
from rebuild.test_no_room import Disk, disk, remount
from support import ROOT, need, need_root

__all__ = ["disk"]

SCONSTRUCT = """\
env = Environment(tools=["xspack"])
a = env.Userspace("a", version="1.0", files={"/opt/a": "f"}, changelog=["2026-11-20 A <a@b.example> 1.0-1\\n- x"])
env.Pack("acme", version="1.0", uuid="9a1f0f0e-1111-4222-8333-444455556666", packages=[a], key="f")
"""
#: What each command is told, in a folder with a pack, an RPM, a key and a SConstruct.
COMMANDS: Mapping[str, str] = {
    "verify": "verify new.iso --key RPM-GPG-KEY-Acme",
    "info": "info new.iso --key RPM-GPG-KEY-Acme",
    "unpack": "unpack new.iso out",
    "resign": "resign new.iso --key RPM-GPG-KEY-Acme --gnupghome HOME -o out.iso",
    "report": "report new.iso --key RPM-GPG-KEY-Acme --against old.iso -o out.html",
    "try": "try new.iso --remove",
    "build-update": f"build-update agent.rpm --uuid {UUID} -l acme -v 1 -d acme -k Acme --keyfile RPM-GPG-KEY-Acme "
    "--gnupghome HOME -o out.iso",
    "new": "new driver --kind driver --vendor Acme --ci github",
    "bump": "bump -m more",
    "cache-key": "cache-key out.key",
    "stubs": "stubs out",
}
#: Those that write a few lines.
SMALL = ("new", "bump", "cache-key", "stubs")
#: How many KiB are free: none, a page, a few; what an RPM takes, a pack, and a bit more.
FREE = (0, 4, 8, 16, 32, 64, 100, 150, 200, 300, 400, 800)


class Place:
    """A folder on a small disk, with all that the commands are told of."""

    def __init__(self, folder: Path, maker: PackMaker) -> None:
        self.folder, self.maker = folder, maker
        (folder / "tmp").mkdir()
        (folder / "driver").mkdir()
        (folder / "driver/Kbuild").write_text("obj-m := acme.o\n")
        (folder / "SConstruct").write_text(SCONSTRUCT)
        shutil.copy(maker(), folder / "new.iso")
        shutil.copy(maker(), folder / "old.iso")
        shutil.copy(maker.rpm(package()), folder / "agent.rpm")
        shutil.copy(maker.key.file, folder)

    def run(self, words: str, **more: object) -> tuple[int, str]:
        """Its status, and what it said of what went wrong."""
        argv = [word.replace("HOME", str(self.maker.key.home)) for word in words.split()]
        env = {**os.environ, "TMPDIR": str(self.folder / "tmp"), "PYTHONPATH": str(ROOT)}
        env.pop("PYTHONUNBUFFERED", None)
        given = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "env": env, **more}
        done = subprocess.run(
            [sys.executable, "-m", "xspack_tool.cli", *argv], cwd=self.folder, text=True, **given
        )
        return done.returncode, done.stderr or ""

    def files(self) -> dict[str, bytes]:
        """All that is there, also what should not be."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b""
            for path in self.folder.rglob("*")
        }


@pytest.fixture(autouse=True)
def _tools() -> None:
    need_root()
    need("gpg", "rpmsign", "rpmkeys", "dnf", "busybox")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk(make_pack: PackMaker, disk: Disk, name: str) -> None:
    """Its outputs and its temporary files are on it. Either all is done, or nothing."""
    done = set()
    for free in FREE[:6] if name in SMALL else FREE:
        with disk(4) as folder:
            place = Place(folder, make_pack)
            filler = folder / "filler"
            filler.write_bytes(bytes(max(0, shutil.disk_usage(folder).free - (free << 10))))
            before = place.files()
            status, said = place.run(COMMANDS[name])
            done.add(status)
            if status:
                assert (status, said.count("\n")) == (1, 1), (free, said)
                assert said.endswith(f"{sentences.NO_ROOM}\n"), (free, said)
                assert place.files().keys() == before.keys(), (free, said)
                assert place.files() == before, free
            else:
                assert (status, said) == (0, ""), free
                assert not list(folder.glob("tmp/*")), free
    assert done == {0, 1}


def test_a_folder_that_is_read_only(make_pack: PackMaker, disk: Disk) -> None:
    """Temporary files go elsewhere then: what only reads does its work."""
    with disk(4) as folder:
        place = Place(folder, make_pack)
        before = place.files()
        remount(folder, "ro")
        for name, words in COMMANDS.items():
            status, said = place.run(words)
            if name in ("verify", "info", "try"):
                assert (status, said) == (0, ""), name
            else:
                assert (status, said.count("\n")) == (1, 1), said
                assert said.endswith(
                    "Read-only file system; its file system is read-only: make it writable, or use another folder\n"
                ), said
        assert place.files() == before


@pytest.mark.parametrize("words", ["rules", "--help", "--version", "completion bash", "sbom new.iso"])
def test_an_output_that_is_full(make_pack: PackMaker, tmp_path: Path, words: str) -> None:
    place = Place(tmp_path, make_pack)
    with open("/dev/full", "wb") as full:
        status, said = place.run(words, stdout=full)
    assert (status, said) == (1, f"xspack: standard output: {sentences.NO_ROOM}\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_an_output_that_is_closed(make_pack: PackMaker, tmp_path: Path, closed: str) -> None:
    """No file of a command's takes its place."""
    place = Place(tmp_path, make_pack)
    for words, expected in (("sbom new.iso", 0), ("info no.iso", 1), ("unpack new.iso out", 0)):
        argv = f"exec {sys.executable} -m xspack_tool.cli {words} {closed}"
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(["sh", "-c", argv], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (expected, False), done.stderr
    assert (tmp_path / "out/update.xml").is_file()
    assert place.files()["new.iso"] == place.files()["old.iso"]

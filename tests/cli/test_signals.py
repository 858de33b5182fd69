"""A signal to a command, or to a build, while a program of its works: no process, agent, mount or folder is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pack_maker import UUID, Key, PackMaker
from rebuild.lab import kernel
from support import ROOT, need, need_root, wait_for
from trees import SCONS, Tree

from xspack_tool.pack.iso_read import IsoReader

#: What a stand-in of a program does: a child of it works on.
STANDS = (
    '#!/bin/sh\n[ "$*" = --version ] && exec REAL "$@"\n[ "$1" = rm ] && exit\n: > MARK\nsleep 6120 & wait\n'
)


class Interrupted:
    """A command that is sent a signal when a program of its was started."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder, self.mark = folder / "tmp", folder / "mark"
        tools = folder / "tools"
        for place in (tools, self.folder):
            place.mkdir()
        text = STANDS.replace("MARK", str(self.mark)).replace("REAL", shutil.which(program) or program)
        (tools / program).write_text(text)
        (tools / program).chmod(0o755)
        self.env = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "TMPDIR": str(self.folder),
            "PYTHONPATH": str(ROOT),
        }

    def run(self, argv: list[str], number: int, cwd: Path) -> tuple[int, str]:
        """Its status, and what it said."""
        said = self.folder.parent / "said"
        with said.open("wb") as out:
            words = ["env", "--default-signal=INT,TERM", sys.executable, *argv]
            started = subprocess.Popen(
                words, env=self.env, cwd=cwd, stdout=out, stderr=out, start_new_session=True
            )
        while started.poll() is None and not self.mark.exists():
            time.sleep(0.01)
        started.send_signal(number)
        status = started.wait()
        text = said.read_text()
        assert self.mark.exists(), text
        assert "Traceback" not in text, text
        wait_for(lambda: session(started.pid) == [])  # what was killed need not be gone yet
        return status, text


def session(leader: int) -> list[str]:
    """The processes of a session that have not ended."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, sid = (place / "stat").read_text(errors="replace").rpartition(")")[2].split()[:4]
            if int(sid) == leader and state != "Z":
                found.append((place / "cmdline").read_text(errors="replace").replace("\0", " "))
        except (OSError, ValueError):
            continue
    return found


def resign(iso: Path, key: Key) -> list[str | Path]:
    return ["resign", iso, "--key", key.file, "--gnupghome", key.home, "-o", "out.iso"]


def build_update(iso: Path, key: Key) -> list[str | Path]:
    """Of the pack's RPM, which lies beside it."""
    rpm = iso.with_name("acme-agent-5.2-1.noarch.rpm")
    with IsoReader(iso) as opened:
        rpm.write_bytes(opened.read(f"Packages/{rpm.name}"))
    words: list[str | Path] = ["build-update", rpm, "--uuid", UUID, "-l", "acme", "-v", "1", "-d", "acme"]
    return [*words, "-k", "Acme", "--keyfile", key.file, "--gnupghome", key.home, "-o", "out.iso"]


SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}
COMMANDS: dict[str, tuple[str, Callable[[Path, Key], list[str | Path]]]] = {
    "verify, gpg": ("gpg", lambda iso, key: ["verify", iso, "--key", key.file]),
    "resign, rpmsign": ("rpmsign", resign),
    "resign, gpg": ("gpg", resign),
    "build-update, rpmsign": ("rpmsign", build_update),
    "build-update, gpg": ("gpg", build_update),
    "report, gpg": ("gpg", lambda iso, key: ["report", iso, "--key", key.file, "-o", "out.html"]),
    "info, gpg": ("gpg", lambda iso, key: ["info", iso, "--key", key.file]),
    "try, dnf": ("dnf", lambda iso, key: ["try", iso]),
}


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command(make_pack: PackMaker, tmp_path: Path, name: str, number: int) -> None:
    program, words = COMMANDS[name]
    need(program, "gpg", "rpmsign", "rpmkeys")
    if program == "dnf":
        need("busybox")
        need_root()
    place = tmp_path / "here"
    place.mkdir()
    argv = ["-m", "xspack_tool.cli", *map(str, words(make_pack(), make_pack.key))]
    status, said = Interrupted(tmp_path, program).run(argv, number, place)
    assert status == SIGNALS[signal.Signals(number)]
    assert said == f"xspack: {'interrupted' if number == signal.SIGINT else 'terminated'}\n"
    assert list((tmp_path / "tmp").iterdir()) == []
    assert list(place.iterdir()) == []


SPEC = "Name: x\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n%description\nd\n%files\n"


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("program", ["rpmbuild", "make", "ssh", "bwrap", "podman"])
def test_a_build(tmp_path: Path, program: str, number: int) -> None:
    """SCons alone gets the signal: it does not wait until the program has ended by itself."""
    need(program, "rpmbuild")
    tree = Tree(tmp_path / "tree").write(
        {"x.spec": SPEC, "driver/Kbuild": "obj-m := a.o\n", "driver/a.c": ""}
    )
    tree.write({f"kernel/{name}": text for name, text in kernel().items()})
    tree.write({"root/bin/sh": "", "root/kernel/Makefile": ""})
    kits = {
        "make": "'kernel'",
        "ssh": "env.Ddk('/kernel', host='user@kit.example')",
        "bwrap": "env.Ddk('/kernel', root='root')",
        "podman": f"env.Ddk('/kernel', image='kit.example/kit@sha256:{'0' * 64}')",
    }
    tree.declare(
        "env.SpecRpm('x.spec')\n"
        if program == "rpmbuild"
        else f"env.KernelModule('k', version='1', source=env.Dir('driver'), ddk={kits[program]})\n"
    )
    status, said = Interrupted(tmp_path, program).run([*SCONS[1:]], number, tree.path)
    assert status == 2, said
    assert [name for name in tree.files("build") if not name.startswith((".xspack/", "modules/.work/"))] == []
    assert list((tmp_path / "tmp").iterdir()) == []

"""The installed programs answer SIGINT in a line while they load, as soon as a line of ours has run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

#: Sends itself the signal when the module of a number is about to be loaded.
CODE = """\
import atexit, os, sys
from xspack_tool import programs

class Counting:
    seen = 0

    def find_spec(self, name, *more):
        Counting.seen += 1
        if Counting.seen == int(NUMBER):
            os.kill(os.getpid(), int(SIGNAL))

PROGRAM, NUMBER, SIGNAL, *sys.argv = sys.argv[1:]
atexit.register(lambda: print(Counting.seen, file=sys.stderr))
sys.meta_path.insert(0, Counting())
getattr(programs, PROGRAM)()
"""
SAID = {
    "scons": (2, "scons: Build interrupted.\n", ["scons", "-Q", "-f", os.devnull, "-n"]),
    "xspack": (130, "xspack: interrupted\n", ["xspack", "--help"]),
    "build_update": (130, "build-update: interrupted\n", ["build-update", "--help"]),
}


def run(program: str, number: int, folder: Path) -> subprocess.CompletedProcess[str]:
    argv = [
        "env",
        "--default-signal=INT",
        sys.executable,
        "-c",
        CODE,
        program,
        str(number),
        str(int(signal.SIGINT)),
    ]
    return subprocess.run(
        [*argv, *SAID[program][2]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("program", SAID)
def test_a_signal_while_it_loads(tmp_path: Path, program: str) -> None:
    whole = run(program, 0, tmp_path)
    loaded = int(whole.stderr.split()[-1])
    assert loaded > 50, whole.stderr
    status, said, _ = SAID[program]
    for number in (1, 2, 10, loaded // 3, loaded // 2):
        done = run(program, number, tmp_path)
        told = "".join(
            line for line in (done.stdout + done.stderr).splitlines(True) if not line.strip().isdigit()
        )
        assert (done.returncode, told) == (status, said), (number, told)


def test_they_are_those_that_are_installed() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r'"xspack_tool\.programs:(\w+)"', text) == ["xspack", "build_update", "scons"]

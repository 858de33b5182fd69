"""A signal while SCons reads, or when it has built: one line, and nothing of where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT
from trees import HEAD, Tree

WORD = "scons: Build interrupted.\n"
#: Ends itself when the module of a number is about to be loaded; what it says first is how many there were.
WHILE_LOADING = """
import os, sys

class Counting:
    seen = 0

    def find_spec(self, name, *more):
        if name.startswith("xspack_tool."):
            Counting.seen += 1
            if Counting.seen == NUMBER:
                os.kill(os.getpid(), SIGNAL)

sys.meta_path.insert(0, Counting())
"""
DECLARED = 'env.Userspace("a", version="1", files={"/opt/a": "SConstruct"})\n'
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def scons(folder: Path, text: str) -> tuple[int, str]:
    Tree(folder).write({"SConstruct": text})
    argv = ["env", "--default-signal=INT,TERM", sys.executable, "-m", "SCons", "-Q", "-s"]
    argv.append(f"--site-dir={ROOT / 'site_scons'}")
    done = subprocess.run(
        argv, cwd=folder, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def loading(number: int, which: int) -> str:
    return WHILE_LOADING.replace("NUMBER", str(number)).replace("SIGNAL", f"{which:d}") + HEAD + DECLARED


@pytest.mark.parametrize("number", [6, 7, 8, 12, 20, 40, 50])
def test_while_it_loads_what_reads(tmp_path: Path, number: int) -> None:
    """From the first module behind the one that looks out for signals."""
    for which in SIGNALS:
        status, said = scons(tmp_path / which.name, loading(number, which))
        # Where a decorator was running code of its own, Python ends by the signal once it is told.
        assert (status in (2, -which), said) == (True, WORD)


def test_there_are_so_many_modules(tmp_path: Path) -> None:
    status, said = scons(tmp_path / "tree", loading(0, 0) + 'print("loaded", Counting.seen)\n')
    assert (status, said.split()[0]) == (0, "loaded"), said
    assert int(said.split()[1]) > 50


#: What Python makes of a KeyboardInterrupt that is raised there: another error, words of its own, or both.
PLACES = {
    "a class being made": "class Name:\n    __set_name__ = end\nclass Owner: one = Name()\n",
    "an object that goes": "class Object:\n    __del__ = end\nObject()\n",
    "a library's own error": "try: end()\nexcept BaseException: raise ValueError('no such thing')\n",
    "a mistake": "try: end()\nexcept BaseException: env.Exit(env.File('x').children(5, 6, 7))\n",
    "Python ends": "import atexit\natexit.register(end)\n",
    "SCons ends": "import SCons.Debug\nSCons.Debug.dump_caller_counts = end\n",
}


@pytest.mark.parametrize("where", PLACES)
def test_where_it_comes_upon(tmp_path: Path, where: str) -> None:
    for which in SIGNALS:
        end = f"import os\ndef end(*args): os.kill(os.getpid(), {which:d})\n"
        _, said = scons(tmp_path / which.name, HEAD + end + PLACES[where] + DECLARED)
        assert said in ("", WORD) if where == "Python ends" else said == WORD


def test_other_errors_are_shown_as_ever(tmp_path: Path) -> None:
    status, said = scons(tmp_path / "tree", HEAD + "raise ValueError('mine')\n")
    assert (status, "ValueError: mine" in said, 'File "' in said) == (2, True, True)
    status, said = scons(
        tmp_path / "tree",
        HEAD + "class Object:\n    __del__ = 5\nObject()\nimport atexit\natexit.register(int, 'x')\n",
    )
    assert said.count("TypeError: 'int' object is not callable") == 1
    assert "ValueError: invalid literal" in said

"""The linters are tests: what they say is a failure."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import ROOT, need_module


@pytest.mark.parametrize(
    "words",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy", "-p", "xspack_tool")],
    ids=["ruff-check", "ruff-format", "mypy"],
)
def test_nothing_to_say(words: tuple[str, ...]) -> None:
    need_module(words[0])
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

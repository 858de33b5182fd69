"""Which versions the suite is run with."""

from __future__ import annotations

import re
import subprocess
import sys

import versions
from support import ROOT

PROJECT = versions.tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_lowest_are_the_floors() -> None:
    lowest, highest = (versions.wanted(PROJECT, which) for which in versions.WHICH)
    floors = dict(re.findall(r"^([\w-]+)[><=]=([\d.]+)", "\n".join(PROJECT["dependencies"]), re.MULTILINE))
    asked = dict(re.findall(r"^([\w-]+)==([\d.]+)", "\n".join(lowest), re.MULTILINE))
    assert {name: asked[name] for name in floors} == floors
    assert "pytest" not in asked and any(one.startswith("pytest>=") for one in lowest)
    assert set(PROJECT["dependencies"]) < set(highest)
    # What both the product and its tests need has one version.
    assert sum(one.startswith("obstore") for one in lowest) == 1


def test_markers_stay() -> None:
    lowest = versions.wanted(PROJECT, "lowest")
    assert [one for one in lowest if one.startswith("tomli")] == ["tomli==2.0; python_version < '3.11'"]


def test_without_a_word_it_says_what_it_takes() -> None:
    done = subprocess.run([sys.executable, ROOT / "tests/versions.py"], capture_output=True, text=True)
    assert done.returncode == 2 and "versions.py lowest" in done.stderr

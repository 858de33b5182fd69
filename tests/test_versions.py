"""Which versions the suite is run with."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import versions
from support import ROOT, need_module

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


def test_pythons_of_pyenv_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shim for a Python that is not the chosen one ends with 127."""
    need_module("uv")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    real, shim = (tmp_path / folder / f"python{version}" for folder in (f"versions/{version}.1/bin", "shims"))
    for file in (real, shim):
        file.parent.mkdir(parents=True)
    real.symlink_to(Path(sys.executable).resolve())
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(shim.parent))
    find = [*versions.UV[:-1], "python", "find", "--system", "--no-project", "--no-python-downloads", version]
    seen = subprocess.run(find, env=versions.with_pyenv(version), cwd="/", capture_output=True, text=True)
    assert (seen.stdout, seen.stderr) == (f"{real}\n", "")

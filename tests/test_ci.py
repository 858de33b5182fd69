""".ci/run: its commands, on a clean checkout, and either's failure is its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import ROOT, need

LOWEST = "python tests/versions.py lowest tests/plan tests/kinds tests/signing tests/pack tests/rpm"
BYTES = [
    f"python tests/versions.py {version} tests/rpm tests/binary tests/plan/test_golden_keys.py "
    "tests/plan/test_driver_disk.py"
    for version in ("3.10", "3.11", "3.12", "3.13")
]
COMMANDS = ["scons pack", "pytest", LOWEST, *BYTES]
BOOTSTRAP = """#!/bin/sh
echo "$CI $(ls | tr '\\n' ' ')$*"
[ "$*" != "$FAILS" ]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the real .ci/run, a stand-in for bootstrap, and a file that is not committed."""
    need("git")
    work = tmp_path / "work"
    (work / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", work / ".ci/run")
    (work / "bootstrap").write_text(BOOTSTRAP)
    (work / "bootstrap").chmod(0o755)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", "-C", work, *words], check=True)
    (work / "left-over").touch()
    return work


@pytest.mark.parametrize("fails", ["", *COMMANDS])
def test_all_commands_run_on_a_clean_checkout(repository: Path, tmp_path: Path, fails: str) -> None:
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [repository / ".ci/run"],
        env={**os.environ, "CI": "", "FAILS": fails, "TMPDIR": str(tmp_path / "tmp")},
        cwd="/",
        capture_output=True,
        text=True,
    )
    ran = [f"true bootstrap {words}" for words in COMMANDS]
    assert done.stdout.splitlines() == ran
    assert done.stderr == (f".ci/run: failed: ./bootstrap {fails}\n" if fails else "")
    assert done.returncode == bool(fails)
    assert list((tmp_path / "tmp").iterdir()) == []

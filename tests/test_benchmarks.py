"""The benchmarks run. What they say of speed at these sizes means nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support import ROOT, need


def test_quick(tmp_path: Path) -> None:
    need("rpmbuild", "rpmsign", "gpg", "make", "createrepo_c", "genisoimage")
    out = tmp_path / "RESULTS.md"
    cases = ("start", "many", "iso")
    words = ["-m", "benchmarks", "--quick", "--out", str(out), *(f"--case={case}" for case in cases)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = out.read_text(encoding="utf-8").splitlines()
    rows = [
        line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ") and " s (" in line
    ]
    assert rows == [
        "start-up, no pack",
        "full build, 2 packages, -j2",
        "nothing changed, 2 packages",
        "one changed file, 2 packages",
        "one changed version, 2 packages",
        "full build, 3 packages, -j2",
        "nothing changed, 3 packages",
        "one changed file, 3 packages",
        "one changed version, 3 packages",
        "mastering an ISO of 4 MiB",
    ]

"""The benchmarks run. What they say of speed at these sizes means nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from support import ROOT, need, need_module

from benchmarks.cases import Goal, Row, bound_by_liblzma
from benchmarks.measure import Sample
from benchmarks.report import results
from benchmarks.simulation import Fleet, kits_for, play, table


def test_quick(tmp_path: Path) -> None:
    need("rpmbuild", "rpmsign", "gpg", "make", "createrepo_c", "genisoimage", "nginx")
    need_module("obstore", "grpc", "buildgrid", "buildstream")
    need(shutil.which("weed") or str(Path(sys.executable).parent / "weed"))
    out = tmp_path / "RESULTS.md"
    cases = ("start", "many", "payload", "iso", "rules", "shared")
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
        "payload of 4 x 1 MiB, -j2",
        "the same, nothing changed",
        "mastering an ISO of 4 MiB",
        "all rules over a small RPM, with its payload",
        *(
            f"the examples' RPMs in a second clone, shared cache by {server}, -j2"
            for server in ("HTTP", "S3", "REAPI")
        ),
    ]


def test_what_is_missed_is_told_with_its_profile() -> None:
    missed = Row("a case", {}, [Goal("times as fast at least 2", "1.50", False, "xz alone takes 7 s.")])
    missed.profile.extend(
        [("reading", 0.1), ("building", 1.25), ("- rpms", 0.25), ("- index", 0.5), ("- time", 0.001)]
    )
    reached = Row("another", {}, [Goal("times as fast at least 2", "2.50", True)])
    told = results([missed, reached], "python", 1).partition("## Missed\n\n")[2].splitlines()
    assert told[:2] == [
        (
            "- a case: times as fast at least 2: 1.50. One run: reading 0.10 s, building 1.25 s; the longest steps: "
            "index 0.50 s, rpms 0.25 s. xz alone takes 7 s."
        ),
        "",
    ]


def test_liblzma_alone_bounds_what_a_writer_can_reach() -> None:
    seconds = {"xspack": 60.0, "usual pipeline": 66.0, "liblzma alone": 55.0}
    row = Row("", {name: [Sample(wall, 2 * wall, 1)] for name, wall in seconds.items()})
    told = bound_by_liblzma(row)
    assert "takes 110 s of processor time, of 120 s of xspack and 132 s of the usual pipeline" in told
    assert told.endswith("at most 1.20 times as fast.")


def test_the_simulation_knows_what_one_build_costs() -> None:
    """Alone, a build waits for nobody: its time can be told."""
    alone = Fleet(
        developers=1, builds=1, drivers=2, releases=3, hits=0.0, compile=10.0, rest=1.0, latency=0.5
    )
    assert play(replace(alone, cache=False)).builds == [21.0]
    assert play(alone).builds == [21.5]
    assert play(replace(alone, kits=2)).builds == [11.5]
    assert play(replace(alone, hits=1.0, fetch=0.25)).builds == [1.75]
    assert kits_for(alone, 12.0) == 2


def test_more_kits_and_more_hits_never_cost() -> None:
    fleet = Fleet(developers=40)
    assert play(fleet) == play(fleet)
    assert play(replace(fleet, kits=3)).worst <= play(fleet).worst
    assert (
        play(replace(fleet, hits=0.9)).compiled
        < play(fleet).compiled
        < play(replace(fleet, cache=False)).compiled
    )


def test_the_page_shows_the_simulation_s_table() -> None:
    page = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
    assert table(Fleet(), [1, 2, 5, 10, 20, 50, 100, 200], 600.0) in page

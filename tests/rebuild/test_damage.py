"""A file that was built is damaged behind SCons's back: the next build tells it in one line and heals it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forge import program
from pack_maker import package
from rebuild.lab import Lab, kernel, steps
from steps import labels
from support import need

from xspack_tool.plan.notes import read_notes, write_notes
from xspack_tool.rpm.write import write_rpm
from xspack_tool.signing.home import end_agent

PACK = {
    "version": "'1'",
    "uuid": "'9a1f0f0e-0000-4000-8000-000000000000'",
    "description": "'a'",
    "packages": "[made['a'], made['b']]",
    "requires": "'product-version >= 8.2.0'",
    "precheck": "'check.sh'",
    "key": "'KEY'",
}
DECLARED = [
    # An E of the rules stops the pack, where it is not waived: no damage may lose it.
    (
        "Userspace",
        "a",
        {
            "version": "'1'",
            "arch": "'noarch'",
            "files": "{'/opt/a': 'f'}",
            "scripts": "{'post': 'rm -rf /opt/a\\nexit 1\\n'}",
        },
    ),
    ("Userspace", "b", {"version": "'1'", "arch": "'noarch'", "files": "{'/opt/b': 'f'}"}),
    ("Pack", "one", PACK),
]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x55
    path.write_bytes(data)


def zero_tail(path: Path) -> None:
    data = path.read_bytes()
    keep = len(data) - min(len(data) // 2 + 1, 4096)
    path.write_bytes(data[:keep] + bytes(len(data) - keep))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": cut,
    "flipped": flip,
    "zeroed": zero_tail,
    "removed": Path.unlink,
}


def damage(path: Path, kind: str, *, old_time: bool) -> None:
    found = path.stat()
    DAMAGES[kind](path)
    if old_time and path.exists():
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, lab_key: Any) -> Lab:
    need("rpmbuild", "rpmsign")
    files = {"src/f": "f\n", "src/check.sh": "#!/bin/sh\n", "src/KEY": lab_key.public}
    lab = Lab(tmp_path_factory.mktemp("damage") / "tree", files)
    lab.declare_all(DECLARED, {"XSPACK_GNUPGHOME": str(lab_key.home)})
    lab.scons("-j2").good()
    return lab


def test_each_output(lab: Lab) -> None:
    """Each in one of the ways, with its old time or with a new one."""
    kinds, clean = list(DAMAGES), lab.outputs()
    assert len(clean) > 30
    for number, name in enumerate(clean):
        kind = kinds[number % len(kinds)]
        damage(lab.path / "build" / name, kind, old_time=number % 2 == 0)
        ran = lab.scons("-j2").good()
        told = [line for line in ran.said.splitlines() if line.startswith("xspack: ")]
        lines = [f"xspack: build/{name}: not as it was built; it is built again"]
        assert told == (lines if kind != "removed" else []), (name, kind)
        assert lab.outputs() == clean, (name, kind)
    assert steps(lab.scons("-j1").good()) == set()


SPEC = "Name: s\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\nSource0: f\n"
SPEC += "%description\nd\n%install\ninstall -D -m 644 %{SOURCE0} %{buildroot}/opt/s\n%files\n/opt/s\n"
MODULE = 'static const char i[] __attribute__((section(".modinfo"), used)) = "vermagic=6.1.0-acme SMP ";\n'
#: One of each kind of step, but those that a kit elsewhere does: what those make are files of the same kinds.
EVERY = [
    ("TestKey", "KEY", {}),
    ("Userspace", "a", {"version": "'1'", "arch": "'noarch'", "files": "{'/opt/a': 'f'}"}),
    (
        "Userspace",
        "p",
        {"version": "'1'", "debuginfo": "True", "arch": "'x86_64'", "files": "{'/opt/p': 'program'}"},
    ),
    ("SpecRpm", "s.spec", {"sources": "['f']"}),
    ("SpecRpm", "t.spec", {"sources": "['f']", "rpms": "'t-1-1.noarch.rpm'"}),
    ("PrebuiltRpm", "old.rpm", {}),
    (
        "KernelModule",
        "k",
        {
            "version": "'1'",
            "source": "env.Dir('driver')",
            "ddk": "'#kernel'",
            "variant": "'generic'",
            "priority": "1",
        },
    ),
    (
        "Pack",
        "one",
        {
            **PACK,
            "packages": "[made[name] for name in ('a', 'p', 's.spec', 'old.rpm', 'k')]",
            "requires": "'product-version >= 9'",
            "waive": "{'M2': 'no kbuild here', 'M4': 'no key here'}",
            "key": "made['KEY']",
        },
    ),
    ("Submission", "made['one']", {}),
]
ELSEWHERE = {"Remote", "Fetch"}
#: What is written beside a build, and no output of it.
BESIDE = {"one-findings.sarif", "compile_commands.json"}


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need("rpmbuild", "rpmsign", "gcc", "make", "strip", "gpg")
    files = {
        "src/f": "f\n",
        "src/check.sh": "#!/bin/sh\n",
        "src/s.spec": SPEC,
        "src/t.spec": SPEC.replace("Name: s", "Name: t"),
    }
    files |= {
        "src/driver/Kbuild": "obj-m := a.o\n",
        "src/driver/a.c": MODULE,
        "src/driver/COPYING": "GPL\n",
    }
    files |= {f"kernel/{name}": text for name, text in kernel().items()}
    lab = Lab(tmp_path_factory.mktemp("every") / "tree", files)
    write_rpm(package("old"), {}, lab.path / "src/old.rpm", payload="w2.gzdio", time=1_600_000_000)
    lab.write({"src/program": program("-g")})
    lab.declare_all(EVERY, {"XSPACK_TARGET": "xenserver-9"})
    yield lab
    end_agent(lab.path / "build/keys/gnupg")


def test_no_kind_of_file_is_left_out(every: Lab) -> None:
    """Each kind of step, by all of its outputs, each of them in one of the ways; several at once, and never two steps
    that follow each other alone."""
    ran = every.scons("-j2", ".").good()
    assert {line.split()[0] for line in ran.said.splitlines() if line and line.split()[0] in labels()} == (
        labels() - ELSEWHERE
    )
    kinds, clean = list(DAMAGES), every.outputs()
    assert len(clean) > 50
    for part in range(7):
        names = [name for number, name in enumerate(clean) if number % 7 == part]
        harmed = {name: kinds[(number + part) % len(kinds)] for number, name in enumerate(names)}
        for number, (name, kind) in enumerate(harmed.items()):
            damage(every.path / "build" / name, kind, old_time=number % 2 == 0)
        ran = every.scons("-j2", ".").good()
        told = {line for line in ran.said.splitlines() if line.startswith("xspack: ")}
        assert told == {
            f"xspack: build/{name}: not as it was built; it is built again"
            for name, kind in harmed.items()
            if kind != "removed"
        }
        assert every.outputs() == clean, harmed
    assert steps(every.scons("-j1", ".").good()) == set()


#: What is read by other steps, and the end of it all.
READ = (
    "records/xenserver-8/KEY/a-1-1.noarch.rpm.json",
    "records/xenserver-8/KEY/b-1-1.noarch.rpm.json",
    "packs/one/generated/records.jsonl",
    "packs/one/records.jsonl",
    "packs/one/index.jsonl",
    "packs/one/time",
    "packs/one/repodata/comps.xml",
    "packs/one/repodata/repomd.xml.asc",
    "one-findings.json",
    "one-1.iso",
)


@pytest.mark.parametrize("kind", [kind for kind in DAMAGES if kind != "removed"])
def test_several_at_once(lab: Lab, kind: str) -> None:
    clean = lab.outputs()
    for number, name in enumerate(READ):
        damage(lab.path / "build" / name, kind, old_time=number % 2 == 0)
    ran = lab.scons("-j2").good()
    told = {line for line in ran.said.splitlines() if line.startswith("xspack: ")}
    assert told == {f"xspack: build/{name}: not as it was built; it is built again" for name in READ}
    assert lab.outputs() == clean


NOTES = ("outputs.json", "read-cache.json", "states.json")


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_notes(lab: Lab, kind: str) -> None:
    """What is noted between runs: losing it costs time, and nothing else."""
    clean = lab.outputs()
    noted = lab.path / "build/.xspack"
    # The timeline is there for the report page alone, which goes without.
    assert {path.name for path in noted.iterdir()} == {*NOTES, "timeline-one.json"}
    damage(noted / "timeline-one.json", "empty", old_time=True)
    for path in (noted / name for name in NOTES):
        damage(path, kind, old_time=True)
        ran = lab.scons("-j2").good()
        told = [line for line in ran.said.splitlines() if line.startswith("xspack: ")]
        words = "damaged; what it noted is found out again"
        assert told == ([f"xspack: build/.xspack/{path.name}: {words}"] if kind != "removed" else [])
        assert lab.outputs() == clean
    assert steps(lab.scons("-j1").good()) == set()


def test_what_another_version_noted_of_a_key(lab: Lab) -> None:
    """It is taken for nothing, and found out again."""
    place = lab.path / "build/.xspack/read-cache.json"
    notes = read_notes(place)
    assert notes
    (key,) = (name for name in notes if name.startswith("keys of "))
    notes[key]["result"] = {"content": notes[key]["result"]["content"]}
    write_notes(place, notes)
    clean = lab.outputs()
    damage(lab.path / "build/one-1.iso", "removed", old_time=True)
    lab.scons("-j2").good()
    assert lab.outputs() == clean


def test_only_looking_removes_nothing(lab: Lab) -> None:
    clean = lab.outputs()
    place = lab.path / "build/packs/one/index.jsonl"
    damage(place, "cut", old_time=True)
    damaged = lab.outputs()
    assert "Join build/packs/one/index.jsonl" in " ".join(lab.scons("-n").good().said.split())
    assert lab.scons("-q").status == 1
    assert lab.outputs() == damaged
    lab.scons().good()
    assert lab.outputs() == clean


def test_a_damaged_file_that_is_not_asked_for_is_left(lab: Lab) -> None:
    clean = lab.outputs()
    damage(lab.path / "build/one-1.iso", "cut", old_time=False)
    assert "xspack: " not in lab.scons("build/packs/one/update.xml").good().said
    lab.scons().good()
    assert lab.outputs() == clean


def test_an_agent_that_starts_leaves_what_is_known_of_the_key(lab: Lab, lab_key: Any) -> None:
    """It sets the mode of the keyring's folder, the same as ever: gpg is not asked again."""
    facts = lab.path / "build/.xspack/read-cache.json"
    lab.scons().good()
    known = facts.read_bytes()
    (lab_key.home / "private-keys-v1.d").chmod(0o700)
    lab.scons().good()
    assert facts.read_bytes() == known

"""Every property of a payload file, every setting of an environment, and every tool's version: a change builds
exactly what is downstream of it, the change taken back gives the old bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rebuild.lab import Lab, steps, strange_tool
from support import ROOT, need

A, B = "a-1-1.noarch.rpm", "b-1-1.noarch.rpm"
CHANGELOG = "['2026-11-20 A <a@b.example> 1-1\\n- a']"
#: Pack one holds both packages, pack two only b. The folder of a is tracked file by file.
DECLARED = [
    (
        "Userspace",
        "a",
        {
            "version": "'1'",
            "arch": "'noarch'",
            "files": "{'/opt/a': env.Dir('share'), '/opt/a-f': env.XsFile('f', mode=0o700)}",
            "scripts": "{'pre': env.File('pre.sh')}",
            "changelog": CHANGELOG,
        },
    ),
    ("Userspace", "b", {"version": "'1'", "arch": "'noarch'", "files": "{'/opt/b/f': 'f2'}"}),
    *(
        (
            "Pack",
            label,
            {
                "version": "'1'",
                "uuid": f"'9a1f0f0e-0000-4000-8000-00000000000{number}'",
                "description": "'a'",
                "packages": packages,
                "requires": "'product-version >= 8.2.0'",
                "key": "'KEY'",
            },
        )
        for number, (label, packages) in enumerate(
            {"one": "[made['a'], made['b']]", "two": "[made['b']]"}.items()
        )
    ),
]


def after(rpm: str, profile: str = "xenserver-8") -> set[str]:
    """What follows an RPM whose content changed."""
    return {
        f"Sign signed/KEY/{rpm}",
        f"Record records/{profile}/KEY/{rpm}.json",
    }


def written(rpm: str) -> set[str]:
    return {f"RPM rpms/{rpm}", *after(rpm)}


def pack(label: str) -> set[str]:
    """What a pack does if an RPM in it changed, but neither its installed size nor its time."""
    return {
        f"Join packs/{label}/index.jsonl",
        f"Totals packs/{label}/installed-size",
        f"Repodata packs/{label}/repodata/repomd.xml",
        f"Sign packs/{label}/repodata/repomd.xml.asc",
        f"Judge {label}-findings.json",
        f"ISO {label}-1.iso",
    }


def update(label: str) -> str:
    return f"update-{label}-1-1.noarch.rpm"


def control(label: str) -> str:
    return f"control-{label}-1-1.noarch.rpm"


def generated(label: str) -> set[str]:
    """What a pack does besides if one of its generated RPMs became another."""
    return {f"Join packs/{label}/generated/index.jsonl"}


def resized(label: str) -> set[str]:
    """What it does besides where the installed size changed."""
    document = {f"Document packs/{label}/update.xml", f"Sign packs/{label}/update.xml.asc"}
    return pack(label) | document | written(update(label)) | generated(label)


SAME_SIZE = written(A) | pack("one")
RESIZED = written(A) | resized("one")
ALL_RPMS = (A, B, *(name(label) for label in ("one", "two") for name in (update, control)))


@dataclass(frozen=True)
class Case:
    """A change of the tree below ``src``, of variables of the SConstruct, or of the caller's environment, and the
    steps that it builds."""

    builds: set[str]
    change: Callable[[Path], object] = lambda _: None
    variables: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    tool: str = ""


def relink(place: Path, to: str) -> None:
    place.unlink()
    place.symlink_to(to)


FILES = {
    "content": Case(SAME_SIZE, lambda src: (src / "share/file").write_text("B\n")),
    "size": Case(RESIZED, lambda src: (src / "share/file").write_text("longer\n")),
    "mode": Case(SAME_SIZE, lambda src: (src / "share/file").chmod(0o755)),
    "mode of the group": Case(set(), lambda src: (src / "share/file").chmod(0o664)),
    "time": Case(set(), lambda src: os.utime(src / "share/file", (1, 1))),
    "declared mode": Case(set(), lambda src: (src / "f").chmod(0o755)),
    "link target": Case(SAME_SIZE, lambda src: relink(src / "share/link", "fale")),
    "link becomes file": Case(
        RESIZED, lambda src: ((src / "share/link").unlink(), (src / "share/link").write_text("A\n"))
    ),
    "added": Case(RESIZED, lambda src: (src / "share/sub/new").write_text("new\n")),
    "removed": Case(RESIZED, lambda src: (src / "share/sub/deep").unlink()),
    "renamed": Case(SAME_SIZE, lambda src: (src / "share/file").rename(src / "share/fule")),
    "empty folder added": Case(SAME_SIZE, lambda src: (src / "share/empty2").mkdir()),
    "empty folder removed": Case(SAME_SIZE, lambda src: (src / "share/empty").rmdir()),
    "scriptlet": Case(SAME_SIZE, lambda src: (src / "pre.sh").write_text(": b\n")),
    "scriptlet's mode": Case(set(), lambda src: (src / "pre.sh").chmod(0o755)),
    "unused file": Case(set(), lambda src: (src / "unused").write_text("x")),
}
_PACKS_JUDGED = {f"Judge {label}-findings.json" for label in ("one", "two")}
_JUDGED = {f"Record records/xenserver-8/KEY/{rpm}.json" for rpm in ALL_RPMS} | _PACKS_JUDGED
_JUDGED_FOR_LAB = {f"Record records/lab/KEY/{rpm}.json" for rpm in ALL_RPMS} | _PACKS_JUDGED
_SIGNATURES = {
    f"Sign packs/{label}/{file}.asc"
    for label in ("one", "two")
    for file in ("update.xml", "repodata/repomd.xml")
}
_WRITTEN = {f"RPM rpms/{rpm}" for rpm in ALL_RPMS}


def profile(key: str, value: str) -> Callable[[Path], object]:
    """Change one fact of the profile."""

    def change(src: Path) -> None:
        lines = (src / "lab.toml").read_text().splitlines()
        found = [number for number, line in enumerate(lines) if line.startswith(f"{key} = ")]
        assert len(found) == 1
        lines[found[0]] = f"{key} = {value}"
        (src / "lab.toml").write_text("\n".join(lines) + "\n")

    return change


_PACKS = pack("one") | pack("two")
_PACKS_OF_OTHERS = _PACKS | generated("one") | generated("two")
#: Every step of the tree.
_EVERYTHING = resized("one") | resized("two") | {step for rpm in ALL_RPMS for step in written(rpm)}
_SIGN_AGAIN = {f"Sign signed/KEY/{rpm}" for rpm in ALL_RPMS}


def all_written(profile: str = "xenserver-8") -> set[str]:
    """All RPMs become others, of the same installed size."""
    return _PACKS_OF_OTHERS | _WRITTEN | {step for rpm in ALL_RPMS for step in after(rpm, profile)}


SETTINGS = {
    "payload of the profile": Case(all_written("lab"), profile("payload", '"w6.xzdio"')),
    "glibc of the profile": Case(_JUDGED_FOR_LAB, profile("glibc", '"2.18"')),
    "XSPACK_VENDOR": Case(all_written(), variables={"XSPACK_VENDOR": "Acme"}),
    "XSPACK_STRICT": Case({"ISO one-1.iso", "ISO two-1.iso"}, variables={"XSPACK_STRICT": "1"}),
    # Package a has a changelog, which tells its time and that of pack one.
    "SOURCE_DATE_EPOCH": Case(
        written(B)
        | written(update("two"))
        | written(control("two"))
        | _PACKS
        | generated("two")
        | {"Sign packs/two/update.xml.asc"},
        environ={"SOURCE_DATE_EPOCH": "1600000000"},
    ),
    "key": Case(
        {step for rpm in ALL_RPMS for step in after(rpm)} | _PACKS_OF_OTHERS | _SIGNATURES,
        lambda src: shutil.copyfile(src / "KEY2", src / "KEY"),
    ),
    # Another version that writes the same bytes: nothing follows.
    "rpm": Case(set(), tool="rpm"),  # it writes none of these
    "gpg": Case(_SIGNATURES | _SIGN_AGAIN, tool="gpg"),
    "createrepo_c": Case(
        {f"Repodata packs/{label}/repodata/repomd.xml" for label in ("one", "two")} | _JUDGED,
        tool="createrepo_c",
    ),
    "pycdlib": Case({"ISO one-1.iso", "ISO two-1.iso"} | _PACKS_JUDGED, tool="pycdlib"),
    "rpmfile": Case(_JUDGED, tool="rpmfile"),
    "tree_sitter_bash": Case(_JUDGED, tool="tree_sitter_bash"),
    "solv": Case(_PACKS_JUDGED, tool="solv"),
    "xspack": Case(_EVERYTHING, tool="xspack"),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, lab_key: Any) -> Iterator[Lab]:
    """The tree, built; each test leaves it as it was."""
    need("rpmbuild", "rpmsign")
    files = {
        "src/share/file": "A\n",
        "src/share/sub/deep": "A\n",
        "src/f": "f\n",
        "src/f2": "f\n",
        "src/pre.sh": ": a\n",
        "src/unused": "",
        "src/KEY": lab_key.public,
        "src/KEY2": lab_key.other,
        "src/lab.toml": (ROOT / "xspack_tool/releases/xenserver-8.toml").read_text(),
    }
    tree = Lab(tmp_path_factory.mktemp("changes") / "tree", files)
    (tree.path / "src/share/empty").mkdir()
    (tree.path / "src/share/link").symlink_to("file")
    (tree.path / "src/share/sub/deep").chmod(0o755)
    yield tree


def env_of(lab_key: Any, own_profile: bool) -> dict[str, Any]:
    target = {"XSPACK_TARGET": "#src/lab.toml"} if own_profile else {}
    return {"XSPACK_GNUPGHOME": str(lab_key.home), **target}


@pytest.mark.parametrize("name", [*FILES, *SETTINGS])
def test_one_change(name: str, lab: Lab, lab_key: Any) -> None:
    """The change is built with one job, and taken back with two."""
    case = FILES.get(name) or SETTINGS[name]
    source, kept = lab.path / "src", lab.path / "kept"
    base = env_of(lab_key, name.endswith("profile"))
    lab.declare_all(DECLARED, base)
    if lab.built_with != base:
        lab.scons("-j2").good()
        lab.built_with = base
    first = lab.outputs()

    shutil.copytree(source, kept, symlinks=True)
    environ = {**case.environ, **(strange_tool(lab, case.tool) if case.tool else {})}
    lab.declare_all(DECLARED, {**base, **case.variables})
    case.change(source)
    assert steps(lab.scons("-j1", env=environ).good()) == case.builds

    shutil.rmtree(source)
    kept.rename(source)
    shutil.rmtree(lab.path / "dists", ignore_errors=True)
    lab.declare_all(DECLARED, base)
    assert steps(lab.scons("-j2").good()) == case.builds
    assert lab.outputs() == first
    assert steps(lab.scons("-j1").good()) == set()

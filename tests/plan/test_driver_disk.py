"""A pack is a driver disk when what was built holds a kernel module, whichever kind built it."""

from __future__ import annotations

from pathlib import Path

import pytest
from forge import Forged, forge, module
from support import need
from trees import HEAD, Tree

from xspack_tool.cli import main
from xspack_tool.hosts.index import read_groups

PACK = """
env.Pack("acme", version="1", uuid="6bb9d5ab-1e0a-4a4b-9d0f-2f1d1c0d7f01", description="x", packages={packages},
    requires=["product-version >= 8.2.0"], key=env.TestKey("RPM-GPG-KEY-T"), waive={{"K5": "x", "K7": "x"}}, {more})
"""
SPEC = """Name: acme-nic
Version: 1
Release: 1
Summary: s
License: GPL-2.0-only
Source0: acme.ko
Requires: kernel-uname-r = 4.19.0+1
%description
d
%install
install -D -m 644 %{SOURCE0} %{buildroot}/lib/modules/4.19.0+1/updates/acme.ko
%files
/lib/modules/4.19.0+1/updates/acme.ko
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("rpmbuild", "rpmsign", "gpg", "gcc")
    files = {"/lib/modules/4.19.0+1/updates/acme.ko": module()}
    rpm = forge(Forged(files=files, lines=["Requires: kernel-uname-r = 4.19.0+1"]), tmp_path)
    plain = forge(Forged(files={"/opt/acme/acme.korn": b"x"}), tmp_path)
    tree = Tree(tmp_path / "tree").write({"acme.ko": module(), "acme.rpm": rpm.read_bytes()})
    return tree.write({"acme.spec": SPEC, "plain.rpm": plain.read_bytes()})


def groups(tree: Tree) -> list[str]:
    text = (tree.path / "build/packs/acme/repodata/comps.xml").read_text()
    return [group.id for group in read_groups(text, "comps.xml")]


@pytest.mark.parametrize(
    ("packages", "more", "wanted"),
    [
        ('env.PrebuiltRpm("acme.rpm")', "", ["update", "drivers"]),
        ('env.SpecRpm("acme.spec", sources=["acme.ko"])', "", ["update", "drivers"]),
        ('env.PrebuiltRpm("plain.rpm")', "", ["update"]),
        ('env.PrebuiltRpm("acme.rpm")', "driver_disk=False", ["update"]),
        ('env.PrebuiltRpm("plain.rpm")', "driver_disk=True", ["update", "drivers"]),
    ],
)
def test_what_makes_a_driver_disk(tree: Tree, packages: str, more: str, wanted: list[str]) -> None:
    text = PACK.format(packages=packages, more=more)
    ran = tree.declare(text, HEAD.replace("MIT", "GPL-2.0-only")).scons().good()
    assert groups(tree) == wanted, ran.said
    assert tree.scons().good().built == set()


def test_a_module_that_comes_later_makes_it_one(tree: Tree) -> None:
    """The same RPM's name, other content: the index is made anew with the other group."""
    text = PACK.format(packages='env.PrebuiltRpm("it.rpm")', more="")
    tree.write({"it.rpm": (tree.path / "plain.rpm").read_bytes()}).declare(text).scons().good()
    assert groups(tree) == ["update"]
    tree.write({"it.rpm": (tree.path / "acme.rpm").read_bytes()}).scons().good()
    assert groups(tree) == ["update", "drivers"]


def test_verify_tells_of_the_driver_disk(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.declare(PACK.format(packages='env.PrebuiltRpm("acme.rpm")', more="")).scons().good()
    key = tree.path / "build/keys/RPM-GPG-KEY-T"
    main(["verify", str(tree.path / "build/acme-1.iso"), "--key", str(key), "--target", "xcp-ng-8.3"])
    said = capsys.readouterr().out
    assert "driver disk: takes it" in said
    assert (
        "not judged: rules B2: needs the source RPMs of the drivers, which no ISO holds: give --source, or --provenance"
        in said
    )
    assert "B2 acme" not in said


def test_verify_of_a_pack_for_an_installer_that_takes_driver_disks_alone(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, and stops nobody."""
    tree.declare(PACK.format(packages='env.PrebuiltRpm("plain.rpm")', more="")).scons().good()
    key = tree.path / "build/keys/RPM-GPG-KEY-T"
    words = ["verify", str(tree.path / "build/acme-1.iso"), "--key", str(key), "--target"]
    assert main([*words, "xcp-ng-8.3"]) == 0
    told = (
        "installer: does not take it\n  the installer of XCP-ng 8.3 takes driver disks alone, and without a group"
        " 'drivers' this is none; it can be installed on a running host\nyum: takes it"
    )
    assert told in capsys.readouterr().out
    assert main([*words, "xcp-ng-8.2"]) == 0
    assert "installer: takes it\nyum" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("packages", "told"),
    [('env.SpecRpm("acme.spec", sources=["acme.ko"])', False), ('env.PrebuiltRpm("acme.rpm")', True)],
)
def test_verify_takes_the_word_of_a_signed_provenance(
    tree: Tree, capsys: pytest.CaptureFixture[str], packages: str, told: bool
) -> None:
    """It names the digests of what a driver was built of; of one that was built elsewhere it names none."""
    text = PACK.format(packages=packages, more="")
    tree.declare(text, HEAD.replace("MIT", "GPL-2.0-only")).scons().good()
    words = ["verify", str(tree.path / "build/acme-1.iso"), "--target", "xcp-ng-8.3"]
    key, made = (str(tree.path / "build" / name) for name in ("keys/RPM-GPG-KEY-T", "acme-1.provenance.json"))
    main([*words, "--key", key, "--provenance", made])
    said = capsys.readouterr().out
    assert ("W B2 acme: " in said) is told and "not judged: rules B2" not in said
    # Without the key nobody knows who says so.
    main([*words, "--provenance", made])
    assert "not judged: rules B2" in capsys.readouterr().out


def test_verify_is_told_of_sources(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """By files or folders; those of other packages do not count, and what is no source RPM is refused."""
    packages = '[env.SpecRpm("acme.spec", sources=["acme.ko"])]'
    tree.write({"other.spec": SPEC.replace("acme-nic", "other")})
    other = 'env.SpecRpm("other.spec", sources=["acme.ko"])\n'
    text = other + PACK.format(packages=packages, more="")
    tree.declare(text, HEAD.replace("MIT", "GPL-2.0-only")).scons("build/acme-1.iso", "build/srpms").good()
    sources = tree.path / "build/srpms"
    assert tree.files("build/srpms") == {"acme-nic-1-1.src.rpm", "other-1-1.src.rpm"}
    words = ["verify", str(tree.path / "build/acme-1.iso"), "--target", "xcp-ng-8.3", "--source"]
    for place, told in (
        (sources, False),
        (sources / "acme-nic-1-1.src.rpm", False),
        (sources / "other-1-1.src.rpm", True),
    ):
        main([*words, str(place)])
        said = capsys.readouterr().out
        assert ("W B2 acme: " in said) is told and "not judged: rules B2" not in said, said
    (tree.path / "empty").mkdir()
    for place, why in (("empty", "no source RPM in it"), ("acme.rpm", "no source RPM")):
        assert main([*words, str(tree.path / place)]) != 0
        assert f"{place}: {why}" in capsys.readouterr().err

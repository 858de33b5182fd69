"""A submission: all that the guide wants in one archive, the same each time; what lacks is told by rule."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from rebuild.lab import kernel
from support import need
from trees import Tree

HEAD = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_TARGET="one.toml", XSPACK_DDK="{ddk}",
                  ENV={{"PATH": "/usr/bin:/bin"}})
"""
UUIDS = [f"0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e3{number}" for number in range(4)]
GOOD = f"""\
driver = env.KernelModule("acme-nic", version="2.1", source="driver")
firmware = env.Firmware("acme-nic-firmware", version="9", files={{"acme/nic.bin": "nic.bin"}}, licenses=["LICENCE.fw"],
                        license="LicenseRef-Redistributable")
stack = env.SpecRpm("stack.spec")
disk = env.Pack("acme-disk", version="2.1", uuid="{UUIDS[0]}", description="d", packages=[driver, firmware, stack],
                requires=["product-version >= 8.2.1"], key=env.TestKey("KEY"))
env.Alias("pack", disk)
fix = env.XsPatch("fix.patch", flaw="A ring of one entry is never emptied.", effect="The host hangs.\\nOften.",
                  seen_by_customers=False)
env.Alias("submission", env.Submission(disk, patches=[fix], firmware_statement="Public at https://acme.example/fw."))
"""
PATCH = "--- a/acme.c\n+++ b/acme.c\n@@ -1 +1 @@\n-int acme;\n+int acme = 1;\n"
SPEC = "Name: stack\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%description\nd\n%files\n"


@pytest.fixture
def tree(trees: dict[str, str], world: dict[str, str], tmp_path: Path) -> Tree:
    need("rpmsign")
    tree = (
        Tree(tmp_path / "tree")
        .write(world)
        .write({"driver/COPYING": "GPL 2\n", "LICENCE.fw": "may be passed on\n"})
    )
    tree.write({"nic.bin": "firmware\n", "fix.patch": PATCH, "stack.spec": SPEC})
    return tree.declare(GOOD, HEAD.format(ddk=next(iter(trees.values()))))


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {m.name.partition("/")[2]: opened.extractfile(m).read() for m in opened}  # type: ignore[union-attr]


def test_all_that_the_guide_wants(tree: Tree, trees: dict[str, str]) -> None:
    tree.scons("pack").good()
    assert not (tree.path / "build/srpms").exists()
    tree.scons("submission").good()
    archive = tree.path / "build/acme-disk-2.1-submission.tar"
    found = members(archive)
    assert set(found) == {
        "CONTENTS",
        "packages.json",
        "packs/acme-disk-2.1.iso",
        "sources/acme-nic-2.1-1.src.rpm",
        "sources/stack-1-1.src.rpm",
        "licences/acme-nic/COPYING",
        "licences/acme-nic-firmware/LICENCE.fw",
        "firmware/STATEMENT",
        "keys/KEY",
        "devices/acme-disk.txt",
        "devices/acme-disk.json",
        "findings/acme-disk.json",
        "patches/01-fix.patch",
        "patches/01-fix.patch.txt",
    }
    for name, path in {
        "packs/acme-disk-2.1.iso": "acme-disk-2.1.iso",
        "keys/KEY": "keys/KEY",
        "sources/acme-nic-2.1-1.src.rpm": "srpms/acme-nic-2.1-1.src.rpm",
    }.items():
        assert found[name] == (tree.path / "build" / path).read_bytes()
    assert found["keys/KEY"].startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    kernel_name = next(iter(trees))
    (nic,) = (row for row in json.loads(found["packages.json"]) if row["name"] == "acme-nic")
    assert nic == {
        "name": "acme-nic",
        "evr": "2.1-1",
        "arch": "x86_64",
        "licence": "GPL-2.0-only",
        "packs": ["acme-disk"],
        "kernels": [kernel_name],
        "source": "sources/acme-nic-2.1-1.src.rpm",
        "licence_texts": ["licences/acme-nic/COPYING"],
        "firmware": [],
        "modules": [
            {"name": "acme", "version": "", "license": "GPL", "srcversion": "", "firmware": ["acme/nic.bin"]}
        ],
    }
    assert [line.split()[:2] for line in found["devices/acme-disk.txt"].decode().splitlines()[1:]] == [
        ["pci", "1af4:10f1"],
        ["pci", "1af4:10f2"],
    ]
    assert found["firmware/STATEMENT"] == b"Public at https://acme.example/fw.\n"
    assert found["patches/01-fix.patch.txt"].decode() == (
        "01-fix.patch\n\nFlaw\n    A ring of one entry is never emptied.\n\nEffect if it is not fixed\n"
        "    The host hangs.\n    Often.\n\nSeen by customers\n    no\n"
    )
    contents = found["CONTENTS"].decode()
    assert contents.startswith(
        "acme-disk 2.1 submission\n========================\n\nPacks\n  packs/acme-disk-2.1.iso\n"
    )
    assert "  patches/01-fix.patch: A ring of one entry is never emptied.\n" in contents
    assert json.loads(found["findings/acme-disk.json"])["counts"]["error"] == 0

    before = archive.read_bytes()
    assert tree.scons("submission").good().built == set()
    archive.unlink()
    assert tree.scons("submission").good().built == {"build/acme-disk-2.1-submission.tar"}
    assert archive.read_bytes() == before


def test_a_licence_that_does_not_fit_stops_it_alone(tree: Tree) -> None:
    text = (
        (tree.path / "SConstruct")
        .read_text()
        .replace('source="driver"', 'source="driver", license="Apache-2.0"')
    )
    tree.write({"SConstruct": text}).scons("pack").good()
    ran = tree.scons("submission")
    assert ran.status == 2
    assert (
        "E L1 acme-disk: acme-nic-2.1-1.x86_64.rpm: License: 'Apache-2.0': not compatible with the GPL"
        in ran.said
    )
    assert not (tree.path / "build/acme-disk-2.1-submission.tar").exists()


def test_a_patch_that_is_none(tree: Tree) -> None:
    tree.write({"fix.patch": "all is well\n"})
    ran = tree.scons("submission")
    assert (
        ran.status == 2
        and "fix.patch: no unified diff; submission rule 7 of the guide: a late fix is" in ran.said
    )


START = (
    HEAD
    + """\
def U(number): return f"0f2d1a52-7a55-4f0c-9d0b-00000000000{{number}}"
def K(name, **more): return env.KernelModule(name, **{{"version": "1", "source": env.Dir("driver"), **more}})
def P(name, *packages, **more):
    given = {{"version": "1", "uuid": U(0), "description": "d", "packages": packages, "key": env.TestKey("KEY")}}
    return env.Pack(name, **{{**given, **more}})
"""
)
SOURCE = "a driver comes with its full source, under an open source licence compatible with the GPL"
REDISTRIBUTE = "firmware is public under a licence that allows redistribution, or there is an agreement on it"
FIX = "a late fix is a small patch of its own, with the flaw, its effect, and whether customers have seen it"
BAD = {
    'env.Submission(P("p", K("nic")))': [
        (f"Submission 'p': nic: submission rule 1 of the guide: {SOURCE}; its licence text is missing: give it "
        "licenses=, or put COPYING into its sources")
    ],
    'env.Submission(P("p", K("nic"), key=None, unsigned=True), licences="Kbuild")': [
        ("Submission 'p': p: submission rule 9 of the guide: the public key comes along, armoured, under the name that "
        "the pack has baked in; sign the pack: key=")
    ],
    'env.Submission(P("p", K("nic", firmware={"a.bin": "Kbuild"})), licences="Kbuild")': [
        (f"Submission 'p': nic: submission rule 2 of the guide: {REDISTRIBUTE}; say where it is public, or which "
        "agreement there is: firmware_statement=")
    ],
    'env.Submission(P("p", K("nic", licenses="Kbuild")), patches=["Kbuild", env.XsPatch("gone", flaw="f")])': [
        (f"Submission 'p': patches='Kbuild': submission rule 7 of the guide: {FIX}; say its flaw, effect, "
        "seen_by_customers: env.XsPatch(file, flaw=.., effect=.., seen_by_customers=..)"),
        (f"Submission 'p': patches='gone': submission rule 7 of the guide: {FIX}; say its effect, seen_by_customers: "
        "env.XsPatch(file, flaw=.., effect=.., seen_by_customers=..)"),
        "Submission 'p': patches='gone': not found, and nothing builds it; make it, or correct the name",
    ],
    'env.Submission("Kbuild")': ["Submission 'Kbuild': a submission must be made of packs; name what env.Pack returns"],
    'env.Submission(P("p", K("nic"), version="1 2"))': [
        "Pack 'p': version='1 2': a version must be letters, digits and . _ + ~; give a string such as version=\"1.0\""
    ],
}  # fmt: skip


def test_what_lacks_is_told_by_rule(tmp_path: Path, world: dict[str, str]) -> None:
    tree = Tree(tmp_path / "tree").write({f"kernel/{name}": text for name, text in kernel().items()})
    tree.write({"one.toml": world["one.toml"], "driver/acme.c": "int acme;\n", "Kbuild": ""})
    tree.write({"driver/Kbuild": "obj-m := acme.o\n"})
    for declaration, said in BAD.items():
        tree.declare(f"{declaration}\n", START.format(ddk="kernel"))
        assert [line.partition(": ")[2] for line in tree.scons().refused()] == said, declaration


def test_what_is_seen_in_a_prebuilt_rpm(tree: Tree) -> None:
    """An RPM tells only when it is read; its source RPM is a file of the vendor's."""
    made = tree.scons("build/rpms/acme-nic-2.1-1.x86_64.rpm", "build/srpms/acme-nic-2.1-1.src.rpm").good()
    assert made.built
    for name in ("rpms/acme-nic-2.1-1.x86_64.rpm", "srpms/acme-nic-2.1-1.src.rpm"):
        (tree.path / "build" / name).rename(tree.path / Path(name).name)
    text = f"""\
driver = env.PrebuiltRpm("acme-nic-2.1-1.x86_64.rpm"{{more}})
disk = env.Pack("disk", version="2.1", uuid="{UUIDS[3]}", description="d", packages=[driver], key=env.TestKey("KEY"),
                requires=["product-version >= 8.2.1"])
env.Alias("submission", env.Submission(disk{{texts}}))
"""
    head = (tree.path / "SConstruct").read_text().split("driver = ")[0]
    tree.declare(text.format(more="", texts=""), head)
    ran = tree.scons("submission")
    assert (
        ran.status == 2
        and "E L1 disk: acme-nic-2.1-1.x86_64.rpm: Source RPM: a driver in a submission without" in ran.said
    )
    source = ', source_rpm="acme-nic-2.1-1.src.rpm"'
    ran = tree.declare(text.format(more=source, texts=""), head).scons("submission")
    assert (
        ran.status == 2
        and f"acme-nic-2.1-1.x86_64.rpm: submission rule 1 of the guide: {SOURCE}; it has no" in ran.said
    )
    tree.declare(text.format(more=source, texts=', licences=["driver/COPYING"]'), head).scons(
        "submission"
    ).good()
    found = members(tree.path / "build/disk-2.1-submission.tar")
    assert {"sources/acme-nic-2.1-1.src.rpm", "licences/COPYING"} <= set(found)


def test_one_submission_of_the_packs_of_all_releases(
    trees: dict[str, str], world: dict[str, str], tmp_path: Path
) -> None:
    tree = Tree(tmp_path / "tree").write(world).write({"COPYING": "GPL 2\n"})
    kits = ", ".join(
        f'env.Ddk("{path}", release="{name}.toml")'
        for name, path in zip(("one", "two"), trees.values(), strict=True)
    )
    tree.declare(
        f'nic = env.KernelModule("nic", version="1", source="driver", ddk=[{kits}], licenses="COPYING")\n'
        'packs = env.Pack("acme", version="1", description="d", packages=nic, key=env.TestKey("KEY"),\n'
        f'                 releases={{"one.toml": "{UUIDS[1]}", "two.toml": "{UUIDS[2]}"}})\n'
        "env.Submission(packs)\n",
        HEAD.format(ddk=""),
    )
    tree.scons().good()
    found = set(members(tree.path / "build/acme-1-submission.tar"))
    assert {
        *(f"packs/acme-{name}-1.iso" for name in ("one", "two")),
        *(f"sources/{name}/nic-1-1.src.rpm" for name in ("one", "two")),
        *(f"devices/acme-{name}.txt" for name in ("one", "two")),
        "licences/nic/COPYING",
    } <= found

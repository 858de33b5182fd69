"""SBOMs and provenance beside an ISO."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import sentences
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from pack_maker import xspack
from support import need
from trees import Tree

DECLARED = """\
env.Command("made.txt", "in.txt", "head -n 1 $SOURCE >$TARGET")
tool = env.Userspace("tool", version="1", arch="noarch", files={"/opt/tool": "tool.sh", "/opt/made": "made.txt"})
pack = env.Pack("acme", version="2", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="d", packages=[tool],
                key=env.TestKey("KEY"), requires=["product-version >= 8"])
env.Alias("copy", env.Install("out", pack))
"""
BESIDE = [
    f"acme-2.{end}"
    for end in ("cdx.json", "iso", "iso.sha256", "provenance.json", "provenance.json.asc", "spdx.json")
]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("rpmbuild", "gpg")
    files = {"tool.sh": "#!/bin/sh\n", "in.txt": "1\n"}
    tree = Tree(tmp_path / "tree").write(files).declare(DECLARED)
    tree.scons("pack").good()
    return tree


def statement(tree: Tree) -> dict[str, str]:
    """The materials of the provenance."""
    data = json.loads((tree.path / "build/acme-2.provenance.json").read_text())
    rows = data["predicate"]["buildDefinition"]["resolvedDependencies"]
    return {row["name"]: row["digest"]["sha256"] for row in rows}


def test_they_lie_beside_the_iso_and_go_with_it(tree: Tree) -> None:
    assert (
        sorted(name for name in tree.files("build") if "/" not in name and "findings" not in name) == BESIDE
    )
    subprocess.run(["sha256sum", "-c", "acme-2.iso.sha256"], cwd=tree.path / "build", check=True)
    assert tree.scons("pack").good().said == f"{sentences.UP_TO_DATE}\n"
    tree.scons("copy").good()
    assert sorted(tree.files("out")) == BESIDE
    tree.declare(DECLARED.replace('"acme", version="2"', '"acme", version="3"')).scons("pack").good()
    names = sorted(name for name in tree.files("build") if "/" not in name and "findings" not in name)
    assert names == [name.replace("-2.", "-3.") for name in BESIDE]
    tree.scons("-c", "pack").good()
    assert [name for name in tree.files("build") if name.startswith("acme")] == []


def test_the_sboms_are_those_of_the_finished_pack(tree: Tree) -> None:
    for format, end in (("cyclonedx", "cdx.json"), ("spdx", "spdx.json")):
        made = (tree.path / f"build/acme-2.{end}").read_text()
        assert xspack("sbom", tree.path / "build/acme-2.iso", "--format", format).out == made
    bom = (tree.path / "build/acme-2.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom) is None


def test_provenance_names_each_source(tree: Tree) -> None:
    before = statement(tree)
    assert set(before) == {"tool.sh", "in.txt"}
    iso = (tree.path / "build/acme-2.iso").read_bytes()
    # A change that reaches no byte of the pack is a change of what it was made of.
    tree.write({"in.txt": "1\n2\n"}).scons("pack").good()
    after = statement(tree)
    assert {name for name in after if after[name] != before[name]} == {"in.txt"}
    tree.write({"in.txt": "1\n"}).scons("pack").good()
    assert statement(tree) == before
    assert (tree.path / "build/acme-2.iso").read_bytes() == iso


def test_verify_compares(tree: Tree) -> None:
    iso, made = tree.path / "build/acme-2.iso", tree.path / "build/acme-2.provenance.json"
    key = tree.path / "build/keys/KEY"
    good = xspack("verify", iso, "--key", key, "--provenance", made)
    assert (good.status, good.out.splitlines()[3]) == (0, "provenance: takes it")
    text = made.read_text()
    made.write_text(text.replace(statement(tree)["tool.sh"], "0" * 64))
    said = xspack("verify", iso, "--key", key, "--provenance", made)
    assert said.status == 1
    assert "provenance: does not take it\n  SIGNATURE: not signed by the key" in said.out
    made.write_text(text)
    other = tree.path / "other.iso"
    other.write_bytes(iso.read_bytes())
    assert xspack("verify", other, "--key", key, "--provenance", made).status == 0
    other.write_bytes(iso.read_bytes() + bytes(2048))
    said = xspack("verify", other, "--key", key, "--provenance", made)
    assert said.status == 1
    assert (
        "  SUBJECT: acme-2.iso is not in the pack\n  SUBJECT: other.iso is not in the provenance\n"
        in said.out
    )
    iso.write_bytes(other.read_bytes())
    said = xspack("verify", iso, "--key", key, "--provenance", made)
    assert (said.status, "  SUBJECT: acme-2.iso is not the file that was built\n" in said.out) == (1, True)
    iso.write_bytes(other.read_bytes()[:-2048])
    made.with_name(f"{made.name}.asc").write_bytes(b"")
    said = xspack("verify", iso, "--key", key, "--provenance", made)
    assert (said.status, "  SIGNATURE: not signed by the key" in said.out) == (1, True)
    made.write_text("[]")
    said = xspack("verify", iso, "--provenance", made)
    assert (said.status, said.err.startswith(f"xspack: {made}: not the provenance of a pack: ")) == (1, True)

"""The report page that a build writes: a view of what was made, no target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pack_maker import xspack
from trees import Ran, Tree

PACK = """
a = env.Userspace("acme-a", version="1", summary="a", arch="noarch", files={"/opt/a": "a"})
b = env.Userspace("acme-b", version="1", summary="b", arch="noarch", files={"/opt/b": "b"})
pack = env.Pack("acme", version="1.0", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="Acme",
                packages=[a, b], key=env.TestKey("RPM-GPG-KEY-Acme"))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree").declare(PACK).write({"a": "a\n", "b": "b\n"})


def build(tree: Tree, *args: str, report: str = "1") -> Ran:
    return tree.scons("pack", *args, env={"XSPACK_REPORT": report})


def test_it_tells_what_was_built_and_why(tree: Tree) -> None:
    build(tree).good()
    page = tree.path / "build/acme-report.html"
    first = page.read_text()
    assert "takes it" in first and "does not take it" not in first
    assert "<code>build/rpms/acme-a-1-1.noarch.rpm</code>" in first
    assert "it doesn&#39;t exist" in first
    tree.write({"a": "another\n"})
    build(tree).good()
    second = page.read_text()
    assert "`a&#39; changed" in second
    assert "<code>build/rpms/acme-b-1-1.noarch.rpm</code>" not in second
    row = '<tr><td>Sign</td><td class="number">5</td><td class="number">4</td><td class="number">0</td>'
    assert row + '<td class="number">1</td></tr>' in second


def test_the_timeline_names_what_each_step_was_built_for(tree: Tree) -> None:
    def why(target: str) -> str:
        (said,) = (one["why"] for one in timeline(tree)["ran"] if one["target"] == f"build/{target}")
        return said

    build(tree, report="").good()
    assert why("rpms/acme-a-1-1.noarch.rpm") == "it doesn't exist"
    tree.write({"a": "another\n"}).declare(
        PACK.replace('"acme-a", version="1"', '"acme-a", version="1", release="2"')
    )
    build(tree, report="").good()
    assert why("rpms/acme-a-1-2.noarch.rpm") == "it doesn't exist"
    assert why("packs/acme/index.jsonl") == (
        "`build/records/xenserver-8/RPM-GPG-KEY-Acme/acme-a-1-1.noarch.rpm.json' is no longer a dependency; "
        "`build/records/xenserver-8/RPM-GPG-KEY-Acme/acme-a-1-2.noarch.rpm.json' is a new dependency"
    )
    tree.write({"b": "another\n"}).declare(PACK.replace('"1", summary="b"', '"1", summary="c"'))
    build(tree, report="").good()
    assert why("rpms/acme-b-1-1.noarch.rpm") == '`b\' changed; package.summary: "b" -> "c"'
    for pack in (PACK, PACK.replace("[a, b]", "[b, a]")):
        tree.declare(pack)
        build(tree, report="").good()
    assert why("packs/acme/index.jsonl").startswith("the dependency order changed")


def timeline(tree: Tree) -> Any:
    return json.loads((tree.path / "build/.xspack/timeline-acme.json").read_text())


def test_it_is_no_target(tree: Tree) -> None:
    """A build that makes nothing leaves it alone; one that is lost comes back with what was known of the build."""
    build(tree).good()
    page = tree.path / "build/acme-report.html"
    before, state = page.read_bytes(), page.stat()
    assert build(tree).good().built == set()
    assert page.stat() == state
    page.unlink()
    assert build(tree).good().built == set()
    assert page.read_bytes() == before


def test_the_command_tells_the_same(tree: Tree) -> None:
    build(tree).good()
    key, iso = tree.path / "build/keys/RPM-GPG-KEY-Acme", tree.path / "build/acme-1.0.iso"
    said = xspack("report", iso, "--key", key, "-o", tree.path / "page.html")
    assert (said.status, said.err) == (0, "")
    told, page = (
        file.read_text() for file in (tree.path / "page.html", tree.path / "build/acme-report.html")
    )
    assert "How it was built" in told
    assert told == page


def test_a_baseline_shows_what_changed(tree: Tree) -> None:
    build(tree, "XSPACK_REPORT=0").good()
    old = tree.path / "old.iso"
    (tree.path / "build/acme-1.0.iso").rename(old)
    tree.declare(
        PACK.replace("1.0", "1.1").replace("6661", "6662").replace('"1", summary="a"', '"2", summary="a"')
    )
    build(tree, f"XSPACK_BASELINE={old}").good()
    assert ">Changes since acme 1.0</h2>" in (tree.path / "build/acme-report.html").read_text()


def test_none_where_it_is_not_wanted(tree: Tree) -> None:
    """Nor does that of another ISO stay."""
    build(tree, report="0").good()
    page = tree.path / "build/acme-report.html"
    assert not page.exists()
    build(tree).good()
    assert page.exists()
    tree.write({"a": "another\n"})
    build(tree, report="0").good()
    assert not page.exists()


def test_clean_takes_it(tree: Tree) -> None:
    build(tree).good()
    build(tree, "-c").good()
    assert not (tree.path / "build/acme-report.html").exists()
    build(tree).good()
    tree.scons("-c", ".").good()
    assert tree.files() == {"SConstruct", "a", "b"}


def test_a_page_of_another_iso_does_not_stay(tree: Tree) -> None:
    """Where it cannot be written, that is told, and the status tells it, too."""
    build(tree).good()
    page = tree.path / "build/acme-report.html"
    page.unlink()
    page.mkdir()
    (page / "in the way").touch()
    tree.write({"a": "another\n"})
    ran = build(tree)
    assert ran.status == 2
    assert "xspack: acme-report.html: " in ran.said
    assert (tree.path / "build/acme-1.0.iso").exists()

"""SCons's database is written where something in it changed, and says what SCons would write."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import SCons.dblite
import SCons.SConsign
from trees import HEAD, Tree

from xspack_tool.plan import scons

#: Ages the sources, so that they are read once.
OLD = "import xspack_tool.plan.output_states\nxspack_tool.plan.output_states._OLD = -(10**18)\n"
#: A target of another's, which SCons notes itself.
COPY = 'env.Command("build/copy", ["src/a", "build/rpms/x-1-1.noarch.rpm"], Copy("$TARGET", "$SOURCE"))\n'
#: Has SCons note everything in every build, as it does by itself.
ALL = "import xspack_tool.plan.scons\nxspack_tool.plan.scons._is_noted = lambda node: False\n"
RPM = "build/rpms/x-1-1.noarch.rpm"


def build(tree: Tree, source: str = "a", more: str = "", *words: str) -> set[str]:
    declared = f"""
env.Userspace("x", version="1", arch="noarch", files={{"/opt/a": "src/{source}"}})
env.Depends("{RPM}", "src/tool")
"""
    tree.declare(OLD + declared + more, head=HEAD)
    return tree.scons("build", *words).good().built


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "tree").write({"src/a": "one\n", "src/b": "one\n", "src/tool": "t\n"})
    build(made)
    return made


def state(tree: Tree) -> tuple[int, int]:
    found = (tree.path / ".sconsign.dblite").stat()
    return found.st_ino, found.st_mtime_ns


def content(tree: Tree) -> dict[str, Any]:
    """All that is noted of files that are there, by their folders."""
    table = SCons.dblite.open(str(tree.path / ".sconsign"), "r")
    return {
        f"{place}/{name}": {
            kind: _plain(getattr(entry, kind, None)) for kind in ("ninfo", "binfo")
        }
        for place in sorted(table.keys())
        for name, entry in pickle.loads(table[place]).items()
    }  # fmt: skip


def _plain(info: Any) -> Any:
    if isinstance(info, (list, tuple)):
        return list(map(_plain, info))
    return (
        {key: _plain(value) for key, value in info.__getstate__().items()}
        if hasattr(info, "__slots__")
        else info
    )


def test_a_build_with_nothing_to_do_does_not_write_it(tree: Tree) -> None:
    build(tree)
    before = state(tree)
    for words in ((), ("-j2",), ("-j1",), ("--debug=explain",)):
        assert build(tree, "a", "", *words) == set()
        assert state(tree) == before, words


@pytest.mark.parametrize("change", ["touched", "renamed", "tool", "edited", "nothing"])
def test_it_holds_what_scons_would_note(tree: Tree, change: str) -> None:
    build(tree, "a", COPY)
    source, path = "a", tree.path / "src/a"
    if change == "touched":
        os.utime(path, ns=(1, 1))
    elif change == "renamed":
        source = "b"
    elif change == "tool":
        os.utime(tree.path / "src/tool", ns=(1, 1))
    elif change == "edited":
        path.write_text("two\n")
    build(tree, source, COPY)
    ours = content(tree)
    build(tree, source, ALL + COPY)
    assert ours == content(tree)


def test_the_bytes_are_those_that_scons_writes(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tree, "a", COPY)
    for module, name in scons._NOTES:
        kind = getattr(module, name)
        monkeypatch.setattr(kind, "__getstate__", kind.__getstate__)  # as it is outside of a build of ours
    table = SCons.dblite.open(str(tree.path / ".sconsign"), "r")
    read = {place: pickle.loads(table[place]) for place in sorted(table.keys())}
    before = {place: pickle.dumps(entries, 4) for place, entries in read.items()}
    scons.note_quickly()
    assert {place: pickle.dumps(entries, 4) for place, entries in read.items()} == before
    assert before["build/rpms"] and before["src"]


def test_a_note_of_another_kind_is_left_to_scons(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(SCons.Node.NodeInfoBase):  # type: ignore[misc]  # it has no types
        __slots__ = ("__dict__", "here")

    class More(SCons.Node.NodeInfoBase):  # type: ignore[misc]
        __slots__ = ("here",)

        def __getstate__(self) -> dict[str, Any]:
            return {**super().__getstate__(), "more": 1}

    inner = SCons.Node.NodeInfoBase.__getstate__
    monkeypatch.setattr(SCons.Node.NodeInfoBase, "__getstate__", inner)
    scons.note_quickly()
    other, more = Other(), More()
    other.here, other.there, more.here = 1, 2, 3
    assert list(other.__getstate__().items()) == list(inner(other).items())
    assert {"there": 2, "here": 1}.items() <= other.__getstate__().items()
    assert more.__getstate__() == {"here": 3, "_version_id": 2, "more": 1}

"""A source that is as it was when SCons read it is not read again, however young it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trees import HEAD, Tree

#: Says which sources are opened.
HEARD = """
import os, sys
import xspack_tool.plan.output_states
xspack_tool.plan.output_states._OLD = {old}
def heard(event, words):
    if event == "open" and str(words[0]).startswith(os.getcwd() + "/src/"):
        print("reads", os.path.basename(words[0]))
sys.addaudithook(heard)
"""
ALWAYS, NEVER = -(10**18), 10**18


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree").write({"src/a": "one\n", "src/b": "b\n"})


def build(tree: Tree, old: int = ALWAYS, *words: str) -> tuple[set[str], set[str]]:
    """The sources that were read, and what was built."""
    declared = (
        'env.Userspace("x", version="1", arch="noarch", files={"/opt/a": "src/a", "/opt/b": "src/b"})\n'
    )
    tree.declare(HEARD.format(old=old) + declared, head=HEAD)
    ran = tree.scons("build/rpms", *words).good()
    read = {line.removeprefix("reads ") for line in ran.said.splitlines() if line.startswith("reads ")}
    return read, ran.built


RPM = {"build/rpms/x-1-1.noarch.rpm"}


def test_it_is_read_once(tree: Tree) -> None:
    assert build(tree) == ({"a", "b"}, RPM)
    assert build(tree) == (set(), set())
    (tree.path / "build/.xspack/states.json").unlink()
    assert build(tree) == ({"a", "b"}, set())
    assert build(tree) == (set(), set())


def test_any_change_is_seen(tree: Tree) -> None:
    """Of as many bytes, with the time that it had, in the same file or in another of its name."""
    build(tree)
    source = tree.path / "src/a"
    for number, content in enumerate(("two\n", "six\n", "ten\n")):
        before = source.stat()
        if number % 2:
            source.with_name("new").write_text(content)
            source.with_name("new").replace(source)
        else:
            source.write_text(content)
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert build(tree)[1] == RPM
        assert build(tree) == (set(), set())


def test_what_was_young_when_it_was_read_is_read_again(tree: Tree) -> None:
    """Its disk may keep times by the second."""
    build(tree, NEVER)
    assert build(tree, NEVER) == ({"a", "b"}, set())
    assert build(tree, ALWAYS) == ({"a", "b"}, set())
    assert build(tree, NEVER) == (set(), set())


def test_only_looking_notes_nothing(tree: Tree) -> None:
    build(tree, NEVER)
    assert build(tree, ALWAYS, "-n") == ({"a", "b"}, set())
    assert build(tree, NEVER) == ({"a", "b"}, set())


def test_another_kind_of_digest(tree: Tree) -> None:
    assert build(tree, ALWAYS, "--hash-format=sha256") == ({"a", "b"}, RPM)
    assert build(tree, ALWAYS, "--hash-format=sha256") == (set(), set())
    assert build(tree, ALWAYS, "--hash-format=md5")[0] == {"a", "b"}
    assert build(tree, ALWAYS, "--hash-format=md5") == (set(), set())

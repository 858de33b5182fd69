"""What a declaration names, as files: folders file by file, links, several files, what is still to be built."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import SCons.Environment
from support import need
from trees import Tree

from xspack_tool.plan.sources import TreeItem, walk

HEAD = 'env = Environment(tools=["default", "xspack"], XSPACK_TARGET="local", XSPACK_LICENSE="MIT")\n'


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("rpmbuild", "rpm")
    return Tree(tmp_path / "tree").write(
        {"a.txt": "a", "b.txt": "b", "share/one": "1", "share/deep/two": "2"}
    )


def payload(tree: Tree, name: str = "x") -> list[str]:
    """Mode, path and link target of each file of the RPM."""
    rpm = next((tree.path / "build/rpms").glob(f"{name}-*.rpm"))
    form = "[%{FILEMODES:octal} %{FILENAMES} %{FILELINKTOS}\n]"
    argv = ["rpm", "-qp", "--nosignature", "--queryformat", form, rpm]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [line.rstrip() for line in said.splitlines()]


def build(tree: Tree, files: str, head: str = HEAD, more: str = "") -> list[str]:
    tree.declare(f'env.Userspace("x", version="1", files={files})\n{more}', head=head)
    tree.scons().good()
    return payload(tree)


def test_a_folder_file_by_file(tree: Tree) -> None:
    (tree.path / "share/empty/inner").mkdir(parents=True)
    (tree.path / "share/link").symlink_to("deep/two")
    (tree.path / "share/away").symlink_to("/nonexistent")
    (tree.path / "share/folder").symlink_to("deep")
    (tree.path / "share/one").chmod(0o750)
    assert build(tree, '{"/opt/x": "share"}') == [
        "40755 /opt/x",
        "120777 /opt/x/away /nonexistent",
        "40755 /opt/x/deep",
        "100644 /opt/x/deep/two",
        "40755 /opt/x/empty",
        "40755 /opt/x/empty/inner",
        "120777 /opt/x/folder deep",
        "120777 /opt/x/link deep/two",
        "100755 /opt/x/one",
    ]
    assert tree.scons().good().built == set()


RPM = {"build/rpms/x-1-1.x86_64.rpm"}


@pytest.mark.parametrize(
    "change",
    [
        lambda top: (top / "one").write_text("other"),
        lambda top: (top / "one").chmod(0o755),
        lambda top: (top / "deep/new").write_text("new"),
        lambda top: (top / "deep/two").unlink(),
        lambda top: (top / "deep/two").rename(top / "deep/three"),
        lambda top: (top / "empty/inner").rmdir(),
        lambda top: (top / "another").mkdir(),
        lambda top: [(top / "link").unlink(), (top / "link").symlink_to("deep")],
        lambda top: [(top / "link").unlink(), (top / "link").write_text("1")],
    ],
    ids=["content", "mode", "new", "gone", "renamed", "no folder", "folder", "link", "link to file"],
)
def test_no_change_in_a_folder_is_missed(tree: Tree, change: object) -> None:
    (tree.path / "share/empty/inner").mkdir(parents=True)
    (tree.path / "share/link").symlink_to("one")
    before = build(tree, '{"/opt/x": env.Dir("share")}')
    change(tree.path / "share")  # type: ignore[operator]
    assert tree.scons().good().built == RPM
    after = payload(tree)
    assert tree.scons().good().built == set()
    assert after != before or change is None or (tree.path / "share/one").read_text() == "other"


def test_what_is_built_in_a_folder_is_part_of_it(tree: Tree) -> None:
    """Even before it is there for the first time, and wherever its builder is declared."""
    made = 'env.Command("share/made", "a.txt", [Copy("$TARGET", "$SOURCE"), Chmod("$TARGET", 0o755)])\n'
    found = build(tree, '{"/opt/x": env.Dir("share")}', head=HEAD + made)
    assert "100755 /opt/x/made" in found
    assert tree.scons().good().built == set()


def test_a_built_file_may_be_declared_later(tree: Tree) -> None:
    made = 'env.Command("late", "a.txt", Copy("$TARGET", "$SOURCE"))\n'
    assert build(tree, '{"/opt/late": "late"}', more=made)[-1] == "100644 /opt/late"


def test_several_files_go_below_the_destination(tree: Tree) -> None:
    assert build(tree, '{"/opt/x": env.Glob("*.txt"), "/opt/y/": "a.txt", "/opt/z/": env.Dir("share")}') == [
        *("40755 /opt/x", "100644 /opt/x/a.txt", "100644 /opt/x/b.txt"),
        *("40755 /opt/y", "100644 /opt/y/a.txt"),
        *("40755 /opt/z", "40755 /opt/z/deep", "100644 /opt/z/deep/two", "100644 /opt/z/one"),
    ]


def test_one_file_in_two_places_with_modes_of_their_own(tree: Tree) -> None:
    files = '{"/opt/x/a": env.XsFile("a.txt", mode=0o600), "/opt/x/b": "a.txt", "/opt/x/c": env.XsLink("a")}'
    assert build(tree, files)[1:] == ["100600 /opt/x/a", "100644 /opt/x/b", "120777 /opt/x/c a"]


def test_special_files_are_named(tree: Tree) -> None:
    """A socket or a pipe can be in no package; leaving it out silently would be a surprise."""
    os.mkfifo(tree.path / "share/pipe")
    tree.declare('env.Userspace("x", version="1", files={"/opt/x": "share"})\n', head=HEAD)
    rule = "neither file, folder nor link"
    assert tree.scons().refused() == [
        f"SConstruct:2: Userspace 'x': files='share/pipe': {rule}; remove it, or name the files one by one"
    ]


def test_a_name_that_is_no_text_is_named(tree: Tree) -> None:
    os.rename(tree.path / "share/one", os.fsencode(tree.path / "share") + b"/\xff")
    tree.declare('env.Userspace("x", version="1", files={"/opt/x": "share"})\n', head=HEAD)
    (said,) = tree.scons().refused()
    assert said.endswith("a path is UTF-8 without control characters; rename it")


def test_what_is_built_into_a_folder_is_no_part_of_it(tree: Tree) -> None:
    """The top of a tree as payload: neither what xspack builds there, nor what SCons and git keep there."""
    (tree.path / ".git").mkdir()
    (tree.path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    first = build(tree, '{"/opt/x": "."}')
    assert tree.scons().good().built == set()
    assert [line for line in first if "/build" in line or "/.git" in line or "/.scons" in line] == []
    assert "100644 /opt/x/a.txt" in first


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    env = SCons.Environment.Environment(tools=[], XSPACK_OUT="build")
    assert walk(env, env.Dir(str(tmp_path / "gone"))) == [TreeItem("", wrong="No such file or directory")]


def test_what_was_found_out_is_remembered(tree: Tree) -> None:
    """A prebuilt RPM is read once, and again when it is another file."""
    need("rpmbuild")
    build(tree, '{"/opt/x": "a.txt"}')
    (tree.path / "given").mkdir()
    (tree.path / "build/rpms/x-1-1.x86_64.rpm").rename(tree.path / "given/x.rpm")
    tree.declare('env.PrebuiltRpm("given/x.rpm")\n', head=HEAD)
    assert tree.scons().good().built == RPM
    facts = tree.path / "build/.xspack/facts.json"
    kept, stamp = facts.read_text(), facts.stat().st_mtime_ns
    assert '"name": "x"' in kept
    assert tree.scons().good().built == set()
    assert facts.stat().st_mtime_ns == stamp
    # Nonsense in there costs time only.
    facts.write_text("{")
    assert tree.scons().good().built == set()
    facts.unlink()
    assert tree.scons().good().built == set()
    # Another RPM under the same name.
    other = Tree(tree.path.parent / "other").write({"a.txt": "other"})
    build(other, '{"/opt/x": "a.txt"}')
    (other.path / "build/rpms/x-1-1.x86_64.rpm").replace(tree.path / "given/x.rpm")
    assert tree.scons().good().built == RPM


def test_explain_names_the_field_that_changed(tree: Tree) -> None:
    build(tree, '{"/opt/x": "a.txt"}')
    tree.declare('env.Userspace("x", version="1", summary="new", files={"/opt/x": "a.txt"})\n', head=HEAD)
    (tree.path / "a.txt").write_text("changed")
    said = tree.scons("--debug=explain").good().said
    assert "scons: rebuilding `build/rpms/x-1-1.x86_64.rpm' because" in said
    assert "`a.txt' changed\n" in said
    assert '           package.summary: "x for XenServer hosts" -> "new"\n' in said

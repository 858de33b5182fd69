"""A tree with sources, and the RPM that is made of them: ``from payloads import build, tree``."""

from __future__ import annotations

from pathlib import Path

import pytest
from rpm_asked import payload, query
from support import need
from trees import Tree

HEAD = 'env = Environment(tools=["default", "xspack"], XSPACK_TARGET="local", XSPACK_LICENSE="MIT")\n'
RPM = {"build/rpms/x-1-1.x86_64.rpm"}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("rpmbuild", "rpm")
    return Tree(tmp_path / "tree").write(
        {"a.txt": "a", "b.txt": "b", "share/one": "1", "share/deep/two": "2"}
    )


def rpm_of(tree: Tree, name: str = "x") -> Path:
    return next((tree.path / "build/rpms").glob(f"{name}-*.rpm"))


def modes(tree: Tree, name: str = "x") -> list[str]:
    """Mode, path and link target of each file of the RPM."""
    found = query(rpm_of(tree, name), "[%{FILEMODES:octal} %{FILENAMES} %{FILELINKTOS}\n]")
    return [line.rstrip() for line in found]


def content(tree: Tree, path: str) -> str:
    """The text of a file of the RPM."""
    return payload(rpm_of(tree))[path].decode()


def build(tree: Tree, files: str, head: str = HEAD, more: str = "") -> list[str]:
    tree.declare(f'env.Userspace("x", version="1", files={files})\n{more}', head=head)
    tree.scons().good()
    return modes(tree)

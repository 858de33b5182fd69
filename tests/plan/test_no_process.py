"""Which programs a build starts, by the kernel's word: gpg's for its key and its agent, and none for a package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import need
from trees import Tree

from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.signing.home import MARK, end_agent
from xspack_tool.signing.keys import make_test_key

DECLARED = """\
names = ["p%d" % number for number in range(COUNT)]
packages = [env.Userspace(
    name, version="1", files={
        "/opt/%s/tool" % name: "tool.sh", "/opt/%s/x.py" % name: "program" if number == 1 else "x.py",
    },
    config={"/etc/%s.conf" % name: "x.conf"},
    requires=["bash >= 4"], changelog=["2026-11-20 A <a@b.example> 1-1\\n- x"],
) for number, name in enumerate(names)]
env.Pack("p", version="1", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="d", packages=packages,
         key=env.TestKey("KEY"))
"""
FILES = {
    "tool.sh": "#!/bin/sh\necho tool\n",
    "x.py": "#!/usr/bin/python3\nprint('x')\n",
    "x.conf": "a = 1\n",
    "acme@.service": "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n",
}


def started(tree: Tree, folder: Path) -> list[str]:
    """The programs that a build of ``tree`` starts, without those that gpg itself and its agent do."""
    log = folder / "strace"
    words = ["strace", "-f", "-qq", "-e", "trace=execve", "-e", "status=successful", "-o", log]
    scons = [sys.executable, Path(sys.executable).parent / "scons", "-Q", "pack"]
    done = subprocess.run([*words, *scons], cwd=tree.path, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    programs = re.findall(r'execve\("[^"]*?([^/"]+)", \[([^\n]*?)\]', log.read_text())
    return [program for program, _ in programs][1:]


@pytest.mark.parametrize("writer", ["xspack", "rpmbuild"])
def test_no_program_for_a_package(tmp_path: Path, writer: str) -> None:
    """Three packages or nine, one with a program: the same are started. The other writer shows that this would tell."""
    need("strace", "gpg", "gcc", "rpmbuild")
    counts = []
    for count in (3, 9):
        tree = Tree(tmp_path / f"tree{count}").write(FILES)
        shutil.copy("/bin/true", tree.path / "program")
        tree.declare(f"COUNT = {count}\nenv['XSPACK_WRITER'] = {writer!r}\n{DECLARED}")
        counts.append(sorted(started(tree, tmp_path)))
    if writer == "rpmbuild":
        assert counts[1].count("rpmbuild") - counts[0].count("rpmbuild") == 6
    else:
        assert counts[0] == counts[1]
        assert {name for name in counts[1] if not name.startswith("gpg")} <= {"ldconfig", "sh"}, counts[1]


def test_a_changed_file_starts_no_program(tmp_path: Path, short_dir: Path) -> None:
    """gpg told of the key in the first build; its agent runs."""
    need("strace", "gpg")
    tree, home = Tree(tmp_path / "tree").write(FILES), short_dir / "gnupg"
    make_test_key(home, tree.path / "KEY", "KEY", CONSTANT_TIME)
    (home / MARK).unlink()  # as a key that stays, whose agent does
    shutil.copy("/bin/true", tree.path / "program")
    key = f"COUNT = 3\nenv['XSPACK_GNUPGHOME'] = {str(home)!r}\n"
    tree.declare(key + DECLARED.replace('env.TestKey("KEY")', '"KEY"'))
    try:
        assert "gpg" in started(tree, tmp_path)
        tree.write({"tool.sh": "#!/bin/sh\necho another\n"})
        assert started(tree, tmp_path) == []
    finally:
        end_agent(home)

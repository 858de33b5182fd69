"""Debug data of programs: apart from them, where gdb finds it, the same in each build."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from forge import program, sections
from rpm_asked import unpack
from support import need
from trees import Tree

SOURCE = "int add(int a) { return a + 1; }\nint main(int argc, char **argv) { return add(argc) - 2; }\n"
USERSPACE = """\
agent = env.Userspace("acme", version="1", files={files}, debuginfo=True{more})
env.Pack("disk", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e22", description="d", packages=agent,
         unsigned=True, waive={{"B4": "of this machine's libc"}})
"""
RPMS = ["build/rpms/acme-1-1.x86_64.rpm", "build/rpms/acme-debuginfo-1-1.x86_64.rpm"]
HEAD = 'env = Environment(tools=["default", "xspack"], XSPACK_LICENSE="MIT", CCFLAGS="-g")\n'
MADE = '{"/opt/acme/bin/agent": env.Program("agent", "agent.c"), "/opt/acme/agent.c": "agent.c"}'


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("gcc", "strip")
    return Tree(tmp_path / "tree").write({"agent.c": SOURCE})


def laid(tree: Tree) -> Path:
    """What both RPMs hold."""
    root = tree.path.parent / "root"
    for rpm in RPMS:
        unpack(tree.path / rpm, root)
    return root


def test_gdb_finds_it_by_path_and_by_id(tree: Tree) -> None:
    need("gdb")
    tree.declare(USERSPACE.format(files=MADE, more=""), HEAD).scons("pack").good()
    root = laid(tree)
    agent = root / "opt/acme/bin/agent"
    assert not {".symtab", ".debug_info", ".debug_line"} & sections(agent)
    assert agent.stat().st_mode & 0o777 == 0o755
    assert (root / "opt/acme/agent.c").read_text() == SOURCE
    debug = root / "usr/lib/debug"
    assert ".debug_info" in sections(debug / "opt/acme/bin/agent.debug")
    links = [path for path in debug.glob(".build-id/*/*") if path.is_symlink()]
    assert {path.resolve() for path in links} == {agent, debug / "opt/acme/bin/agent.debug"}
    ask = ["gdb", "-batch", "-nx", "-iex", f"set debug-file-directory {debug}", "-ex", "info line add", agent]
    by_id = subprocess.run(ask, capture_output=True, text=True)
    assert 'Line 1 of "agent.c"' in by_id.stdout, by_id.stdout + by_id.stderr
    shutil.rmtree(debug / ".build-id")
    shutil.copy(
        debug / "opt/acme/bin/agent.debug", agent.parent
    )  # gdb looks beside it by the debuglink alone
    by_name = subprocess.run(ask, capture_output=True, text=True)
    assert 'Line 1 of "agent.c"' in by_name.stdout, by_name.stdout + by_name.stderr


def test_no_pack_holds_it_and_rpm_takes_both(tree: Tree) -> None:
    need("rpm")
    tree.declare(USERSPACE.format(files=MADE, more=""), HEAD).scons("pack").good()
    assert {name for name in tree.files("build/packs") if "debuginfo" in name} == set()
    check = [
        "rpm",
        "--nodeps",
        "--test",
        "-i",
        "--root",
        tree.path.parent,
        *(tree.path / rpm for rpm in RPMS),
    ]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = subprocess.run(["rpm", "-qp", "--provides", tree.path / RPMS[1]], capture_output=True, text=True)
    assert "debuginfo(build-id) = " in said.stdout
    assert tree.scons("pack").good().built == set()


@pytest.mark.parametrize("writer", ["xspack", "rpmbuild"])
def test_the_same_bytes_elsewhere(tree: Tree, tmp_path: Path, writer: str) -> None:
    need("rpmbuild")
    files = '{"/opt/acme/bin/agent": "agent", "/opt/acme/bin/again": "agent"}'
    built = program("-g", "-Wl,--build-id")
    made = []
    for name in ("one", "another folder"):
        there = Tree(tmp_path / name).write({"agent": built})
        (there.path / "agent").chmod(0o755)
        there.declare(USERSPACE.format(files=files, more=""), HEAD)
        there.scons(*RPMS, f"XSPACK_WRITER={writer}").good()
        made.append([(there.path / rpm).read_bytes() for rpm in RPMS])
    assert made[0] == made[1]


def test_programs_of_a_folder_that_the_build_fills(tree: Tree) -> None:
    files = '{"/opt/acme": env.Dir("stage")}'
    later = 'env.InstallVersionedLib("stage", env.SharedLibrary("acme", "agent.c", SHLIBVERSION="1.2"))\n'
    tree.declare(USERSPACE.format(files=files, more="") + later, HEAD).scons(*RPMS).good()
    root = laid(tree)
    assert (root / "opt/acme/libacme.so").is_symlink()
    assert ".symtab" not in sections(root / "opt/acme/libacme.so.1.2")
    assert ".debug_info" in sections(root / "usr/lib/debug/opt/acme/libacme.so.1.2.debug")


@pytest.mark.parametrize("kind", ["text", "stripped", "damaged"])
def test_what_has_no_debug_data(tree: Tree, kind: str) -> None:
    content = {"text": b"text\n", "stripped": program("-s"), "damaged": program("-g")[:3000]}[kind]
    tree.write({"agent": content})
    ran = tree.declare(USERSPACE.format(files='{"/opt/acme/agent": "agent"}', more=""), HEAD).scons(*RPMS)
    said = "acme: debuginfo=True, and no program or library in it has debug data; compile with -g, or leave"
    assert ran.status == 2 and said in ran.said
    assert tree.files("build/rpms") == set()


def test_a_package_for_every_machine_has_none(tree: Tree) -> None:
    tree.declare(USERSPACE.format(files=MADE, more=', arch="noarch"'), HEAD)
    (said,) = tree.scons("pack").refused()
    assert said == (
        "SConstruct:2: Userspace 'acme': debuginfo=True: a package without an architecture has no programs to take "
        "debug data from; leave out arch= or debuginfo="
    )

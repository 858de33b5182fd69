"""A mistake stops what needs its declaration, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import need
from trees import Ran, Tree

from xspack_tool.hosts.reading import open_pack

ALL = 'env.Alias("all", env.Command("app.out", "app.txt", Copy("$TARGET", "$SOURCE")))\n'
GOOD = """\
good = env.Userspace("good", version="1", arch="noarch", files={"/opt/good": "app.txt"})
env.Pack("fine", version="1", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="d", packages=[good], key=None,
         unsigned=True)
"""
BAD = """\
bad = env.Userspace("bad", version="1", arch="noarch", files={"/opt/bad": "app.txt"}, sumary="x")
env.Pack("broken", version="1 2", uuid="9a1f0f0e-1111-4222-8333-444455556662", description="d", packages=[bad],
         key=None, unsigned=True)
"""
TOLD = [
    "SConstruct:5: Userspace 'bad': sumary='x': unknown keyword; did you mean 'summary'?",
    "SConstruct:6: Pack 'broken': version='1 2': not a version without a blank",
]
LATE = "SConstruct:5: Userspace 'late': files='gone.txt': "
ASIDE = "xspack: not asked for, and not right: Userspace 'bad' and 1 more\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("rpmbuild")
    return Tree(tmp_path / "tree").write({"app.txt": "app\n"}).declare(GOOD + BAD + ALL)


def mistakes(ran: Ran) -> list[str]:
    return [line.partition(";")[0] for line in ran.refused()]


@pytest.mark.parametrize("asked", ["all", "app.out"])
def test_what_needs_no_pack_is_built(tree: Tree, asked: str) -> None:
    ran = tree.scons(asked).good()
    assert (tree.path / "app.out").read_text() == "app\n"
    assert ran.said.endswith(ASIDE)
    assert ran.said.count("xspack:") == 1


@pytest.mark.parametrize("asked", ["pack", "pack:broken", "check", ".", "build"])
def test_what_needs_it_is_refused_with_all_mistakes(tree: Tree, asked: str) -> None:
    said = tree.scons(asked).refused()
    assert len(said) == 2
    assert said[0] == TOLD[0]
    assert said[1].startswith("SConstruct:6: Pack 'broken': version='1 2': ")


def test_a_pack_beside_a_faulty_one_is_built(tree: Tree) -> None:
    ran = tree.scons("pack:fine").good()
    assert open_pack(tree.path / "build/fine-1.iso").document is not None
    assert ran.said.endswith(ASIDE)


def test_keep_going_builds_the_rest(tree: Tree) -> None:
    for jobs in ("-j1", "-j2"):
        ran = tree.scons("-k", jobs, "pack", "all")
        assert ran.status == 2
        assert len(ran.mistakes) == 2
        assert "2 mistakes in the declarations, the rest is built\n" in ran.said
        assert "cycle" not in ran.said
        assert (tree.path / "build/fine-1.iso").is_file()
        assert (tree.path / "app.out").is_file()
        assert not (tree.path / "build/broken-1.iso").exists()
        assert tree.scons("-c", ".").status == 0


def test_an_older_output_of_what_is_faulty_now_is_not_up_to_date(tree: Tree) -> None:
    tree.declare(GOOD + ALL)
    tree.scons("build/fine-1.iso").good()
    tree.declare(GOOD.replace("description", "descriptoin") + ALL)
    assert tree.scons("build/fine-1.iso").refused()


def test_to_remove_takes_no_right_declaration(tree: Tree) -> None:
    tree.scons("all").good()
    assert "Removed app.out" in tree.scons("-c").good().said
    assert tree.scons("-c", "pack").good().status == 0


def test_what_needs_a_faulty_package_is_faulty(tree: Tree) -> None:
    more = 'env.Alias("copy", env.Install("out", bad))\n'
    tree.declare(GOOD + BAD + ALL + more)
    assert tree.scons("copy").refused() == TOLD[:1]


def test_a_source_that_is_missing_stops_its_package_alone(tree: Tree) -> None:
    tree.declare(GOOD + 'env.Userspace("late", version="1", files={"/opt/x": "gone.txt"})\n' + ALL)
    tree.scons("all", "pack").good()
    assert tree.scons("build/rpms/late-1-1.x86_64.rpm").refused() == [
        f"{LATE}no such file, and nothing builds it; make it, or correct the name"
    ]


def test_a_pack_is_built_without_rpm(tree: Tree, tmp_path: Path) -> None:
    """A shell for sh -n is enough for an unsigned pack of declarations."""
    tree.declare(GOOD + ALL)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to(shutil.which("sh") or "sh")
    site = Path(sys.executable).parent / "scons"
    done = subprocess.run(
        [sys.executable, site, "-Q", "pack"],
        cwd=tree.path,
        env={**os.environ, "PATH": str(programs)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tree.path / "build").glob("*.iso"))


def test_without_rpmbuild_gpg_and_key(tree: Tree, tmp_path: Path) -> None:
    """A machine with Python and a shell alone."""
    key = 'key="RPM-GPG-KEY-Acme")\n'
    tree.declare(
        GOOD
        + GOOD.replace("good", "two")
        .replace("fine", "f2")
        .replace("661", "669")
        .replace("key=None,\n         unsigned=True)\n", key)
        + ALL
    )
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "cp"):
        (programs / name).symlink_to(shutil.which(name) or name)
    site = Path(sys.executable).parent / "scons"
    for words, status in ((["all"], 0), (["-c"], 0), (["pack"], 2)):
        done = subprocess.run(
            [sys.executable, site, "-Q", *words],
            cwd=tree.path,
            env={**os.environ, "PATH": str(programs)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        if status:
            assert "rpm" not in done.stderr.replace("RPM", "")
            assert "  gpg is needed: " in done.stderr
            assert "key='RPM-GPG-KEY-Acme'" in done.stderr


def test_aliases_are_there_without_a_word(tree: Tree) -> None:
    tree.declare(GOOD)
    said = tree.real_scons("-h").good().said
    for name in ("pack", "pack:fine", "check"):
        assert f"scons {name.replace('fine', '<label>')} " in said
        tree.scons(name).good()
    assert (tree.path / "build/fine-1.iso").is_file()


def test_an_alias_of_the_users_own_is_left_alone(tree: Tree) -> None:
    tree.declare(GOOD + 'env.Alias("pack", env.Command("p.out", "app.txt", Copy("$TARGET", "$SOURCE")))\n')
    tree.scons("pack").good()
    assert (tree.path / "p.out").is_file()
    assert not (tree.path / "build/fine-1.iso").exists()

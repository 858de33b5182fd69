"""A mistake stops what needs its declaration, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import need, need_root
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
    (mistake,) = tree.scons("build/rpms/late-1-1.x86_64.rpm").refused()
    assert mistake.startswith(f"{LATE}not found, ")


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


def test_where_no_rpm_is_installed_nothing_is_said_of_it(tree: Tree) -> None:
    """The librpm in createrepo_c's wheel looks for rpm's settings as it is loaded."""
    need_root()
    need("unshare")
    tree.declare(GOOD + ALL)
    words = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs none /usr/lib/rpm && exec "$@"',
        "sh",
        sys.executable,
    ]
    words += [Path(sys.executable).parent / "scons", "-Q", "pack"]
    done = subprocess.run(words, cwd=tree.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/usr/lib/rpm" not in done.stdout + done.stderr
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


def test_without_glib_its_package_is_named(tree: Tree) -> None:
    """createrepo_c's wheel is linked with it, and a small Debian has none."""
    need_root()
    need("unshare")
    maps = subprocess.run(
        [sys.executable, "-c", "import createrepo_c; print(open('/proc/self/maps').read())"],
        capture_output=True,
        text=True,
        check=True,
    )
    (library,) = set(re.findall(r"\S*/libgobject-2\.0\.so\S*", maps.stdout))
    site = Path(sys.executable).parent
    hidden = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        f'mount --bind /dev/null {library} && exec "$@"',
        "sh",
        sys.executable,
    ]
    tree.declare(GOOD + ALL)
    for words, status in (([site / "scons", "-Q", "all"], 0), ([site / "scons", "-Q", "pack"], 2)):
        done = subprocess.run([*hidden, *words], cwd=tree.path, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
    wanted = "libgobject-2.0.so.0 is needed: apt-get install libglib2.0-0 (EL: dnf install glib2)"
    assert wanted in done.stderr and "it is needed for the index of a pack" in done.stderr
    assert "Traceback" not in done.stderr and "Index " not in done.stdout
    tree.scons("build/rpms/good-1-1.noarch.rpm").good()
    words = ["--label", "fine", "--version", "1", "--uuid", "9a1f0f0e-1111-4222-8333-444455556661", "-d", "d"]
    words = [site / "build-update", *words, "-o", "fine.iso", "build/rpms/good-1-1.noarch.rpm"]
    done = subprocess.run([*hidden, *words], cwd=tree.path, capture_output=True, text=True)
    assert done.returncode == 1 and wanted in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not (tree.path / "fine.iso").exists()


def test_aliases_are_there_without_a_word(tree: Tree) -> None:
    tree.declare(GOOD)
    said = tree.real_scons("-h").good().said
    for name in ("pack", "pack:fine", "check"):
        assert f"  scons {name}" in said
        tree.scons(name).good()
    assert (tree.path / "build/fine-1.iso").is_file()


def test_an_alias_of_the_users_own_is_left_alone(tree: Tree) -> None:
    tree.declare(GOOD + 'env.Alias("pack", env.Command("p.out", "app.txt", Copy("$TARGET", "$SOURCE")))\n')
    tree.scons("pack").good()
    assert (tree.path / "p.out").is_file()
    assert not (tree.path / "build/fine-1.iso").exists()


def test_aliases_are_what_an_earlier_statement_means(tree: Tree) -> None:
    tree.declare('env.Default("pack")\nenv.Alias("both", ["pack:fine", "app.out"])\n' + GOOD + ALL)
    tree.scons("both").good()
    assert (tree.path / "build/fine-1.iso").is_file()
    assert (tree.path / "app.out").is_file()
    assert tree.scons().good().built == set()
    tree.scons("-c").good()
    assert not (tree.path / "build/fine-1.iso").exists()


@pytest.mark.parametrize("before", [True, False])
def test_what_the_user_builds_under_these_names_is_left_alone(tree: Tree, before: bool) -> None:
    """A program `check`, a folder `pack`; also where a pack has mistakes."""
    own = 'env.Command("check", "app.txt", Copy("$TARGET", "$SOURCE"))\nenv.Install("pack", "app.txt")\n'
    tree.declare(own + GOOD + BAD if before else GOOD + BAD + own)
    tree.scons("check", "pack").good()
    assert tree.files("pack") == {"app.txt"}
    assert (tree.path / "check").read_text() == "app\n"
    assert not any(name.endswith((".rpm", ".iso")) for name in tree.files("build"))


def test_an_alias_check_of_the_users_own_needs_no_pack(tree: Tree) -> None:
    """Findings of an earlier build do not make it fail, either."""
    failing = 'from xspack_tool.rules.finding import Hit\nenv.XsRule("ACME1", "E", meaning="m", remedy="r", '
    failing += 'check=lambda context: [Hit("x", "no")])\n'
    tree.declare(failing + GOOD)
    assert tree.scons("check").status == 2
    tests = 'env.Alias("check", env.Command("t.out", "app.txt", Copy("$TARGET", "$SOURCE")))\n'
    tree.declare(failing + GOOD + BAD + tests)
    assert tree.scons("check").good().built == set()
    assert (tree.path / "t.out").is_file()
    ran = tree.scons("check:fine")
    assert ran.status == 2
    assert "E ACME1 fine: good-1-1.noarch.rpm: x: no; r" in ran.said
    assert tree.scons("check:broken").refused()


def test_an_output_of_an_earlier_build_is_not_taken_for_one_of_today(tree: Tree) -> None:
    """A file that is named where its declaration is faulty, or gone: never what was built some day."""
    uses = 'env.Alias("dist", env.Install("dist", "build/rpms/good-1-1.noarch.rpm"))\n'
    tree.declare(GOOD + uses)
    tree.scons("dist").good()
    tree.declare(GOOD.replace("files", "fiels") + uses)
    (tree.path / "dist/good-1-1.noarch.rpm").unlink()
    said = "SConstruct:2: Userspace 'good': fiels={'/opt/good': 'app.txt'}: unknown keyword"
    assert mistakes(tree.scons("dist")) == [said]
    assert not (tree.path / "dist/good-1-1.noarch.rpm").exists()
    own = 'own = env.Userspace("own", version="1", target="own.rpm"{})\nenv.Install("dist", "own.rpm")\n'
    tree.declare(own.format(""))
    tree.scons("dist").good()
    tree.declare(own.format(', sumary="x"'))
    assert len(tree.scons("dist").refused()) == 1


@pytest.mark.parametrize(
    ("words", "cwd", "is_refused"),
    [
        (["-u"], "sub", True),
        (["-u"], "good", False),
        (["-U"], "sub", True),
        (["-U"], "good", False),
        (["-D"], "good", True),
        (["-u", "bad.out"], "sub", True),
        (["-u", "good.out"], "good", False),
    ],
)
def test_from_a_folder_below(tree: Tree, words: list[str], cwd: str, is_refused: bool) -> None:
    make = 'env.Default(env.Command("{}.out", {}, Copy("$TARGET", "$SOURCE")))\n'
    tree.write(
        {
            "good/SConscript": 'Import("env")\n' + make.format("good", '"#app.txt"'),
            "sub/SConscript": 'Import("env")\nbad = env.Userspace("bad", version="1", sumary="x")\n'
            + make.format("bad", "bad"),
        }
    )
    tree.declare('SConscript(["good/SConscript", "sub/SConscript"], exports="env")\n')
    ran = tree.scons(*words, cwd=cwd)
    assert (ran.status, len(ran.mistakes)) == ((2, 1) if is_refused else (0, 0)), ran.said
    assert (tree.path / "good/good.out").exists() is not is_refused


def test_help_tells_of_the_aliases_that_there_are(tree: Tree) -> None:
    tree.declare('env.Userspace("good", version="1", files={"/opt/good": "app.txt"})\n')
    assert "scons pack" not in tree.scons("-h").good().said
    tree.declare(GOOD + BAD)
    said = tree.scons("-h").good().said
    assert [line.split("  ")[1] for line in said.splitlines() if line.startswith("  scons ")] == [
        *("scons pack", "scons check"),
        *("scons pack:fine", "scons check:fine", "scons pack:broken", "scons check:broken"),
    ]

"""Construction variables: which there are, and whose value holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pack_maker import program
from rpm_asked import asked
from support import need
from trees import Tree

GOOD = """\
good = env.Userspace("good", version="1", arch="noarch", files={"/opt/good": "app.txt"})
env.Pack("fine", version="1", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="d", packages=[good], key=None,
         unsigned=True)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("rpmbuild", "createrepo_c")
    return Tree(tmp_path / "tree").write({"app.txt": "app\n"}).declare(GOOD)


UNKNOWN = "XSPACK_STRCIT is not a construction variable of xspack; did you mean 'XSPACK_STRICT'?"


@pytest.mark.parametrize(
    ("head", "words", "environment", "place"),
    [
        ('env = Environment(tools=["xspack"], XSPACK_STRCIT=1)\n', [], {}, "SConstruct:1"),
        ('env = Environment(tools=["xspack"])\nenv["XSPACK_STRCIT"] = 1\n', [], {}, "SConstruct:1"),
        ('env = Environment(tools=["xspack"])\n', ["XSPACK_STRCIT=1"], {}, "the command line"),
        ('env = Environment(tools=["xspack"])\n', [], {"XSPACK_STRCIT": "1"}, "the process environment"),
    ],
)
def test_an_unknown_variable(
    tree: Tree, head: str, words: list[str], environment: dict[str, str], place: str
) -> None:
    tree.declare(GOOD.replace('version="1", arch', 'version="1", license="MIT", arch'), head=head)
    assert tree.scons("pack", *words, env=environment).refused() == [f"{place}: {UNKNOWN}"]


def test_an_unknown_variable_stops_nothing_else(tree: Tree) -> None:
    tree.declare(GOOD + 'env.Command("app.out", "app.txt", Copy("$TARGET", "$SOURCE"))\n')
    said = tree.scons("app.out", "XSPACK_STRCIT=1").good().said
    assert said.endswith(
        "xspack: not asked for, and not right: XSPACK_STRCIT is not a construction variable of xspack\n"
    )


@pytest.mark.parametrize(
    ("words", "environment", "out"),
    [
        ([], {}, "mine"),
        ([], {"XSPACK_OUT": "theirs"}, "theirs"),
        (["XSPACK_OUT=given"], {"XSPACK_OUT": "theirs"}, "given"),
    ],
)
def test_whose_value_holds(tree: Tree, words: list[str], environment: dict[str, str], out: str) -> None:
    """The command line before the process environment, that before the SConstruct; relative to the top, also
    where an SConscript declares."""
    tree.write({"sub/SConscript": 'Import("env")\n' + GOOD.replace("app.txt", "#app.txt")})
    tree.declare('env["XSPACK_OUT"] = "#mine"\nSConscript("sub/SConscript", exports="env")\n')
    tree.scons("pack", *words, env=environment).good()
    assert (tree.path / out / "fine-1.iso").is_file()
    assert {path.name for path in tree.path.iterdir() if path.is_dir()} == {"sub", out}


def test_a_declaration_may_have_a_value_of_its_own(tree: Tree) -> None:
    tree.declare(GOOD.replace('version="1", arch', 'version="1", XSPACK_OUT="#own", XSPACK_VENDOR="V", arch'))
    tree.scons("pack").good()
    assert (tree.path / "own/rpms/good-1-1.noarch.rpm").is_file()
    assert (tree.path / "build/fine-1.iso").is_file()


@pytest.mark.parametrize(
    ("variable", "one", "other"), [("XSPACK_OUT", "#one", "#other"), ("XSPACK_VENDOR", "One", "Other")]
)
def test_a_declaration_takes_what_is_assigned_before_it(
    tree: Tree, variable: str, one: str, other: str
) -> None:
    tree.declare(
        f'env["{variable}"] = "{one}"\na = env.Userspace("a", version="1", files={{"/opt/a": "app.txt"}})\n'
        f'env["{variable}"] = "{other}"\nb = env.Userspace("b", version="1", files={{"/opt/b": "app.txt"}})\n'
    )
    tree.scons(".").good()
    places = ("one", "other") if variable == "XSPACK_OUT" else ("build", "build")
    vendors = ("One", "Other") if variable == "XSPACK_VENDOR" else ("(none)", "(none)")
    for name, place, vendor in zip("ab", places, vendors, strict=True):
        rpm = tree.path / place / f"rpms/{name}-1-1.x86_64.rpm"
        assert program("rpm", "-qp", "--qf", "%{vendor}", rpm).stdout == vendor


def test_a_misspelt_kind(tree: Tree) -> None:
    tree.declare('env.Userspcae("x", version="1")\n')
    ran = tree.scons()
    assert ran.status == 2
    assert "scons: *** SConstruct:2: env.Userspcae: no such kind; did you mean env.Userspace?\n" in ran.said
    assert "Traceback" not in ran.said
    tree.declare(
        'print(hasattr(env, "Userspcae"), getattr(env, "Userspcae", 3), hasattr(env, "xyz"))\n' + GOOD
    )
    assert tree.scons("pack").good().said.startswith("False 3 False\n")


@pytest.mark.parametrize("name", ["XSPACK_BASELINE", "XSPACK_BASE_REPO"])
def test_a_repository_that_is_not_there_turns_no_rule_off(tree: Tree, name: str, tmp_path: Path) -> None:
    shutil.copytree(program_repository(tree), there := tmp_path / "repository")
    tree.scons("pack", f"{name}={there}").good()
    shutil.rmtree(there)
    wanted = (
        f"SConstruct:3: Pack 'fine': {name}={str(there)!r}: cannot be read: No such file or directory; "
        f"name a folder, repository or ISO that is there, or leave {name} out"
    )
    for _ in range(2):
        assert tree.scons("pack", f"{name}={there}").refused() == [wanted]
    there.write_text("no repository")
    (said,) = tree.scons("pack", f"{name}={there}").refused()
    assert said.startswith(f"SConstruct:3: Pack 'fine': {name}={str(there)!r}: cannot be read: ")


@pytest.mark.parametrize(
    ("name", "is_indexed", "why"),
    [
        ("XSPACK_BASELINE", False, "no binary RPM in it"),
        ("XSPACK_BASELINE", True, "no binary RPM in it"),
        ("XSPACK_BASE_REPO", False, "no binary RPM in it"),
        ("XSPACK_BASE_REPO", True, "its index names no package"),
    ],
)
def test_an_empty_repository_turns_no_rule_off(
    tree: Tree, name: str, is_indexed: bool, why: str, tmp_path: Path
) -> None:
    there = tmp_path / "repository"
    there.mkdir()
    (there / "README").write_text("to be filled")
    if is_indexed:
        program("createrepo_c", "--quiet", there)
    for _ in range(2):
        (said,) = tree.scons("pack", f"{name}={there}").refused()
        assert said.startswith(
            f"SConstruct:3: Pack 'fine': {name}={str(there)!r}: cannot be read: {why}; name "
        )


@pytest.mark.parametrize("kind", ["primary", "filelists"])
@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_an_index_that_lost_a_part_turns_no_rule_off(
    tree: Tree, kind: str, harm: str, tmp_path: Path
) -> None:
    """Though repomd.xml and the pack are as they were."""
    name = "XSPACK_BASE_REPO"
    shutil.copytree(program_repository(tree), there := tmp_path / "repository")
    tree.scons("pack", f"{name}={there}").good()
    (part,) = (there / "repodata").glob(f"*{kind}.xml*")
    part.unlink() if harm == "gone" else part.write_bytes(part.read_bytes()[:100])
    for _ in range(2):
        (said,) = tree.scons("pack", f"{name}={there}").refused()
        assert said.startswith(f"SConstruct:3: Pack 'fine': {name}={str(there)!r}: cannot be read: ")


def test_an_rpm_that_is_damaged_turns_no_rule_off(tree: Tree, tmp_path: Path) -> None:
    shutil.copytree(program_repository(tree), there := tmp_path / "repository")
    tree.scons("pack", f"XSPACK_BASELINE={there}").good()
    next(there.glob("*.rpm")).write_bytes(b"no RPM")
    for _ in range(2):
        (said,) = tree.scons("pack", f"XSPACK_BASELINE={there}").refused()
        assert said.startswith(f"SConstruct:3: Pack 'fine': XSPACK_BASELINE={str(there)!r}: cannot be read: ")


def program_repository(tree: Tree) -> Path:
    """A repository with an RPM in it."""
    folder = tree.path.parent / "made"
    tree.scons("build/rpms").good()
    shutil.copytree(tree.path / "build/rpms", folder)
    program("createrepo_c", "--quiet", folder)
    return folder


RULE = """\
def check(context):
    yield Hit("summary", "no")
env.XsRule("ACME1", "E", meaning="m", remedy="r", check=check)
"""
HIT = "from xspack_tool.rules.finding import Hit\n"


@pytest.mark.parametrize("before", [True, False])
def test_a_rule_is_judged_by_wherever_it_stands(tree: Tree, before: bool) -> None:
    tree.declare(GOOD)
    tree.scons("pack").good()
    tree.declare(HIT + (RULE + GOOD if before else GOOD + RULE))
    ran = tree.scons("pack")
    assert ran.status == 2
    assert "E ACME1 fine: good-1-1.noarch.rpm: summary: no; r" in ran.said


def test_a_rule_in_a_later_sconscript_and_another_environment(tree: Tree) -> None:
    later = f'{HIT}env = Environment(tools=["xspack"])\n{RULE}'
    tree.write({"later/SConscript": later}).declare(GOOD + 'SConscript("later/SConscript")\n')
    ran = tree.scons("pack")
    assert ran.status == 2
    assert "E ACME1 fine: good-1-1.noarch.rpm: summary: no; r" in ran.said


def test_a_line_for_each_pack(tree: Tree) -> None:
    """And for each step where that is wanted."""
    said = tree.scons("pack", env={"XSPACK_VERBOSE": ""}).good().said
    lines = [line for line in said.splitlines() if "build/" in line]
    assert len(lines) == 1
    assert lines[0].startswith("build/fine-1.iso: ")
    tree.scons("-c", "pack").good()
    assert len(tree.scons("pack").good().built) > 5


VARIED = """\
env.Replace(PREFIX="/opt/x", NUMBER="1.2", COMPANY="Acme", XSPACK_VENDOR="$COMPANY Ltd")
env.Userspace("varied", version="$NUMBER", arch="noarch", description="${COMPANY}'s, for $$5",
              requires="sh-utils = $NUMBER", scripts={"post": "echo $HOME ${NUMBER}"},
              ghost=["$PREFIX/state"], files={"$PREFIX/a": "app.txt", "/opt/$COMPANY/l": env.XsLink("${PREFIX}/a")})
"""


def test_variables_in_destinations_and_texts(tree: Tree) -> None:
    tree.declare(VARIED).scons("build").good()
    fields = (
        "%{description}|%{vendor}|[%{requires} %{requireversion},]|%{postin}|[%{filenames} %{filelinktos},]"
    )
    said = asked(tree.path / "build/rpms/varied-1.2-1.noarch.rpm", "--qf", fields)
    text, vendor, requires, script, files = said.split("|")
    assert (text, vendor, script) == ("Acme's, for $5", "Acme Ltd", "echo $HOME ${NUMBER}")
    assert "sh-utils 1.2" in requires.split(",")
    assert {"/opt/x/a ", "/opt/x/state ", "/opt/Acme/l /opt/x/a"} <= set(files.split(","))


def test_a_variable_that_there_is_not(tree: Tree) -> None:
    tree.declare(
        'env["A"] = "/opt"\n'
        'env.Userspace("u", version="1", summary="$NO", files={"/opt/${NO.file}": "app.txt", "$A": "app.txt", '
        '"/opt": "app.txt"})\n'
    )
    place, none = "SConstruct:3: Userspace 'u'", "is not a construction variable; set it, or write"
    assert tree.scons("build").refused() == [
        f"{place}: summary='$NO': $NO {none} $$NO for the text itself",
        f"{place}: files='/opt/${{NO.file}}': ${{NO.file}} {none} $${{NO.file}} for the text itself",
        f"{place}: files='/opt': two destinations become /opt; keep one of them",
    ]

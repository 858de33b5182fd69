"""xspack bump: the next version in an SConstruct, all else as it stands."""

from __future__ import annotations

import difflib
import re
from itertools import count
from pathlib import Path

import pytest
from pack_maker import xspack

from xspack_tool.errors import BadInput
from xspack_tool.scaffold.bump import Next, bump, next_version

TEXT = """\
# Grüße: äöü stay where they are
VERSION = "1.9"  # of both
env = Environment(tools=["default", "xspack"])
tools = env.Userspace(
    "acme-tools", version=VERSION, summary="Tools für 'alle'",
    release = "3",
    changelog=[
        "2026-11-20 Acme Builds <builds@acme.example> 1.9-3\\n- third",
        # an old one
        "2026-11-19 Acme Builds <builds@acme.example> 1.9-2\\n- second",
    ],
)
fw = env.Firmware("acme-fw", version="2.0rc", files={})
pack = env.Pack("acme", version=VERSION, uuid='2f1c7a52-5c0e-4f43-9a61-7d8e9f0a1b2c', packages=[tools, fw])
"""

OLD_PACK = f"-{TEXT.splitlines()[-1]}"


def following(**more: object) -> Next:
    numbers = count(1)
    given = {"note": "faster", "packager": "", "today": "2026-11-25"}
    return Next(**{**given, "new_uuid": lambda: f"uuid-{next(numbers)}", **more})  # type: ignore[arg-type]


def changed(old: str, new: str) -> list[str]:
    """The lines that went and came."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


def test_the_next_version() -> None:
    text = TEXT.replace("2.0rc", "2.0")
    bumped = bump(text, following(), "SConstruct")
    assert changed(text, bumped.text) == [
        '-VERSION = "1.9"  # of both',
        '+VERSION = "1.10"  # of both',
        '-    release = "3",',
        '+    release = "1",',
        '+        "2026-11-25 Acme Builds <builds@acme.example> 1.10-1\\n- faster",',
        '-fw = env.Firmware("acme-fw", version="2.0", files={})',
        OLD_PACK,
        '+fw = env.Firmware("acme-fw", version="2.1", files={})',
        "+pack = env.Pack(\"acme\", version=VERSION, uuid='uuid-1', packages=[tools, fw])",
    ]
    assert bumped.said == (
        "acme-tools: 1.9 -> 1.10",
        "acme-fw: 2.0 -> 2.1",
        "acme: 1.9 -> 1.10",
        "acme: new uuid",
    )


def test_the_next_release() -> None:
    bumped = bump(TEXT, following(release=True, packager="Me <me@acme.example>"), "SConstruct")
    assert changed(TEXT, bumped.text) == [
        '-    release = "3",',
        '+    release = "4",',
        '+        "2026-11-25 Me <me@acme.example> 1.9-4\\n- faster",',
        '-fw = env.Firmware("acme-fw", version="2.0rc", files={})',
        OLD_PACK,
        '+fw = env.Firmware("acme-fw", version="2.0rc", release="2", files={})',
        "+pack = env.Pack(\"acme\", version=VERSION, uuid='uuid-1', packages=[tools, fw])",
    ]


def test_a_pack_of_several_releases_gets_a_uuid_for_each() -> None:
    text = 'env.Pack("acme", version="1", releases={"xenserver-8": "a", "xcp-ng-8.3": "b"}, packages=[])\n'
    assert bump(text, following(), "SConstruct").text == (
        'env.Pack("acme", version="2", releases={"xenserver-8": "uuid-1", "xcp-ng-8.3": "uuid-2"}, packages=[])\n'
    )


HEAD = "2026-11-25 A <a@b.example> 2-1\\n- faster"
LAST = '"2026-11-20 A <a@b.example> 1-1\\n- x"'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"changelog=[({LAST})]", f'changelog=["{HEAD}", ({LAST})]'),
        (f"changelog=[\n  (\n    {LAST}\n  ),\n]", f'changelog=[\n  "{HEAD}",\n  (\n    {LAST}\n  ),\n]'),
        (f"changelog=[  # ([\n  {LAST}]", f'changelog=[  # ([\n  "{HEAD}",\n  {LAST}]'),
        (f"changelog=[ \\\n{LAST}]", f'changelog=[ \\\n"{HEAD}",\n{LAST}]'),
        ("files={'\u2028\x0c': '1'}", "files={'\u2028\x0c': '1'}"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_odd_layouts_are_kept(tmp_path: Path, old: str, new: str, line_end: str, mark: str) -> None:
    """Parentheses, comments, ends of lines that only Python or only others take for one, and a mark of the encoding."""
    text = mark + "# \x0c \u2028 é\nenv.Userspace('a', {}, version={})\n".replace("\n", line_end)
    file = tmp_path / "SConstruct"
    given, wanted = old.replace("\n", line_end), new.replace("\n", line_end)
    file.write_bytes(text.format(given, "'1'").encode())
    assert xspack("bump", file, "-m", "faster").status == 0
    made = re.sub(r"2\d{3}-\d\d-\d\d A", lambda found: "2026-11-25 A", file.read_bytes().decode(), count=1)
    assert made == text.format(wanted, "'2'")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version=('1')", "version=('1'), release=\"2\""),
        ("version='1',  release='1'", "version='1',  release='2'"),
        ("\n  version=V,\n  summary='x'", "\n  version=V,\n  release=\"2\",\n  summary='x'"),
    ],
)
def test_a_release_finds_its_place(old: str, new: str) -> None:
    text = "V = '1'\nenv.Userspace('a', {})\n"
    assert bump(text.format(old), following(release=True), "SConstruct").text == text.format(new)


def test_a_kind_of_ones_own_is_bumped_with_the_others() -> None:
    text = "env.PythonApp('app', version='1', summary='x')\nenv.Other('y', version='1')\n"
    assert bump(text, following(), "SConstruct").text == text.replace("'1'", "'2'", 1)


@pytest.mark.parametrize(
    "again",
    ["for V in 'ab': ", "import V; ", "def f(V): ", "with x as V: ", "V += 'b'; ", "del V; ", "V: str; "],
)
def test_a_name_with_two_meanings_is_refused(again: str) -> None:
    with pytest.raises(BadInput, match="SConstruct:2: version must be a plain text here"):
        bump(f"V = '1'\n{again}env.Userspace('a', version=V)\n", following(), "SConstruct")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("env.Pack('a', version=v(), uuid='u')", "SConstruct:1: version must be a plain text here"),
        (
            "V = '1'\nV = '2'\nenv.Pack('a', version=V, uuid='u')",
            "SConstruct:3: version must be a plain text here",
        ),
        ("env.Pack('a', version='1')", "SConstruct:1: a has no uuid"),
        (
            "env.Pack('a', version='1', **more)",
            "SConstruct:1: Pack takes keywords from **, which are not read",
        ),
        ("env.Pack('a', version='x', uuid='u')", "the version x has no number that could be raised"),
        (
            "env.Userspace('a', version='1', changelog=read())",
            "SConstruct:1: changelog must be a list of entries that is written here",
        ),
        ("env.Userspace('a', version='1', changelog=['x'])", "names nobody: give --packager"),
        ("print(", "no Python"),
        ("x = 1", "declares no Pack and no package with a version"),
    ],
)
def test_what_is_not_plain_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadInput) as refused:
        bump(text, following(), "SConstruct")
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new"), [("1.9", "1.10"), ("2", "3"), ("1.0rc1", "1.0rc2"), ("5.2.99", "5.2.100"), ("a", "a")]
)
def test_next_versions(old: str, new: str) -> None:
    assert next_version(old) == new


def test_a_refused_file_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "SConstruct"
    file.write_text("env.Pack('a', version=v(), uuid='u')\n")
    said = xspack("bump", file, "-m", "x")
    assert said.status == 1
    assert said.err == (f"xspack: {file}:1: version must be a plain text here; change it by hand\n")
    assert file.read_text() == "env.Pack('a', version=v(), uuid='u')\n"
    assert [path.name for path in tmp_path.iterdir()] == ["SConstruct"]

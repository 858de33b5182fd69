"""xspack stubs: mypy names what is misspelt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pack_maker import xspack
from support import ROOT

import xspack_tool.kinds

HEAD = 'from SCons.Script import Environment\nenv = Environment(tools=["default", "xspack"])\n'


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stubs, those of a kind of a user's among them."""
    folder = tmp_path_factory.mktemp("stubs")
    said = xspack("stubs", folder, "--kinds", ROOT / "examples/custom_kind/python_app.py")
    assert (said.status, said.err) == (0, "")
    assert [Path(line).relative_to(folder).as_posix() for line in said.out.splitlines()] == [
        "__builtins__.pyi",
        "typings/SCons/__init__.pyi",
        "typings/SCons/Script/__init__.pyi",
        "typings/xspack-profile.schema.json",
    ]
    return folder


def mypy(tree: Path, text: str) -> list[str]:
    """What mypy says of an SConstruct."""
    (tree / "SConstruct").write_text(HEAD + text)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "SConstruct"],
        cwd=tree,
        env={"MYPYPATH": "typings", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_good_declarations_pass(tree: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    code = readme.partition("```python\n")[2].partition("```")[0]
    more = 'app = env.PythonApp("a", version="1", source="app", module="m", XSPACK_OUT="#out")\n'
    more += (
        'env.Pack("b", version="1", releases={"xenserver-8": "u"}, description="d", packages=[app, tools])\n'
    )
    assert mypy(tree, code.replace("env = Environment(", "env = Environment(") + more) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'env.Userspace("a", version="1", sumary="x")',
            'Unexpected keyword argument "sumary" for "Userspace"',
        ),
        ('env.Userspace("a")', 'Missing named argument "version" for "Userspace"'),
        ('env.PythonApp("a", version="1", source="s", modul="m")', 'Unexpected keyword argument "modul"'),
        ('env.Userspace("a", version=1)', 'Argument "version" to "Userspace" of "Environment" has incompat'),
    ],
)
def test_mistakes_are_named(tree: Path, text: str, said: str) -> None:
    assert [line for line in mypy(tree, text) if line.startswith("SConstruct:3: error: " + said)]


def test_kinds_of_ones_own_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "kinds.py"
    for text, why in (("x = 1", "defines no kind"), ("1/0", "ZeroDivisionError: division by zero")):
        file.write_text(text)
        said = xspack("stubs", tmp_path, "--kinds", file)
        assert (said.status, said.err) == (2, f"xspack: {file}: {why}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["kinds.py"]


@pytest.mark.parametrize("name", xspack_tool.kinds.__all__)
def test_what_is_offered_to_kinds_outside_is_there(name: str) -> None:
    assert getattr(xspack_tool.kinds, name)

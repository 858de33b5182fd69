"""xspack stubs: mypy and pyright name what is misspelt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pack_maker import xspack
from support import ROOT, blocks, lacks, need

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
    (code,) = blocks("README.md", "python")
    more = 'app = env.PythonApp("a", version="1", source="app", module="m", XSPACK_OUT="#out")\n'
    more += (
        'env.Pack("b", version="1", releases={"xenserver-8": "u"}, description="d", packages=[app, tools])\n'
    )
    more += (
        'env.Userspace("d", version="1", users=["acme", env.XsUser("acmed")], requires=["a >= 1"], waive={"P4": "w"}, '
        'status_report=env.XsStatusReport("a", pii="no"), changelog="2026-11-20 A <a@b> 1-1", migrate=("/e",))\n'
        'env.KernelModule("e", version="1", source="s", ddk=[env.Ddk("/usr/src/k"), *env.XsKernelTrees()])\n'
        'env.Submission("b", patches=env.XsPatch("fix.patch"), licences=env.TestKey("k"))\n'
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
        *(
            (f'env.Userspace("a", version="1", {name}={value})', f'Argument "{name}" to "Userspace" of "Env')
            for name, value in {
                "changelog": "2026",
                "conflicts": "b'acme'",
                "firewall": "5900",
                "migrate": "{'/etc/acme': 1}.values()",
                "obsoletes": "5",
                "provides": "5.2",
                "requires": "8",
                "status_report": "'acme'",
                "users": "env.XsLink('acme')",
            }.items()
        ),
        ('env.Userspace("a", version="1", waive=["P4"])', 'Argument "waive" to "Userspace" of "Environment'),
        ('env.Userspace("a", version="1", requires=["a", 5])', 'List item 1 has incompatible type "int"'),
        (
            'env.Userspace("a", version="1", users=env.XsFile("a"))',
            'Argument "users" to "Userspace" of "Envi',
        ),
        (
            'env.Pack("a", version="1", uuid="u", description="d", packages=[], after_apply=True)',
            'Argument "after_apply"',
        ),
        (
            'env.KernelModule("a", version="1", source="s", ddk=5)',
            'Argument "ddk" to "KernelModule" of "Envir',
        ),
    ],
)
def test_mistakes_are_named(tree: Path, text: str, said: str) -> None:
    assert [line for line in mypy(tree, text) if line.startswith("SConstruct:3: error: " + said)]


def test_pyright_needs_no_import(tree: Path) -> None:
    """It reads the stubs by itself, as Pylance does in an editor: a good tree has no mistake, a misspelt word one."""
    need("npm")
    program = ROOT / ".venv/npm/node_modules/.bin/pyright"
    if not program.exists():
        lacks(f"pyright is needed: npm install --prefix {ROOT}/.venv/npm pyright@1.1.414")
    (good,) = blocks("README.md", "python")
    (tree / "good.py").write_text(good)
    (tree / "bad.py").write_text(good.replace("summary=", "sumary=", 1))
    done = subprocess.run([program, "good.py", "bad.py"], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    (line,) = [line.strip() for line in done.stdout.splitlines() if " - " in line]
    number = 1 + good[: good.index("summary=")].count("\n")
    assert line == f'{tree}/bad.py:{number}:5 - error: No parameter named "sumary" (reportCallIssue)'


def test_each_keyword_has_a_type() -> None:
    untyped = [
        f"{kind.__name__}.{name}"
        for kind in xspack_tool.kinds.all_kinds()
        for name, field in kind.FIELDS.items()
        if not field.validator or field.validator.hint == "Any"
    ]
    assert untyped == []


def test_kinds_of_ones_own_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "kinds.py"
    for text, why in (("x = 1", "defines no kind"), ("1/0", "ZeroDivisionError: division by zero")):
        file.write_text(text)
        said = xspack("stubs", tmp_path, "--kinds", file)
        assert (said.status, said.err) == (2, f"xspack: {file}: {why}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["kinds.py"]


@pytest.mark.parametrize("name", xspack_tool.kinds.__all__)
def test_what_is_offered_to_kinds_outside_is_there(name: str) -> None:
    assert getattr(xspack_tool.kinds, name)

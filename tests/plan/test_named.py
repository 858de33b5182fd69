"""Inputs and outputs of steps have names: nothing that makes or writes files takes them by their positions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

PACKAGE = ROOT / "xspack_tool"
#: Where SCons's own lists become names, and the only place that may count in them.
MAPPER = PACKAGE / "plan/step.py"
#: What is a step's, or its function's, to read or to write.
FILES = {"inputs", "outputs", "contents", "sources", "targets", "paths"}


def checked() -> list[Path]:
    rooms = (*(PACKAGE / "plan").rglob("*.py"), *(PACKAGE / "kinds").rglob("*.py"))
    writers = (PACKAGE / "rpm" / f"{name}.py" for name in ("write", "stage", "source", "user_spec"))
    return sorted({*rooms, *writers} - {MAPPER})


def root_names(node: ast.expr) -> Iterator[str]:
    """The names and attributes of which an expression is made up: a.b[c].d() -> d, b, a."""
    while True:
        if isinstance(node, ast.Attribute):
            yield node.attr
            node = node.value
        elif isinstance(node, (ast.Subscript, ast.Starred)):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            if isinstance(node, ast.Name):
                yield node.id
            return


def is_position(index: ast.expr) -> bool:
    if isinstance(index, ast.UnaryOp):
        index = index.operand
    return isinstance(index, ast.Slice) or (isinstance(index, ast.Constant) and isinstance(index.value, int))


def attribute_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else ""


def positional(source: str) -> list[tuple[int, str]]:
    """(line, what) of each use of files by their positions."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and is_position(node.slice):
            if FILES & set(root_names(node.value)):
                found.append((node.lineno, "subscript"))
        elif isinstance(node, ast.Call):
            named = node.func.id if isinstance(node.func, ast.Name) else ""
            if named == "zip" and not any(
                word.arg == "strict" and isinstance(word.value, ast.Constant) and word.value.value is True
                for word in node.keywords
            ):
                found.append((node.lineno, "zip without strict=True"))
            elif named in ("iter", "enumerate") and any(
                isinstance(arg, ast.Name) and arg.id in FILES for arg in node.args
            ):
                found.append((node.lineno, named))
            elif attribute_of(node.func) == "pop" and any(map(is_position, node.args)):
                found.append((node.lineno, "pop"))
    return found


def test_no_step_takes_files_by_position() -> None:
    found = {
        str(file.relative_to(ROOT)): hits
        for file in checked()
        if (hits := positional(file.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("x = sources[0]", "subscript"),
        ("x = inputs.rpms[-1]", "subscript"),
        ("x = self.outputs.files[1:]", "subscript"),
        ("x = list(paths)\ny = x.pop(0)", "pop"),
        ("for a, b in zip(names, sources): pass", "zip without strict=True"),
        ("for a, b in zip(names, sources, strict=False): pass", "zip without strict=True"),
        ("x = next(iter(contents))", "iter"),
        ("for n, path in enumerate(inputs): pass", "enumerate"),
    ],
)
def test_a_position_is_found(source: str, what: str) -> None:
    assert [hit for _, hit in positional(source)] == [what]


@pytest.mark.parametrize(
    "source", ["x = inputs.files['a']", "(out,) = outputs.rpms", "x = inputs.files[name]", "x = words[0]"]
)
def test_a_name_is_none(source: str) -> None:
    assert positional(source) == []

"""The linters are tests: what they say is a failure; so is a local that does not say what it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support import ROOT, need_module

#: Names that say nothing of a value; in a function or a comprehension that is seen at a glance they may stay.
VAGUE = {"one", "found", "thing", "more"}
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@pytest.mark.parametrize(
    "words",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy", "-p", "xspack_tool")],
    ids=["ruff-check", "ruff-format", "mypy"],
)
def test_nothing_to_say(words: tuple[str, ...]) -> None:
    need_module(words[0])
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_locals_say_what_they_are() -> None:
    package = ROOT / "xspack_tool"
    vague = [
        f"{path.relative_to(ROOT)}:{name.lineno}: {name.id!r} in {function.name}(): call it what it is"
        for path in sorted(package.rglob("*.py"))
        for function, name in _bound(ast.parse(path.read_text(encoding="utf-8")))
        if name.id in VAGUE and _lines(function) > 10
    ]
    assert not vague, "\n".join(vague)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("found = 1", ["found"]),
        ("for one in ():\n        pass", ["one"]),
        ("if found := 1:\n        pass", ["found"]),
        ("with open('x') as one:\n        pass", ["one"]),
        ("x = [\n        one for one in ()\n    ]", ["one"]),
        ("x = [one for one in ()]", []),
        ("x = one.found(more=1)", []),
    ],
)
def test_what_counts_as_a_local(body: str, names: list[str]) -> None:
    module = ast.parse(f"def outer():\n    {body}\n")
    assert [name.id for _, name in _bound(module) if name.id in VAGUE] == names


def _lines(node: ast.stmt | ast.expr) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _bound(
    node: ast.AST, function: ast.FunctionDef | ast.AsyncFunctionDef | None = None
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, ast.Name]]:
    """Each name that a function binds, with the innermost function; those of a comprehension of one line left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _bound(child, child)
        elif isinstance(child, _COMPREHENSIONS) and _lines(child) == 1:
            continue
        else:
            if function and isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                yield function, child
            yield from _bound(child, function)

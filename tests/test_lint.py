"""The linters are tests: what they say is a failure; so is a local that does not say what it is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support import ROOT, need_module

#: Names that say nothing of a value; in a function or a comprehension that is seen at a glance they may stay.
VAGUE = {"one", "found", "thing", "more"}
#: Results that are kept as long as the process lives: what each depends on. Where files or the environment decide, a
#: result is kept by their state, or for a run (plan/session.py: once_a_run).
KEPT = {
    # the arguments alone
    "ddk/alias.py:tokens": "a pattern",
    "evidence/inventory.py:_quoted": "a text",
    "evidence/inventory.py:_slug": "a text",
    "evidence/licence.py:spdx_expression": "a text",
    "kinds/__init__.py:_nearest": "a name",
    "model/canonical.py:_fields": "a class",
    "pack/iso_clock.py:_in_utc": "a moment",
    "repo/fragment.py:_decoded": "lines",
    "rpm/shell_syntax.py:syntax_error": "a text, and this machine's shell",
    "rpm/shellcheck.py:shellcheck": "a text, and this machine's shellcheck",
    "rules/families/licences.py:_parse": "a text",
    "rules/shell/walk.py:analyse": "a text",
    "signing/keys.py:_scan": "a file's content",
    # the arguments, which are the state of files or of the environment
    "ddk/grid.py:_server": "an address, and the variables that it is reached by",
    "ddk/sign.py:_way_to_tokens": "an openssl",
    "rules/families/kernel.py:_read_symvers": "a file's time and size",
    "signing/agent.py:_find_key": "times and sizes of a keyring's files",
    "signing/keys.py:_gnupg": "a gpg",
    # xspack's own code and data
    "plan/record.py:_own_rules": "xspack's code",
    "releases/__init__.py:_known": "xspack's profiles",
    "rules/registry.py:_load_families": "xspack's rules",
    "rules/spdx.py:licence_ids": "a library's list",
    "rules/spdx.py:licensing": "a library's list",
    "scaffold/files.py:_environment": "xspack's templates",
    # what a process has once
    "ddk/ssh.py:slots": "places on a machine",
    "pack/iso_clock.py:_install": "a clock",
    "plan/interrupted.py:end_by_signals": "handlers of signals",
    "rpm/compressors.py:_keep_memory": "an allocator",
    "rpm/compressors.py:_pool": "threads",
    "signing/home.py:_usable": "a link that goes when the process ends",
}
#: Lines of a function, with its docstring.
SCREEN = 50
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


def test_a_function_fits_on_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.lineno}: {function.name}() has {_lines(function)} lines"
        for path in sorted((ROOT / "xspack_tool").rglob("*.py"))
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and _lines(function) > SCREEN
    ]
    assert long == []


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


def test_each_sentence_is_expected_in_one_place() -> None:
    """What a reworded message breaks is one file: a test of its own, sentences.py, or a catalogue."""
    places: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for text in _expected(ast.parse(path.read_text(encoding="utf-8"))):
            places.setdefault(text, set()).add(path.relative_to(ROOT).as_posix())
    for name in ("tests/kinds/mistakes.txt", "tests/rules/findings.txt"):
        catalogue = (ROOT / name).read_text(encoding="utf-8")
        for text in places:
            if text in catalogue:
                places[text].add(name)
    twice = {text: files for text, files in places.items() if len(files) > 1}
    assert twice == {}


def _expected(module: ast.Module) -> Iterator[str]:
    """The sentences of at least six words in what a file of tests asserts."""
    for statement in ast.walk(module):
        for part in ast.walk(statement) if isinstance(statement, ast.Assert) else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                text = part.value.strip(" :;,.\n")
                if len(re.findall(r"[A-Za-z']{2,}", text)) >= 6:
                    yield text


def test_only_what_cannot_change_is_kept_while_the_process_lives() -> None:
    package = ROOT / "xspack_tool"
    kept = {
        f"{path.relative_to(package).as_posix()}:{name}"
        for path in sorted(package.rglob("*.py"))
        for name in _kept(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert kept == set(KEPT)


def _kept(module: ast.Module) -> Iterator[str]:
    """The functions of a module whose results are kept; those within others go with their callers."""
    for statement in module.body:
        decorators = getattr(statement, "decorator_list", [])
        if isinstance(statement, ast.Assign):
            decorators = [statement.value]
        if any(re.match(r"(functools\.)?(lru_)?cache\b", ast.unparse(decorator)) for decorator in decorators):
            yield statement.name if isinstance(statement, ast.FunctionDef) else ast.unparse(statement)


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

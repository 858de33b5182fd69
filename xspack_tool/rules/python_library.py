"""Whether a Python file uses modules, functions or arguments that a version of Python does not have; vermin knows."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Iterator

#: More than any program written by hand; vermin takes its time.
_MAX_SOURCE = 256 * 1024
#: A line of vermin's: what is used, and the versions 2.x and 3.x that it needs; ``!`` for one that never has it.
_LINE = re.compile(r"L(\d+)(?: C\d+)?: (.+) requires? (!?\d(?:\.\d+)?|~2), (!?\d(?:\.\d+)?|~3)")
_NAMED = re.compile(r"'([\w]+)")
_CAUGHT = frozenset(
    {
        "ImportError",
        "ModuleNotFoundError",
        "AttributeError",
        "NameError",
        "TypeError",
        "Exception",
        "BaseException",
    }
)
_ASKS = re.compile(r"version_info|hexversion|python_version|hasattr|PY[23]|TYPE_CHECKING")


def library_problem(source: bytes, version: tuple[int, int], own: Collection[str] = ()) -> str:
    """What Python ``version`` does not have of what the source uses, empty if it has all. What is used where it may
    fail (``try: import ..``), or after the version was asked for, is let through; so are modules of the names ``own``,
    which the package brings. The source must be one that Python 3 can parse."""
    if len(source) > _MAX_SOURCE:
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = source.decode("utf-8")
            lines, names = _guarded(ast.parse(text))
            uses = list(_uses(text))
    except Exception:  # not Python 3, or more than vermin can read: nothing is known of it
        return ""
    for line, what, versions in uses:
        needed = versions[version[0] - 2]
        named = _NAMED.search(what)
        if line in lines or (named and (named[1] in names or named[1] in own)):
            continue
        if needed.startswith("!"):
            return f"line {line}: {what} is not of Python {version[0]}"
        if needed.strip("~").count(".") and _numbers(needed) > version:
            return f"line {line}: {what} is of Python {needed}"
    return ""


def _uses(text: str) -> Iterator[tuple[int, str, tuple[str, str]]]:
    import vermin

    config = vermin.Config()
    config.set_verbose(3)
    for line in vermin.visit(text, config).output_text().splitlines():
        if found := _LINE.fullmatch(line.strip()):
            yield int(found[1]), found[2], (found[3], found[4])


def _guarded(tree: ast.Module) -> tuple[set[int], set[str]]:
    """The lines that may fail, and what is imported there."""
    lines: set[int] = set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if not (_may_fail(node) or (isinstance(node, ast.If) and _ASKS.search(ast.unparse(node.test)))):
            continue
        lines |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))  # type: ignore[attr-defined]
        for inner in ast.walk(node):
            if isinstance(inner, (ast.Import, ast.ImportFrom)):
                names |= {(one.asname or one.name).partition(".")[0] for one in inner.names}
                names |= {one.name.partition(".")[0] for one in inner.names}
    return lines, names


def _may_fail(node: ast.AST) -> bool:
    if not isinstance(node, ast.Try):
        return False
    caught = {
        name.id if isinstance(name, ast.Name) else ""
        for handler in node.handlers
        for name in (ast.walk(handler.type) if handler.type else [ast.Name("Exception")])
    }
    return not caught.isdisjoint(_CAUGHT)


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)

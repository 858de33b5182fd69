"""Whether a Python file can be parsed by a given version of Python, without that Python being here."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any, cast

from xspack_tool.binary.grammars import parser

_FILE = "xspack-payload"
# Warnings about foreign sources are nobody's concern here; the filter is for this one file name.
warnings.filterwarnings("ignore", module=_FILE)

_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_PRINT_FUNCTION = "print_function"


def syntax_problem(source: bytes, version: tuple[int, int]) -> str:
    """Why Python ``version`` (2.7, or 3.x) cannot parse the source, empty if it can.

    Empty also where this Python is older than ``version`` and cannot judge.
    """
    if version >= (3, 0):
        return _python3(source, version[1])[0]
    problem, tree = _python3(source, sys.version_info.minor)
    if tree is None:
        return "" if _is_python2(source) else problem
    new = next(_not_in_python2(tree, source), None)
    return f"line {new[0]}: {new[1]}" if new else ""


def _python3(source: bytes, minor: int) -> tuple[str, ast.Module | None]:
    """What is wrong with the source as Python 3.``minor``, and its tree if it has one."""
    try:
        tree = compile(
            source,
            _FILE,
            "exec",
            ast.PyCF_ONLY_AST,
            True,
            _feature_version=min(minor, sys.version_info.minor),
        )
    except SyntaxError as why:
        return ("" if minor > sys.version_info.minor else f"line {why.lineno or 1}: {why.msg}"), None
    except (ValueError, RecursionError, MemoryError) as why:
        return str(why) or "nested too deeply", None
    return "", cast(ast.Module, tree)


def _not_in_python2(tree: ast.Module, source: bytes) -> Iterator[tuple[int, str]]:
    """What Python 2.7 does not know, of a source that Python 3 takes: line and word for it."""
    head = source.splitlines()[:2]
    if not source.isascii() and not source.startswith(b"\xef\xbb\xbf") and not any(map(_CODING.match, head)):
        line = next(n for n, text in enumerate(source.splitlines(), 1) if not text.isascii())
        yield line, "a character outside ASCII, and no coding declaration, which Python 2 wants"
    prints = _PRINT_FUNCTION in _futures(tree)
    for node in ast.walk(tree):
        if (word := _new_in_python3(node)) or (not prints and (word := _print_call(node))):
            yield getattr(node, "lineno", 1), f"{word} is of Python 3"


def _futures(tree: ast.Module) -> set[str]:
    imports = (node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__")
    return {name.name for node in imports for name in node.names}


_NEW_NODES: dict[str, str] = {
    "AnnAssign": "an annotated variable",
    "JoinedStr": "an f-string",
    "AsyncFunctionDef": "async",
    "AsyncFor": "async",
    "AsyncWith": "async",
    "Await": "await",
    "Nonlocal": "nonlocal",
    "YieldFrom": "yield from",
    "NamedExpr": ":=",
    "Match": "match",
    "TryStar": "except*",
    "MatMult": "the operator @",
    "TypeAlias": "type",
}


def _new_in_python3(node: ast.AST) -> str:
    if word := _NEW_NODES.get(type(node).__name__, ""):
        return word
    if isinstance(node, ast.arguments) and (node.kwonlyargs or node.posonlyargs):
        return "a keyword-only or positional-only argument"
    if isinstance(node, ast.arg) and node.annotation:
        return "an annotation"
    if isinstance(node, ast.FunctionDef) and node.returns:
        return "an annotation"
    if isinstance(node, ast.ClassDef) and node.keywords:
        return "a class keyword such as metaclass="
    if isinstance(node, ast.Raise) and node.cause:
        return "raise .. from"
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)) and any(
        isinstance(element, ast.Starred) for element in node.elts
    ):
        return "an unpacking with *"
    if isinstance(node, ast.Dict) and None in node.keys:
        return "an unpacking with **"
    return ""


def _print_call(node: ast.AST) -> str:
    """``print(.., file=x)`` is no statement of Python 2."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        and node.keywords
    ):
        return "print() with a keyword"
    return ""


#: Longer sources are not read a second time; the grammar's error recovery is quadratic on some malformed input.
_MAX_PYTHON2 = 64 * 1024
#: What the grammar knows and Python 2 does not, should the Python that runs here not know it either.
_NOT_PYTHON2 = frozenset(
    {
        *("type_alias_statement", "type_parameter", "match_statement", "interpolation", "await"),
        *("nonlocal_statement", "named_expression", "keyword_separator", "positional_separator"),
    }
)


def _is_python2(source: bytes) -> bool:
    """Whether it is Python 2, where it is no Python 3: by tree-sitter's grammar, which has the statements of both."""
    if len(source) > _MAX_PYTHON2:
        return True
    root = parser("python").parse(source).root_node
    if root.has_error:
        return False
    cursor = root.walk()
    while True:
        node = cast(Any, cursor.node)  # there is one until its last
        if node.type in _NOT_PYTHON2:
            return False
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return True

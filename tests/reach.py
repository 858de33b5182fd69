"""Which libraries a class's code calls, itself or through other code of xspack: ``from reach import libraries_of``.

The walk follows names, from function to function. Of a class that is named it takes all methods, and what a method is
called on it does not know: a library that is reached only so is not found.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from support import ROOT

PACKAGE = ROOT / "xspack_tool"
#: A name of a module: ``("xspack_tool.rpm.read", "open_rpm")``; with no second part, the module itself.
Name = tuple[str, str]
#: What declares values: it reads and writes nothing.
_OF_VALUES = {("msgspec", name) for name in ("Struct", "StructMeta", "NODEFAULT", "field", "structs")}


@dataclass
class Code:
    """A module: what its names are bound to, by statements or by imports."""

    bound: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imported: dict[str, Name] = field(default_factory=dict)


def libraries_of(module: str, name: str) -> dict[str, str]:
    """The distributions that a function or a class calls, each with the function that imports it."""
    found: dict[str, str] = {}
    waiting, seen = [(module, name)], set[Name]()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        code = _code(place[0])
        if code is None:
            if library := _distribution(place[0]):
                found.setdefault(library, "")
            continue
        if place[1] in code.imported:
            waiting.append(code.imported[place[1]])
        for statement in code.bound.get(place[1], ()):
            for target in _used(statement, code, place[0]):
                if target[0] == "msgspec.structs" or target in _OF_VALUES:
                    continue
                if library := _distribution(target[0]):
                    found.setdefault(library, f"{place[0]}.{place[1]}")
                else:
                    waiting.append(target)
    return found


@functools.cache
def _code(module: str) -> Code | None:
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else Path(f"{path}.py")
    if not module.startswith("xspack_tool") or not file.is_file():
        return None
    code = Code()
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            code.imported.update(_imports(statement))
        elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
            code.bound.setdefault(statement.name, []).append(statement)
        elif not _for_types(statement):
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    code.bound.setdefault(node.id, []).append(statement)
    return code


def _imports(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Name]]:
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            name = alias.asname or alias.name.split(".")[0]
            yield name, (alias.name if alias.asname else name, "")
        elif statement.module and _code(f"{statement.module}.{alias.name}"):
            yield alias.asname or alias.name, (f"{statement.module}.{alias.name}", "")
        elif statement.module:
            yield alias.asname or alias.name, (statement.module, alias.name)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _used(statement: ast.stmt, code: Code, module: str) -> Iterator[Name]:
    """What the names in a statement are: those of this module, and those that it imports."""
    imported = dict(code.imported)
    nodes = list(_running(statement))
    owners = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported.update(_imports(node))
    for node in nodes:
        if isinstance(node, ast.Name) and id(node) in owners and not imported.get(node.id, ("", "?"))[1]:
            continue
        if isinstance(node, ast.Name) and node.id in imported:
            yield imported[node.id]
        elif isinstance(node, ast.Name) and node.id in code.bound:
            yield module, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner, part = imported.get(node.value.id, ("", "?"))
            if owner and not part:
                yield owner, node.attr


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of what runs: annotations do not."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns") or _for_types(node):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _running(child)


def _distribution(module: str) -> str:
    """The distribution of a module, empty for Python's own, SCons and xspack."""
    top = module.split(".")[0]
    if top in ("xspack_tool", "SCons") or top in sys.stdlib_module_names:
        return ""
    return re.sub(r"[-.]+", "_", distributions().get(top, top))


@functools.cache
def distributions() -> dict[str, str]:
    """Module -> the distribution that brings it. What Python 3.10 has for this knows those with top_level.txt alone."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        for file in distribution.files or ():
            found.setdefault(file.parts[0].partition(".")[0], distribution.metadata["Name"])
    return found

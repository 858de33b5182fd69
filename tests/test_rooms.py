"""docs/design.md's table of rooms and the imports in the code say the same."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

PACKAGE = ROOT / "xspack_tool"
FREE = {"errors", "files"}


def room_of(module: tuple[str, ...]) -> str:
    """The room of a module below xspack_tool: its folder or file, ``__init__`` for the package itself."""
    return module[0] if module else "__init__"


def table() -> dict[str, set[str]]:
    """The rooms of the page, each with what it may import."""
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)(?:/|\.py)` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)
    return {room: set(re.findall(r"\w+", allowed.replace(".py", ""))) for room, allowed in rows}


def imports(source: str, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line, what): a room, or a top-level module of others, wherever it is imported."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(("xspack_tool", *package)[: len(package) + 2 - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            # `from xspack_tool import run` names a room behind the word import.
            names = (
                [f"{module}.{alias.name}" for alias in node.names] if module == "xspack_tool" else [module]
            )
        else:
            continue
        for name in names:
            top, *rest = name.split(".")
            yield node.lineno, known_room(tuple(rest)) if top == "xspack_tool" else top


def known_room(module: tuple[str, ...]) -> str:
    """``from xspack_tool import generate`` names no room, but the package's own file."""
    room = room_of(module)
    return room if (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file() else "__init__"


def breaches(file: Path, source: str, allowed: dict[str, set[str]]) -> list[str]:
    """Every import of a file that its room may not have."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    room = room_of(parts)
    may = allowed[room] | FREE | {room}
    found = []
    for line, what in imports(source, parts[:-1]):
        is_ours = what in allowed or what == "SCons"
        if what not in may if is_ours else what == "subprocess" and room != "run":
            found.append(f"{file.relative_to(ROOT)}:{line}: {room} may not import {what}")
    return found


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_every_room_is_in_the_table() -> None:
    rooms = {room_of(file.relative_to(PACKAGE).with_suffix("").parts) for file in files()}
    assert rooms == set(table())


def test_no_room_imports_what_it_may_not() -> None:
    allowed = table()
    found = [line for file in files() for line in breaches(file, file.read_text(encoding="utf-8"), allowed)]
    assert found == []


@pytest.mark.parametrize(
    ("file", "source", "what"),
    [
        ("model/x.py", "from xspack_tool.rpm.info import RpmInfo", "model may not import rpm"),
        ("model/x.py", "def f():\n    import xspack_tool.run", "model may not import run"),
        ("model/x.py", "from xspack_tool import run", "model may not import run"),
        ("model/x.py", "from xspack_tool import generate", "model may not import __init__"),
        ("model/x.py", "from ..plan import step", "model may not import plan"),
        ("model/x.py", "from .. import plan", "model may not import plan"),
        ("rules/shell/x.py", "from ...hosts import xapi", "rules may not import hosts"),
        ("rpm/x.py", "import SCons.Node.FS", "rpm may not import SCons"),
        ("plan/x.py", "from subprocess import run", "plan may not import subprocess"),
        ("cli/x.py", "from xspack_tool.plan import pack", "cli may not import plan"),
        ("errors.py", "from xspack_tool.model import syntax", "errors may not import model"),
    ],
)
def test_a_breach_is_found(file: str, source: str, what: str) -> None:
    line = source.count("\n") + 1
    assert breaches(PACKAGE / file, source, table()) == [f"xspack_tool/{file}:{line}: {what}"]


def test_start_up_loads_no_heavy_library() -> None:
    """What kinds and plan import at start keeps out what only a build needs."""
    heavy = {
        *("createrepo_c", "defusedxml", "elftools", "gnupg", "license_expression", "pycdlib", "rich"),
        *("rpmfile", "solv", "tree_sitter", "tree_sitter_bash", "zstandard", "xspack_tool.cli"),
    }
    assert heavy & loaded_by("xspack_tool.kinds", "xspack_tool.kinds.all_kinds()") == set()


def test_reading_a_tree_of_programs_loads_nothing_of_drivers_and_nothing_that_acts() -> None:
    """What only a driver or a step needs would cost every build with nothing to do."""
    late = {
        *(
            "xspack_tool.ddk",
            "xspack_tool.plan.ddk",
            "xspack_tool.rules",
            "xspack_tool.rpm.write",
            "xml.etree",
        ),
        *(
            "xspack_tool.rpm.read",
            "xspack_tool.pack.iso",
            "xspack_tool.signing.sign",
            "xspack_tool.signing.keys",
        ),
        *("importlib.metadata", "email", "http", "tarfile"),
        *("difflib", "tomllib", "tomli"),
    }
    loaded = loaded_by("xspack_tool.kinds.userspace, xspack_tool.kinds.pack", "None")
    assert late & (loaded - loaded_by("SCons.Script", "None")) == set()


def test_building_a_pack_loads_no_reader_of_mail() -> None:
    """importlib.metadata brings it along for one line with a version, which plan knows."""
    modules = (
        "xspack_tool.rules.engine, xspack_tool.rules.report, xspack_tool.rules.sarif, xspack_tool.pack.iso"
    )
    loaded = loaded_by(f"{modules}, xspack_tool.evidence.spdx, xspack_tool.signing.sign", "None")
    assert {"importlib.metadata", "email"} & (loaded - loaded_by("SCons.Script", "None")) == set()


def test_values_are_structs() -> None:
    """To make the class of a dataclass takes a third of a millisecond, in every build."""
    users = [file for file in files() if "dataclasses" in [what for _, what in all_imports(file)]]
    assert users == []


def all_imports(file: Path) -> Iterator[tuple[int, str]]:
    return imports(file.read_text(encoding="utf-8"), file.relative_to(PACKAGE).parts[:-1])


def loaded_by(module: str, call: str) -> set[str]:
    code = f"import sys, {module}; {call}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_half_of_plan_that_is_scons_knows_nothing_of_the_pipeline() -> None:
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    half = set(re.search(r"\*\*SCons\*\*: `([^`]*)`", page)[1].split())  # type: ignore[index]
    assert half < {file.stem for file in (PACKAGE / "plan").glob("*.py")}
    for name in sorted(half):
        tree = ast.parse((PACKAGE / "plan" / f"{name}.py").read_text(encoding="utf-8"))
        # What is imported for types alone is named there.
        typing = {id(node) for block in tree.body if is_for_types(block) for node in ast.walk(block)}
        modules = {
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and id(node) not in typing
        }
        used = {
            module.split(".")[2] for module in modules if module and module.startswith("xspack_tool.plan.")
        }
        assert used <= half, name


def test_no_file_needs_itself() -> None:
    """Imports within functions count, for they hide a circle; those for types alone do not."""
    needs = {name: set(needed(file)) for file, name in zip(files(), map(module_name, files()), strict=True)}
    while free := {name for name, others in needs.items() if not others & needs.keys()}:
        needs = {name: others for name, others in needs.items() if name not in free}
    assert needs == {}


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def needed(file: Path) -> Iterator[str]:
    """The modules of ours that a file imports to run."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing = {id(node) for block in tree.body if is_for_types(block) for node in ast.walk(block)}
    known = set(map(module_name, files()))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in typing:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from names & known or {node.module} & known


def is_for_types(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"


def test_the_page_fits_on_two_screens() -> None:
    lines = (ROOT / "docs/design.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    assert all(len(line) <= 120 for line in lines if not line.startswith(("|", "```")))

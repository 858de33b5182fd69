"""The catalogue of findings, findings.txt: what is said of each example, word by word; other tests assert ids and
places."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from findings import CATALOGUE, TABLE
from forge import for_machine, module, needing, program
from support import ROOT

from xspack_tool.model.driver import DriverNotes
from xspack_tool.rules.context import DriverData, IndexRecord
from xspack_tool.rules.registry import all_rules

#: What the calls name, besides the functions of the fixtures.
NAMES: dict[str, Any] = {
    "module": module,
    "needing": needing,
    "program": program,
    "for_machine": for_machine,
    "DriverData": DriverData,
    "DriverNotes": DriverNotes,
    "IndexRecord": IndexRecord,
}


@pytest.mark.parametrize(
    "call", TABLE, ids=[f"{call.partition(' ')[0]}-{n}" for n, call in enumerate(TABLE, 1)]
)
def test_what_is_found(
    verdict: Callable[..., list[str]],
    pack_verdict: Callable[..., list[str]],
    forged: Callable[..., Path],
    call: str,
) -> None:
    rule, _, expression = call.partition(" ")
    functions = {"rpm": partial(verdict, rule), "pack": partial(pack_verdict, rule), "R": forged}
    findings = eval(expression, {**NAMES, **functions})
    if os.environ.get("GOLDEN") == "update":
        write_findings(call, findings)
    else:
        assert findings == TABLE[call]


def write_findings(call: str, findings: list[str]) -> None:
    """Note what is found now; the rest of the file stays."""
    before, line, after = CATALOGUE.read_text(encoding="utf-8").partition(f"\n{call}\n")
    rest = re.sub(r"\A(    .*\n)+", "", after)
    text = "".join([before, line, *(f"    {finding}\n" for finding in findings), rest])
    CATALOGUE.write_text(text, encoding="utf-8")


def test_each_rule_is_in_the_catalogue_or_has_its_own_tests() -> None:
    rules = {call.partition(" ")[0] for call in TABLE}
    assert rules | OWN_TESTS == {rule.id for rule in all_rules()}
    assert not rules & OWN_TESTS


#: Rules whose examples take more than one line: files of a release, keys, certificates.
OWN_TESTS = {
    *("B3", "B7", "D1", "D3", "G1", "G3", "G4", "K12", "M1", "M2", "M3", "M4", "M5", "M6", "P7", "R2"),
    *("S11", "U2", "V2", "X1"),
}


def test_each_sentence_of_a_rule_is_expected() -> None:
    """In the catalogue, or in a test of this folder: none can be reworded, or lost, without being seen."""
    files = sorted((ROOT / "tests/rules").rglob("*.py"))
    texts = [CATALOGUE.read_text(encoding="utf-8"), *(text for file in files for text in strings(file))]
    unseen = [
        f"{file.name}:{line}: {words}"
        for file in sorted((ROOT / "xspack_tool/rules/families").glob("*.py"))
        for line, words, pattern in sentences_of(file)
        if not any(pattern.search(text) for text in texts)
    ]
    assert unseen == []


def strings(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)


def sentences_of(file: Path) -> Iterator[tuple[int, str, re.Pattern[str]]]:
    """The texts of at least four words in the functions of a file, but for remedies, as (line, words, pattern)."""
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef) and "remedy" not in function.name:
            for statement in function.body:
                yield from sentences_in(statement)


def sentences_in(node: ast.AST) -> Iterator[tuple[int, str, re.Pattern[str]]]:
    if isinstance(node, ast.FunctionDef) or is_docstring(node) or is_remedy(node):
        return
    if isinstance(node, ast.JoinedStr | ast.Constant):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        fixed = [part.value if isinstance(part, ast.Constant) else None for part in parts]
        words = " ".join(text for text in fixed if isinstance(text, str))
        if len(re.findall(r"[A-Za-z']{2,}", words)) >= 4:
            line = getattr(node, "lineno", 0)
            yield (
                line,
                words,
                re.compile("".join(re.escape(t) if isinstance(t, str) else ".*" for t in fixed)),
            )
        return
    for child in ast.iter_child_nodes(node):
        yield from sentences_in(child)


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_remedy(node: ast.AST) -> bool:
    """A remedy, or a command in one; what they lead to is in test_remedies.py."""
    if isinstance(node, ast.keyword):
        return node.arg == "remedy"
    return isinstance(node, ast.Assign) and any(
        word in ast.unparse(node.targets[0]) for word in ("remedy", "command")
    )

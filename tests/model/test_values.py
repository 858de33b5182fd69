"""Declared values check themselves, and have one canonical text."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from typing import Any

import pytest
import sentences
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict
from support import ROOT, entry

from xspack_tool.errors import DeclarationError, Place, Problem
from xspack_tool.model import syntax
from xspack_tool.model.canonical import canonical, fields
from xspack_tool.model.changelog import CONSTANT_TIME, ChangelogEntry, parse_entry
from xspack_tool.model.dependency import Dependency, parse_dependency
from xspack_tool.model.pack import Pack, Rollup
from xspack_tool.model.package import FileEntry, Identity, Package, Script, ScriptPart, interpreter_of

PACKAGE = Package(name="x", version="1", release="1", summary="s", license="MIT")
PACK = Pack(
    label="acme",
    version="1.0",
    uuid="5f0c1c36-31f4-4f3d-8f0c-6b5f2f9b1c66",
    description="Acme",
    key="KEY",
    volume_id="ACME",
)


# Syntax


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (syntax.check_name, ["a", "acme-agent", "libstdc++", "a.b_c"], ["", "a b", "-a", "ä", "a/b", None, "a\n"]),
        (syntax.check_version, ["1", "5.2~rc1", "1+git", "1_2"], ["", "1-2", "1 2", "1^2", None, 1.5, "1\n"]),
        (syntax.check_label, ["acme", "A_b-1"], ["", "main", "a b", "a.b", "ä", None, "a\n"]),
        (syntax.check_uuid, [PACK.uuid], ["", PACK.uuid.upper(), PACK.uuid[:-1], f"{PACK.uuid}\n", None]),
        (syntax.check_volume_id, ["A", "a_1", "x" * 32], ["", "x" * 33, "a-b", "a b", "a\n", None]),
        (syntax.check_one_line, ["text", "100%", "日本"], ["", " ", "a\nb", "a\0b", "a\tb", "\x7f", None, 5]),
        (syntax.check_destination, ["/a", "/a//b/./c", "/a b"], ["", "a", "/", "//", "/a/..", "/\n", "/\udcff"]),
        (syntax.check_destination, ["/" + "n" * 255, "/d" * 2047], ["/" + "\xfc" * 128, "/d" * 2048]),
    ],
)  # fmt: skip
def test_syntax(check: Any, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if check("field", value)] == []
    assert [value for value in bad if not check("field", value)] == []
    assert all(
        problem.field == "field" and problem.rule and problem.remedy for problem in check("field", bad[0])
    )


@given(st.text(alphabet="/.ab\\", min_size=1).map(lambda path: f"/{path}"))
def test_a_normal_path_stays_and_names_the_same_file(path: str) -> None:
    normal = syntax.normal_path(path)
    assert syntax.normal_path(normal) == normal
    assert normal == "/" or (not normal.endswith("/") and "//" not in normal and "/./" not in normal)
    assert os.path.normpath(normal) == normal


@given(st.one_of(st.text(), st.none(), st.integers(), st.lists(st.text()), st.binary()))
def test_anything_is_a_dependency_or_a_problem(value: object) -> None:
    found = parse_dependency("requires", value)
    if isinstance(found, Dependency):
        assert parse_dependency("requires", str(found)) == found
    else:
        assert (found.field, found.value) == ("requires", value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bash", Dependency("bash")),
        ("  python3   >=  3.6 ", Dependency("python3", ">=", "3.6")),
        ("libc.so.6(GLIBC_2.4)(64bit)", Dependency("libc.so.6(GLIBC_2.4)(64bit)")),
        ("/usr/bin/python3", Dependency("/usr/bin/python3")),
        ("x = 1:2.0~rc1-3.el7", Dependency("x", "=", "1:2.0~rc1-3.el7")),
        ("config(acme) = 1", Dependency("config(acme)", "=", "1")),
    ],
)
def test_dependencies(text: str, found: Dependency) -> None:
    assert parse_dependency("requires", text) == found


# Changelog and time


def test_a_changelog_entry() -> None:
    found = entry("  2026-11-20   Acme <b@acme.example> 5.2-1\n- one\n\n- two\n")
    assert found == ChangelogEntry(
        datetime.date(2026, 11, 20), "Acme <b@acme.example> 5.2-1", "- one\n\n- two"
    )
    # Noon in UTC, as rpm has it.
    assert found.time == 1795176000


@given(st.one_of(st.text(), st.none(), st.integers()))
def test_anything_is_an_entry_or_a_problem(value: object) -> None:
    assert isinstance(parse_entry("changelog", value), (ChangelogEntry, Problem))


def test_the_time_of_a_package() -> None:
    old, new = entry("2026-01-02 A <a@b> 1\n- x"), entry("2026-11-20 A <a@b> 2\n- y")
    assert PACKAGE.time() == CONSTANT_TIME == 1577836800
    assert PACKAGE.time(5) == 5
    assert PACKAGE.time(0) == 0
    assert Package("x", "1", "1", "s", "MIT", changelog=(old, new)).time(5) == new.time


# Packages and packs


def test_identity() -> None:
    identity = Identity("a", "1.0", "2", "noarch", 3)
    assert (identity.file_name, identity.evr) == ("a-1.0-2.noarch.rpm", "3:1.0-2")
    assert Identity("a", "1.0", "2", "noarch").evr == "1.0-2"
    assert Package("a", "1.0", "2", "s", "MIT", "noarch", 3).identity == identity


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("#!/bin/sh\n", "/bin/sh"),
        ("#! /usr/bin/python3 -u\nx", "/usr/bin/python3"),
        ("echo\n#!/bin/sh", ""),
        ("#!\n", ""),
        ("", ""),
    ],
)
def test_the_interpreter_of_a_script(text: str, program: str) -> None:
    assert interpreter_of(text) == program


def test_a_pack() -> None:
    assert PACK.problems() == []
    assert (PACK.control_name, PACK.update_name, PACK.groups) == ("", "update-acme", ("update",))
    more = Pack(**{**asdict(PACK), "requires": (Dependency("x"),), "driver_disk": True})
    assert (more.control_name, more.groups) == ("control-acme", ("update", "drivers"))
    assert Pack(**{**asdict(PACK), "has_precheck": True}).control_name == "control-acme"
    assert Pack(**{**asdict(PACK), "has_remove": True}).control_name == "control-acme"
    bad = Pack(
        **{**asdict(PACK), "rollups": (Rollup("x", "old"),), "after_apply": ("restartAll",), "label": "main"}
    )
    assert [problem.field for problem in bad.problems()] == ["label", "after_apply", "rollups"]


# Errors


def test_problems_are_sorted_by_file_and_line() -> None:
    places = [Place("b", 1), Place("a", 10), Place("a", 9), None]
    problems = [Problem("f", number, "rule", "remedy").at(place, "T") for number, place in enumerate(places)]
    assert [problem.value for problem in DeclarationError(problems).problems] == [3, 2, 1, 0]
    text = str(DeclarationError(problems[:2]))
    assert text.splitlines() == [
        f"2 {sentences.MISTAKES}",
        "  a:10: T: f=1: rule; remedy",
        "  b:1: T: f=0: rule; remedy",
    ]


def test_a_problem_keeps_the_place_that_it_has() -> None:
    problem = Problem("f", 1, "rule", "remedy", Place("a", 1), "A")
    assert problem.at(Place("b", 2), "B") == problem


# Canonical text

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.dates()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=10,
)


@given(VALUES)
def test_canonical_text_is_json_and_does_not_depend_on_order(value: Any) -> None:
    text = canonical(value)
    assert json.loads(text) is not ...
    if isinstance(value, dict):
        assert canonical(dict(reversed(value.items()))) == text


def test_every_field_shows_in_the_canonical_text() -> None:
    base = canonical(PACKAGE)
    relations = ("requires", "requires_post", "requires_postun", "provides", "conflicts", "obsoletes")
    changes: dict[str, Any] = {
        "entries": (FileEntry("/a", "file"),),
        "scripts": (Script("post", (ScriptPart("x"),)),),
        "changelog": (entry("2026-01-02 A <a@b> 1\n- x"),),
        "epoch": 1,
        "automatic_dependencies": False,
        **{name: (Dependency("x"),) for name in relations},
    }  # fmt: skip
    texts = {
        canonical(Package(**{**asdict(PACKAGE), name: changes.get(name, "other")}))
        for name in asdict(PACKAGE)
    }
    assert len(texts) == len(asdict(PACKAGE)) and base not in texts
    entries = [{"mode": 0o600}, {"owner": "a"}, {"group": "a"}, {"link": "a"}, {"text": "a"}, {"role": "doc"}]
    entries.append({"source": "a"})
    assert len({canonical(FileEntry("/a", "file", **change)) for change in ({}, *entries)}) == 8  # type: ignore[arg-type]


def test_canonical_text_is_the_same_under_every_hash_seed() -> None:
    code = "from xspack_tool.model.canonical import canonical; print(canonical({k: {k} and [k] for k in 'azby'}))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {b'{"a":["a"],"b":["b"],"y":["y"],"z":["z"]}\n'}


def test_what_has_no_canonical_text_is_refused() -> None:
    for value in (object(), {1, 2}, b"x", lambda: 1):
        with pytest.raises(TypeError, match=r"has no canonical form$"):
            canonical([value])


def test_fields_by_name() -> None:
    package = Package(
        **{
            **asdict(PACKAGE),
            "entries": (FileEntry("/a", "file", 0o600),),
            "requires": (Dependency("x", ">", "1"),),
        }
    )
    assert fields(json.loads(canonical(package)), {}) == {
        "entries[/a].kind": "file",
        "entries[/a].mode": 384,
        "entries[/a].path": "/a",
        "license": "MIT",
        "name": "x",
        "release": "1",
        "requires[x].evr": "1",
        "requires[x].name": "x",
        "requires[x].operator": ">",
        "summary": "s",
        "version": "1",
    }  # fmt: skip


_ITEMS = st.fixed_dictionaries({"path": st.sampled_from("abc"), "mode": st.integers(0, 2)})
_DECLARED = st.dictionaries(
    st.sampled_from("wxyz"),
    st.integers(0, 1)
    | st.lists(st.sampled_from("ab"))
    | st.lists(st.lists(st.sampled_from("ab"), max_size=2), max_size=4)
    | st.lists(_ITEMS, max_size=4, unique_by=lambda item: item["path"])
    | st.dictionaries(st.sampled_from("ab"), st.integers(0, 1)),
)


@given(_DECLARED, _DECLARED)
def test_fields_that_are_known_are_left_out_and_no_others(old, new):
    """Items that were inserted, removed or moved are the same ones as before."""
    known, now = fields(old, {}), fields(new, {})
    was, became = fields(old, new), fields(new, old)
    assert was.items() <= known.items() and became.items() <= now.items()
    names = {*known, *now}
    assert {
        name: (was.get(name), became.get(name)) for name in names if was.get(name) != became.get(name)
    } == {name: (known.get(name), now.get(name)) for name in names if known.get(name) != now.get(name)}

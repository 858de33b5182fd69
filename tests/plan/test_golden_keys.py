"""What is in the key of each step, and the code that writes what it is the key of.

A key that forgets something leaves a stale file in a pack that builds green. So all that a key holds is written down in
golden/keys.json, step by step; and where code that decides on bytes changes, someone has to say whether the bytes do.
``GOLDEN=update pytest tests/plan/test_golden_keys.py`` writes both anew.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from reach import distributions, libraries_of
from steps import all_steps
from support import ROOT

from xspack_tool.plan.findings import PACK_READERS
from xspack_tool.plan.record import JUDGING, READERS
from xspack_tool.plan.step import FORMAT, Planned, Step

GOLDEN = Path(__file__).parent / "golden"
PACKAGE = ROOT / "xspack_tool"
#: The rooms whose code decides on bytes, besides the steps themselves. Rules are not among them: their code is in the
#: keys of findings.
ROOMS = ("binary", "ddk", "model", "pack", "repo", "rpm", "signing")
REMEDY = (
    "{}: the code changed, and no key. If any output becomes another for equal inputs, raise `version` of the steps "
    "that make it (or FORMAT in plan/step.py, for all). Then: GOLDEN=update pytest tests/plan/test_golden_keys.py"
)


def sample(kind: type[Step], **given: Any) -> Step:
    """A step each of whose fields says its own name."""
    return kind(**{**{field: f"<{field}>" for field in kind.__struct_fields__}, **given})


def planned(step: Step) -> Planned:
    versions = dict.fromkeys(("xspack", *step.uses), "<version>")
    return Planned(step, (), {"one": 0, "many": (1, 2)}, {"out": 0}, frozenset(), versions, cast(Any, None))


def notes(kind: type[Step]) -> dict[str, Any]:
    unkeyed = [field for field in kind.__struct_fields__ if field not in set(kind.keyed())]
    key = json.loads(planned(sample(kind)).key)
    return {"label": kind.label, "modes": list(kind.modes), "not in the key": unkeyed, "key": key}


def same(name: str, found: str) -> str:
    """What the golden file has, written anew where that is wanted."""
    if os.environ.get("GOLDEN") == "update":
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_text(found, encoding="utf-8")
    return (GOLDEN / name).read_text(encoding="utf-8")


def test_what_keys_hold() -> None:
    found = {"FORMAT": FORMAT, **{kind.__name__: notes(kind) for kind in all_steps()}}
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    assert json.loads(same("keys.json", text)) == found


def code() -> dict[str, str]:
    """File of the rooms -> a digest of its lines without comments and blank ones."""
    files = [file for room in ROOMS for file in (PACKAGE / room).rglob("*.py")]
    steps = {Path(str(inspect.getsourcefile(kind))) for kind in all_steps()}
    found = {}
    for file in sorted({*files, *steps}):
        lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
        kept = "\n".join(line for line in lines if line and not line.startswith("#"))
        found[file.relative_to(PACKAGE).as_posix()] = hashlib.sha256(kept.encode()).hexdigest()[:12]
    return found


def test_code_that_writes_changes_with_its_keys() -> None:
    found = code()
    text = "".join(f"{name} {digest}\n" for name, digest in found.items())
    known = dict(line.split() for line in same("code.txt", text).splitlines())
    changed = sorted(name for name in {**known, **found} if known.get(name) != found.get(name))
    assert not changed, REMEDY.format(", ".join(changed))


@pytest.mark.parametrize("kind", all_steps(), ids=lambda kind: kind.__name__)
def test_each_field_is_in_the_key_or_said_to_be_none_of_it(kind: type[Step]) -> None:
    base = planned(sample(kind)).signature
    keyed = set(kind.keyed())
    for field in kind.__struct_fields__:
        other = planned(sample(kind, **{field: "another"})).signature
        assert (other != base) == (field in keyed), field


@pytest.mark.parametrize("kind", all_steps(), ids=lambda kind: kind.__name__)
def test_a_raised_version_changes_the_key(kind: type[Step], monkeypatch: pytest.MonkeyPatch) -> None:
    base = planned(sample(kind)).signature
    monkeypatch.setattr(kind, "version", kind.version + 1)
    assert planned(sample(kind)).signature != base


def test_which_input_is_which_is_in_the_key() -> None:
    (kind,) = (kind for kind in all_steps() if kind.__name__ == "WriteRpm")
    base = planned(sample(kind))
    layouts: list[dict[str, Any]] = [
        {"one": 1, "many": (0, 2)},
        {"many": (0, 1), "one": 2},
        {"one": 0, "many": (2, 1)},
        {"one": 0, "other": (1, 2)},
        {"one": 0, "many": (1,), "more": (2,)},
        {"one": 0, "many": {"a": 1, "b": 2}},
        {"one": 0, "many": {"a": 2, "b": 1}},
    ]
    found = {msgspec.structs.replace(base, inputs=layout).key for layout in layouts}
    assert len(found | {base.key}) == len(layouts) + 1


def libraries(*rooms: str) -> set[str]:
    """The distributions of what the code of some rooms imports and is none of Python's own."""
    names: set[str] = set()
    for file in (file for room in rooms for file in (PACKAGE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    # tomli, or Python's own tomllib, reads profiles, which are in the keys by their values.
    foreign = names - set(sys.stdlib_module_names) - {"xspack_tool", "SCons", "tomli", "tomllib"}
    return {re.sub(r"[-.]+", "_", distributions()[name]) for name in foreign}


def test_every_library_that_reads_for_the_rules_is_in_the_keys_of_findings() -> None:
    """Another version of it may find another thing."""
    assert libraries("rpm", "binary") <= set(READERS)
    assert libraries(*JUDGING, "rpm", "binary", "signing", "repo", "pack") <= set(PACK_READERS)


@pytest.mark.parametrize("kind", all_steps(), ids=lambda kind: kind.__name__)
def test_every_library_that_a_step_calls_is_in_its_key(kind: type[Step]) -> None:
    called = libraries_of(kind.__module__, kind.__name__)
    # A test key is made once: another version makes no other one.
    known = {*sample(kind).used(), *(["python_gnupg"] if kind.__name__ == "MakeTestKey" else [])}
    assert {library: where for library, where in called.items() if library not in known} == {}


def test_the_walk_finds_libraries_behind_functions_methods_and_modules() -> None:
    assert libraries_of("xspack_tool.repo.fragment", "read_fragments").keys() == {"msgspec"}
    assert "cryptography" in libraries_of("xspack_tool.ddk.sign", "sign_module")
    assert "pycdlib" in libraries_of("xspack_tool.pack.iso_read", "IsoReader")
    assert libraries_of("xspack_tool.model.dependency", "parse_dependency") == {}


def test_all_code_that_the_rules_call_is_in_a_key() -> None:
    """That of the rules themselves in each finding's; that of other rooms by the version which is raised for it."""
    for file in (file for room in JUDGING for file in (PACKAGE / room).rglob("*.py")):
        called = set(
            re.findall(r"^ *from xspack_tool\.(\w+)[. ]", file.read_text(encoding="utf-8"), re.MULTILINE)
        )
        assert called <= {*JUDGING, *ROOMS, "errors", "files", "run"}, file

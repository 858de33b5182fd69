"""Every keyword of a pack: changing it builds exactly what is downstream of it, changing it back the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rebuild.lab import Declaration, Lab, explained, steps
from support import need

from xspack_tool.kinds.pack import Pack
from xspack_tool.kinds.submission import Submission

#: The steps of a pack by their letters; LABEL is the pack's.
STEPS = {
    "F": (
        "Join packs/LABEL/index.jsonl",
        "Totals packs/LABEL/installed-size",
    ),
    "D": ("Document packs/LABEL/update.xml",),
    "d": ("Sign packs/LABEL/update.xml.asc",),
    "u": ("RPM rpms/update-LABEL-VERSION-1.noarch.rpm",),
    "R": ("Repodata packs/LABEL/repodata/repomd.xml", "Sign packs/LABEL/repodata/repomd.xml.asc"),
    "r": ("Repodata packs/LABEL/repodata/repomd.xml",),
    "J": ("Judge LABEL-findings.json",),
    "I": ("ISO LABEL-VERSION.iso",),
}


def signed(rpm: str, key: str = "KEY") -> tuple[str, ...]:
    """The steps that follow an RPM."""
    return (
        f"Sign signed/{key}/{rpm}",
        f"Record records/xenserver-8/{key}/{rpm}.json",
    )


UPDATE, CONTROL = "update-LABEL-VERSION-1.noarch.rpm", "control-LABEL-VERSION-1.noarch.rpm"
STEPS["g"] = ("Join packs/LABEL/generated/index.jsonl",)
STEPS["U"] = (*STEPS["u"], *signed(UPDATE), *STEPS["g"])
STEPS["c"] = (f"RPM rpms/{CONTROL}",)
STEPS["C"] = (f"RPM rpms/{CONTROL}", *signed(CONTROL), *STEPS["g"])


@dataclass(frozen=True)
class Case:
    """Keywords after the change, and the letters of what it builds; ``back`` is what taking it back builds, where
    that is not the same. ``says`` is part of what --debug=explain says of ``of``."""

    new: Mapping[str, str]
    letters: str
    back: str | None = None
    more: tuple[str, ...] = ()
    of: str = ""
    says: str = ""
    old: Mapping[str, str] = field(default_factory=dict)


def uuid(number: int) -> str:
    return f"9a1f0f0e-0000-4000-8000-{number:012d}"


_XML = "packs/LABEL/update.xml"
#: What a change of the document's words builds, and one of the control RPM; taken back, the control RPM stays.
_WORDS, _GUARD, _UNGUARD = "DdURJI", "DdCRJI", "DdgRJI"
CASES = {
    "version": Case({"version": "'2'"}, _WORDS, of=_XML, says='pack.version: "1" -> "2"'),
    "uuid": Case({"uuid": f"'{uuid(99)}'"}, _WORDS, of=_XML, says=f'-> "{uuid(99)}"'),
    "description": Case({"description": "'b'"}, _WORDS, of=_XML, says='pack.description: "a" -> "b"'),
    "packages": Case(
        {"packages": "[made['a'], made['b']]"},
        "FDdURJI",
        more=signed("b-1-1.noarch.rpm"),
        of="rpms/" + UPDATE,
        says='required[1]: (not there) -> ["b", "1-1"]',
    ),
    "key": Case(
        {"key": "'KEY2'"},
        "FDdgRJI",
        more=(*signed("a-1-1.noarch.rpm", "KEY2"), *signed(UPDATE, "KEY2")),
        of=_XML,
        says='pack.key: "KEY" -> "KEY2"',
    ),
    "unsigned": Case(
        {},
        "FDdgRJI",
        "FDgrJI",
        signed(UPDATE),
        _XML,
        'pack.key: "" -> "KEY"',
        {"key": "None", "unsigned": "True"},
    ),
    "requires": Case(
        {"requires": "'product-version >= 8.2.0'"},
        _GUARD,
        _UNGUARD,
        (),
        _XML,
        'pack.requires[product-version].evr: (not there) -> "8.2.0"',
    ),
    "after_apply": Case({"after_apply": "['restartHost']"}, _WORDS, of=_XML, says='-> ["restartHost"]'),
    "precheck": Case(
        {"precheck": "'pre.sh'"}, _GUARD, _UNGUARD, (), _XML, "pack.has_precheck: (not there) -> true"
    ),
    "remove": Case({"remove": "True"}, _GUARD, _UNGUARD, (), _XML, "pack.has_remove: (not there) -> true"),
    "rollups": Case({"rollups": f"['{uuid(98)}']"}, _WORDS, of=_XML, says=uuid(98)),
    "enforce_homogeneity": Case(
        {"enforce_homogeneity": "True"}, _WORDS, of=_XML, says="pack.enforce_homogeneity: (not there) -> true"
    ),
    "driver_disk": Case(
        {"driver_disk": "True"}, "RJI", of="LABEL-findings.json", says="pack.driver_disk: (not there) -> true"
    ),
    "volume_id": Case({"volume_id": "'X'"}, "JI", of="LABEL-1.iso", says='volume: "x_volume_id_1" -> "X"'),
    "vendor": Case(
        {"vendor": "'Acme'"}, "URJI", of="rpms/" + UPDATE, says='pack.vendor: (not there) -> "Acme"'
    ),
    "target": Case({"target": "'#build/other/LABEL-1.iso'"}, "", "I", ("ISO other/LABEL-1.iso",)),
    "waive": Case(
        {"waive": "{'B3': 'ours'}"}, "J", of="LABEL-findings.json", says='(not there) -> ["B3", "ours"]'
    ),
    "releases": Case(
        {"uuid": "None", "releases": f"{{'xenserver-8': '{uuid(97)}'}}"},
        "DdUcRJI",
        of=_XML,
        says=f'-> "{uuid(97)}"',
        old={"uuid": "None", "releases": f"{{'xenserver-8': '{uuid(96)}'}}"},
    ),
    "bystander": Case({}, ""),
}


def test_no_keyword_is_forgotten() -> None:
    assert set(CASES) - {"bystander"} == set(Pack.FIELDS)


def label(name: str) -> str:
    """The label of a case's pack; that of the release is added by xspack where packs are made for several."""
    return f"x-{name.replace('_', '-')}" + ("-xenserver-8" if name == "releases" else "")


def runs(name: str, changed: bool) -> set[str]:
    """What the case's change, or taking it back, builds."""
    case = CASES[name]
    letters = case.letters if changed or case.back is None else case.back
    version = "2" if name == "version" and changed else "1"
    found = [step for letter in letters for step in STEPS[letter]]
    # Of another key's RPMs, and of packages that nothing holds any more, the old files are still good.
    found += case.more if changed else ()
    return {step.replace("LABEL", label(name)).replace("VERSION", version) for step in found}


def declarations(changed: set[str]) -> Iterator[Declaration]:
    for name in ("a", "b"):
        yield "Userspace", name, {"version": "'1'", "arch": "'noarch'", "files": f"{{'/opt/{name}/f': 'f'}}"}
    for number, (name, case) in enumerate(CASES.items()):
        given = {
            "version": "'1'",
            "uuid": f"'{uuid(number)}'",
            "description": "'a'",
            "packages": "[made['a']]",
        }
        given |= {"key": "'KEY'"} | (case.new if name in changed else case.old)
        yield (
            "Pack",
            label(name).removesuffix("-xenserver-8"),
            {key: text.replace("LABEL", label(name)) for key, text in given.items()},
        )


@pytest.mark.parametrize(("variant", "jobs"), [(None, 2), (0, 1)], ids=["plain-j2", "variant-j1"])
def test_every_keyword(variant: int | None, jobs: int, tmp_path: Path, lab_key: Any) -> None:
    """All cases change at once, then every other one is taken back, then the rest."""
    need("rpmbuild", "rpmsign")
    files = {
        "src/f": "f\n",
        "src/KEY": lab_key.public,
        "src/KEY2": lab_key.other,
        "src/pre.sh": "#!/bin/sh\nexit 0\n",
    }
    lab = Lab(tmp_path / "tree", files, variant)

    def build(changed: set[str], *more: str) -> Any:
        lab.declare_all(declarations(changed), {"XSPACK_GNUPGHOME": str(lab_key.home)})
        return lab.scons(f"-j{jobs}", *more).good()

    build(set())
    first = lab.outputs()
    ran = build(set(CASES), "--debug=explain")
    assert steps(ran) == {step for name in CASES for step in runs(name, True)}
    said = explained(ran)
    for name, case in CASES.items():
        if case.says:
            of = case.of.replace("LABEL", label(name)).replace("VERSION", "1")
            assert case.says in said[of], name
    half = set(list(CASES)[::2])
    assert steps(build(half)) == {step for name in set(CASES) - half for step in runs(name, False)}
    assert steps(build(set())) == {step for name in half for step in runs(name, False)}
    last = lab.outputs()
    assert {name: last[name] for name in first} == first
    assert steps(build(set())) == set()


_PATCH = "env.XsPatch('a.patch', flaw='{}', effect='e', seen_by_customers=False)"
#: Keywords of a submission before and after a change, and what --debug=explain says of it.
SUBMISSIONS: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "patches": (
        {"patches": _PATCH.format("a")},
        {"patches": _PATCH.format("b")},
        'fixes[0].flaw: "a" -> "b"',
    ),
    "firmware_statement": (
        {"firmware_statement": "'public in a.'"},
        {"firmware_statement": "'public in b.'"},
        'statement: "public in a." -> "public in b."',
    ),
    "licences": ({}, {"licences": "['f']"}, "licences/f"),
    "target": ({}, {"target": "'#build/other/LABEL.tar'"}, ""),
    "bystander": ({}, {}, ""),
}


def submissions(changed: set[str]) -> Iterator[Declaration]:
    yield "Userspace", "a", {"version": "'1'", "arch": "'noarch'", "files": "{'/opt/a/f': 'f'}"}
    for number, (name, (old, new, _)) in enumerate(SUBMISSIONS.items()):
        given = {
            "version": "'1'",
            "uuid": f"'{uuid(number)}'",
            "description": "'a'",
            "packages": "[made['a']]",
        }
        yield "Pack", label(name), {**given, "key": "'KEY'"}
        words = {
            key: text.replace("LABEL", label(name)) for key, text in (new if name in changed else old).items()
        }
        yield "Submission", f"made[{label(name)!r}]", words


def test_every_keyword_of_a_submission(tmp_path: Path, lab_key: Any) -> None:
    """Changed all at once, and taken back one by one."""
    need("rpmbuild", "rpmsign")
    assert set(SUBMISSIONS) - {"bystander"} == set(Submission.FIELDS)
    patch = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-f\n+g\n"
    lab = Lab(tmp_path / "tree", {"src/f": "f\n", "src/KEY": lab_key.public, "src/a.patch": patch})

    def build(changed: set[str], *more: str) -> Any:
        lab.declare_all(submissions(changed), {"XSPACK_GNUPGHOME": str(lab_key.home)})
        return lab.scons("-j2", *more).good()

    build(set())
    first = lab.outputs()
    ran = build(set(SUBMISSIONS), "--debug=explain")
    made = {name: f"{label(name)}-1-submission.tar" for name in SUBMISSIONS if name != "bystander"}
    assert steps(ran) == {
        f"Submission {'other/x-target.tar' if name == 'target' else tar}" for name, tar in made.items()
    }
    said = explained(ran)
    assert [name for name, (_, _, says) in SUBMISSIONS.items() if says and says not in said[made[name]]] == []
    left = set(made)
    for name, tar in made.items():
        left -= {name}
        assert steps(build(left)) == {f"Submission {tar}"}
    assert lab.outputs() == first
    assert steps(build(set())) == set()

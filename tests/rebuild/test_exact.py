"""Every keyword of every kind: changing it builds exactly what is downstream of it, changing it back gives the old
bytes, and then nothing is left to build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from forge import Forged, forge, program
from module_keys import make_pair
from rebuild.keywords import ARCHES, BASES, CASES, Case
from rebuild.lab import Declaration, Lab, explained, kernel, steps
from support import need

from xspack_tool.kinds import all_kinds

KEY = "KEY"
#: What runs for a pack in which an RPM changed its size.
PACK = {
    "Join packs/all/index.jsonl",
    "Totals packs/all/installed-size",
    "Document packs/all/update.xml",
    "Sign packs/all/update.xml.asc",
    "RPM rpms/update-all-1-1.noarch.rpm",
    "Sign signed/KEY/update-all-1-1.noarch.rpm",
    "Record records/xenserver-8/KEY/update-all-1-1.noarch.rpm.json",
    "Join packs/all/generated/index.jsonl",
    "Repodata packs/all/repodata/repomd.xml",
    "Sign packs/all/repodata/repomd.xml.asc",
    "Judge all-findings.json",
}
#: All but the ISO, since some of these packages no host would take.
TARGETS = (
    "build/rpms",
    "build/signed",
    "build/records",
    "build/packs",
    "build/all-findings.json",
)


def test_no_keyword_is_forgotten() -> None:
    known = {kind.__name__: set(kind.FIELDS) for kind in all_kinds()}
    del known["Pack"], known["Submission"]  # see test_packs.py
    assert {name: set(cases) for name, cases in CASES.items()} == known


@dataclass(frozen=True)
class Subject:
    """A package that one case changes. ``bystander`` packages are changed by none."""

    kind: str
    name: str
    case: Case | None

    def declaration(self, changed: bool) -> Declaration:
        """As it is declared before or after the change."""
        given = dict(BASES[self.kind])
        if self.case:
            given |= self.case.new if changed else self.case.old
        first = {"SpecRpm": f"{self.name}.spec", "PrebuiltRpm": f"{self.name}.rpm"}.get(self.kind, self.name)
        return self.kind, first, {key: self.own(text) for key, text in given.items()}

    def own(self, text: str) -> str:
        """A text of the table with this package's name."""
        return text.replace("NAME", self.name).replace("ARCH", self.arch)

    @property
    def arch(self) -> str:
        return ARCHES.get(self.kind, "noarch")

    @property
    def file(self) -> str:
        """The RPM before the change."""
        return self.own(self.case.was if self.case and self.case.was else f"NAME-1-1.{self.arch}.rpm")

    def runs(self, changed: bool) -> set[str]:
        """What shall run when the change is made (or taken back)."""
        if not self.case or (self.case.stays and not changed):
            return set()
        file = self.own(self.case.file) if self.case.file and changed else self.file
        kernel = "6.1.0-beta" if changed else "6.1.0-acme"
        found = {self.own(step).replace("KERNEL", kernel).format(file) for step in self.case.runs}
        if changed:
            return found
        return {
            step.replace(" rpms/other/", " rpms/") for step in found if "-debuginfo-debuginfo-" not in step
        }


def subjects(kind: str) -> list[Subject]:
    cases = [
        Subject(kind, f"{kind[0].lower()}-{name.replace('_', '-')}", case)
        for name, case in CASES[kind].items()
    ]
    return [*cases, Subject(kind, f"{kind[0].lower()}-bystander", None)]


SPEC = """\
Name: {name}
Version: 1
Release: 1
Summary: a
License: MIT
BuildArch: noarch
Source0: f
%description
a %{{?extra}}
%install
install -D %{{SOURCE0}} %{{buildroot}}/opt/{name}/f
%files
/opt/{name}
"""
DRIVER = """\
int a;
#ifdef B
int b;
#endif
#ifdef CONFIG_ACME
int c;
#endif
"""
SOURCES: Mapping[str, str | bytes] = {
    "src/f": "f\n",
    "src/other/f": "other\n",
    "src/m": "%macro_of_a_file 1\n",
    "src/u.service": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
    "src/70-u.rules": 'KERNEL=="null", MODE="0666"\n',
    "src/driver/Kbuild": "obj-m := a.o\n",
    "src/driver/a.c": DRIVER,
    "src/driver/sub/Kbuild": "obj-m := b.o\n",
    "src/driver/sub/b.c": "int b;\n",
    "src/driver2/Kbuild": "obj-m := a.o\n",
    "src/driver2/a.c": "int another;\n",
    "src/two/Kbuild": "obj-m := a.o b.o\n",
    "src/two/a.c": DRIVER,
    "src/two/b.c": "int b;\n",
    "src/dkms.conf": "PACKAGE_NAME=a\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME[0]=a\nDEST_MODULE_LOCATION[0]=/updates\n",
    "src/x.symvers": "0x1\tacme_x\tacme\tEXPORT_SYMBOL\t\n",
    **{f"kernel/{name}": text for name, text in kernel().items()},
    **{f"kernel2/{name}": text for name, text in kernel("6.1.0-beta").items()},
    "src/u.logrotate": "/var/log/u.log {\n  weekly\n}\n",
}
#: Where declarations lie, and how many jobs: plain, and below a VariantDir with both ways of duplicating.
LAYOUTS = {"plain-j1": (None, 1), "plain-j2": (None, 2), "variant-j1": (0, 1), "copied-j2": (1, 2)}


@pytest.fixture(scope="session")
def forge_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ready-made RPMs are kept."""
    return tmp_path_factory.mktemp("forged")


OF_USERS = ("Userspace", "SpecRpm", "PrebuiltRpm")


@pytest.mark.parametrize(
    ("layout", "kinds"),
    [
        *((layout, OF_USERS) for layout in LAYOUTS),
        *(
            (layout, kinds)
            for layout in ("plain-j2", "variant-j1")
            for kinds in (("Firmware",), ("KernelModule",))
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_every_keyword(layout: str, kinds: tuple[str, ...], tmp_path: Path, lab_key, forge_dir: Path) -> None:
    """All cases change at once, then every other one is taken back, then the rest: each time exactly what is
    downstream of these runs."""
    need("rpmbuild", "rpmsign")
    variant, jobs = LAYOUTS[layout]
    pair = make_pair(tmp_path / "pair")
    all_subjects = [subject for kind in kinds for subject in subjects(kind)]
    lab = Lab(
        tmp_path / "tree",
        {
            **SOURCES,
            "src/program": program("-g"),
            "src/KEY": lab_key.public,
            "src/module.key": pair.key.read_text(),
            "src/module.crt": pair.certificate.read_text(),
            **ready_made(all_subjects, forge_dir),
        },
        variant,
    )
    env = {"XSPACK_GNUPGHOME": str(lab_key.home)}
    half = {subject.name for subject in all_subjects[::2]}
    rest = {subject.name for subject in all_subjects} - half

    def declare(changed: set[str]) -> None:
        lab.declare_all(declarations(all_subjects, changed), env)

    def build(*more: str) -> Any:
        return lab.scons(f"-j{jobs}", *more, *TARGETS).good()

    declare(set())
    build()
    first = lab.outputs()
    declare(half | rest)
    ran = build("--debug=explain")
    assert steps(ran) == PACK | {step for subject in all_subjects for step in subject.runs(True)}
    said = explained(ran)
    for subject in all_subjects:
        if subject.case and subject.case.says:
            assert subject.own(subject.case.says) in said[f"rpms/{subject.file}"], subject
    for taken_back in (half, rest):
        declare(rest if taken_back is half else set())
        expected = {step for one in all_subjects if one.name in taken_back for step in one.runs(False)}
        assert steps(build()) == PACK | expected
    last = lab.outputs()
    assert {name: last[name] for name in first} == first
    # A package that nothing declares any more stays; everything else is as it was.
    assert not [
        name for name in last.keys() - first.keys() if "-modules-" not in name and "debuginfo" not in name
    ]
    assert steps(build()) == set()


def declarations(all_subjects: list[Subject], changed: set[str]) -> Iterator[Declaration]:
    """The packages, and the pack that holds them all."""
    yield from (subject.declaration(subject.name in changed) for subject in all_subjects)
    pack = {
        "version": "'1'",
        "uuid": "'9a1f0f0e-0000-4000-8000-000000000001'",
        "description": "'a'",
        "packages": "list(made.values())",
        "key": "'KEY'",
    }
    yield "Pack", "all", pack


def ready_made(all_subjects: list[Subject], forge_dir: Path) -> dict[str, str | bytes]:
    """Specs, and RPMs that exist already."""
    found: dict[str, str | bytes] = {}
    for subject in all_subjects:
        if subject.kind == "SpecRpm":
            found[f"src/{subject.name}.spec"] = SPEC.format(name=subject.name)
        if subject.kind == "PrebuiltRpm":
            wanted = Forged(subject.name, "1", arch="noarch", files={f"/opt/{subject.name}/f": b"f"})
            found[f"src/{subject.name}.rpm"] = forge(wanted, forge_dir).read_bytes()
    return found

"""Names that carry a version: the older outputs of the same package go, nobody else's; `-c` removes all of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rebuild.lab import Lab
from support import need

PACK = {"uuid": "'9a1f0f0e-0000-4000-8000-000000000000'", "description": "'a'", "key": "env.TestKey('KEY')"}
#: What somebody else put into our folders: files of names like ours, and of any other.
FOREIGN: Mapping[str, str | bytes] = {
    "build/rpms/p-0-1.noarch.rpm": "not ours",
    "build/rpms/p-3-1.noarch.rpm": "not ours either",
    "build/one-0.iso": "not ours",
    "build/signed/KEY/q-0-1.noarch.rpm": "not ours",
    "build/notes/todo": "ours no more than the rest",
    "build/.xspack-notes": "a name that begins like ours",
}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    need("rpmbuild", "rpmsign")
    return Lab(tmp_path / "tree", {"src/f": "f\n", **FOREIGN})


def beside(pack: str) -> set[str]:
    """An ISO, and what lies beside it."""
    endings = ("iso", "iso.sha256", "cdx.json", "spdx.json", "provenance.json", "provenance.json.asc")
    return {f"{pack}.{ending}" for ending in endings}


def declare(lab: Lab, pack_version: str = "1", **versions: str) -> None:
    """Packages by name with their versions, all in pack one."""
    packages = [
        (
            "Userspace",
            name,
            {"version": f"'{version}'", "arch": "'noarch'", "files": f"{{'/opt/{name}/f': 'f'}}"},
        )
        for name, version in versions.items()
    ]
    pack = {"version": f"'{pack_version}'", "packages": "list(made.values())", **PACK}
    lab.declare_all([*packages, ("Pack", "one", pack)])


def of(rpm: str) -> set[str]:
    """All outputs of one RPM."""
    return {
        f"rpms/{rpm}",
        f"signed/KEY/{rpm}",
        f"records/xenserver-8/KEY/{rpm}.json",
    }


def foreign() -> set[str]:
    return {name.removeprefix("build/") for name in FOREIGN}


@pytest.mark.parametrize("jobs", [1, 2])
def test_only_older_versions_of_the_same_package_go(lab: Lab, jobs: int) -> None:
    declare(lab, p="1", q="1")
    lab.scons(f"-j{jobs}").good()
    first = set(lab.outputs())
    assert of("p-1-1.noarch.rpm") | of("q-1-1.noarch.rpm") | {"one-1.iso"} | foreign() <= first
    declare(lab, p="2", q="1")
    lab.scons(f"-j{jobs}").good()
    second = set(lab.outputs())
    assert second == first - of("p-1-1.noarch.rpm") | of("p-2-1.noarch.rpm")
    declare(lab, "2", p="2", q="1")
    lab.scons(f"-j{jobs}").good()
    update = of("update-one-1-1.noarch.rpm") | beside("one-1")
    assert set(lab.outputs()) == second - update | of("update-one-2-1.noarch.rpm") | beside("one-2")


SPEC = """\
Name: s
Version: {version}
Release: 1
Summary: a
License: MIT
BuildArch: noarch
%description
a
%install
mkdir -p %{{buildroot}}/opt/s
%files
/opt/s
"""


def test_the_older_source_rpm_of_a_spec_goes(lab: Lab) -> None:
    for version in ("1", "2"):
        lab.write({"src/s.spec": SPEC.format(version=version)})
        lab.declare_all([("SpecRpm", "s.spec", {})])
        lab.scons().good()
        ours = {name for name in lab.outputs() if "/s-" in name}
        assert ours == {f"rpms/s-{version}-1.noarch.rpm", f"srpms/s-{version}-1.src.rpm"}


def test_the_last_good_iso_stays_when_its_successor_fails(lab: Lab) -> None:
    declare(lab, p="1")
    lab.scons().good()
    declare(lab, "2", p="1")
    # A folder in the new ISO's place: mastering it fails, and only that.
    (lab.path / "build/one-2.iso").mkdir()
    ran = lab.scons("build/one-2.iso")
    assert ran.status == 2, ran.said
    assert (lab.path / "build/one-1.iso").is_file()


def test_clean_removes_all_of_ours_and_nothing_else(lab: Lab) -> None:
    """Older versions, packages that nothing declares any more, the keyring, our notes, and what a killed build
    left behind."""
    declare(lab, p="1", gone="1")
    lab.scons().good()
    declare(lab, p="2")
    lab.scons("build/rpms/p-2-1.noarch.rpm").good()
    left = {
        "build/rpms/.p-2-1.noarch.rpm.work/root/opt/p/f": "half",
        "build/rpms/.gone-1-1.noarch.rpm.new": "half",
        "build/.one-1.iso.new": "half",
        "build/packs/one/repodata/.repomd.xml.work/primary.xml.gz": "half",
        "build/.xspack/unfinished": "",
    }
    lab.write(left)
    assert lab.files("build") - foreign() > {name.removeprefix("build/") for name in left}
    lab.scons("-c").good()
    assert lab.files("build") == foreign()
    assert {path.relative_to(lab.path / "build").as_posix() for path in (lab.path / "build").glob("**/")} == {
        ".",
        "notes",
        "rpms",
        "signed",
        "signed/KEY",
    }


def test_cleaning_one_target_leaves_the_rest_known(lab: Lab) -> None:
    declare(lab, p="1", q="1")
    lab.scons().good()
    first = set(lab.outputs())
    lab.scons("-c", "build/rpms/q-1-1.noarch.rpm").good()
    assert set(lab.outputs()) == first - {"rpms/q-1-1.noarch.rpm"}
    declare(lab, p="2", q="1")
    lab.scons().good()
    assert set(lab.outputs()) == first - of("p-1-1.noarch.rpm") | of("p-2-1.noarch.rpm")


def test_looking_changes_nothing(lab: Lab) -> None:
    """-n and -q neither remove nor write."""
    declare(lab, p="1")
    lab.scons().good()
    before: dict[str, Any] = lab.outputs()
    notes = kept_notes(lab)
    declare(lab, p="2")
    for option in ("-n", "-q"):
        lab.scons(option)
        assert lab.outputs() == before
        assert kept_notes(lab) == notes


def kept_notes(lab: Lab) -> dict[str, bytes]:
    """Our own notes of what was built; facts that were found out while reading may be added at any time."""
    folder = lab.path / "build/.xspack"
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name not in ("read-cache.json", "states.json")
    }

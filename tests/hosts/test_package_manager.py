"""What yum and dnf make of a pack; dnf itself is asked in the tests of `xspack try`."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import sentences
from forge import Forged, forge
from msgspec.structs import replace
from pack_maker import PACK, Key, PackMaker, package

from xspack_tool.hosts.package_manager import judge_package_manager
from xspack_tool.hosts.reading import hash_rpms, open_pack
from xspack_tool.hosts.release import Host
from xspack_tool.hosts.verdict import Verdict
from xspack_tool.model.dependency import Dependency
from xspack_tool.releases import load_profile
from xspack_tool.releases.known import KnownRelease


def manager(iso: Path, key: Key | None, target: str = "xenserver-8", base: Path | None = None) -> Verdict:
    pack = hash_rpms(open_pack(iso, key.file if key else None))
    return judge_package_manager(pack, Host(KnownRelease(load_profile(target), pack.infos, base)))


def said(verdict: Verdict) -> list[str]:
    return [str(rejection) for rejection in verdict.rejections]


def test_each_release_has_its_manager(make_pack: PackMaker) -> None:
    iso = make_pack()
    assert manager(iso, make_pack.key) == Verdict("yum")
    assert manager(iso, make_pack.key, "xenserver-9") == Verdict("dnf")


def test_unsigned(make_pack: PackMaker) -> None:
    assert said(manager(make_pack(signer=False), make_pack.key)) == [
        "GPG: repodata/repomd.xml.asc is missing: the index is not signed",
        "GPG: acme-agent-5.2-1.noarch.rpm is not signed",
        "GPG: update-acme-5.2-1.noarch.rpm is not signed",
    ]


def test_requirements_are_met_within_the_pack(make_pack: PackMaker) -> None:
    tools = package("acme-tools", provides=(Dependency("acme-api", "=", "3"),))
    agent = package(requires=(Dependency("acme-api", ">=", "2"), Dependency("/opt/acme-tools/file")))
    assert manager(make_pack(PACK, [agent, tools]), make_pack.key) == Verdict("yum")
    newer = package(requires=(Dependency("acme-api", ">=", "4"),))
    assert manager(make_pack(PACK, [newer, tools]), make_pack.key).unjudged == (
        "requirements: acme-api >= 4: name the release's packages with --base",
    )


def test_payload_that_the_releases_rpm_cannot_read(make_pack: PackMaker) -> None:
    iso = make_pack(PACK, [make_pack.rpm(package(), "w3.zstdio")])
    assert said(manager(iso, make_pack.key)) == [
        "RPM: acme-agent-5.2-1.noarch needs rpmlib(PayloadIsZstd), which the rpm of XenServer 8 does not have"
    ]


def test_conflicts_within_the_pack(make_pack: PackMaker) -> None:
    one = package("acme-one", conflicts=(Dependency("acme-two"),))
    assert said(manager(make_pack(PACK, [one, package("acme-two")]), make_pack.key)) == [
        "CONFLICTS: acme-one-5.2-1.noarch conflicts with acme-two: acme-two-5.2-1.noarch is there"
    ]


def test_the_same_file_in_two_packages_is_no_conflict(make_pack: PackMaker) -> None:
    same = {"/opt/acme/licence": "MIT\n"}
    assert manager(make_pack(PACK, [package("one", same), package("two", same)]), make_pack.key) == Verdict(
        "yum"
    )


def test_an_rpm_that_nobody_reads(make_pack: PackMaker) -> None:
    def cut(folder: Path) -> None:
        path = folder / "Packages/acme-agent-5.2-1.noarch.rpm"
        path.write_bytes(path.read_bytes()[:200])

    assert said(manager(make_pack.changed(make_pack(), cut), make_pack.key)) == [
        "DOWNLOAD: Packages/acme-agent-5.2-1.noarch.rpm has 200 bytes, the index says 6073",
        "RPM: acme-agent-5.2-1.noarch.rpm: truncated: its signature header claims more than the file holds",
    ]


def test_what_replaces_a_package_may_take_its_files(make_pack: PackMaker, tmp_path: Path) -> None:
    release = package("acme-legacy", {"/opt/acme/x": "old\n"})
    (tmp_path / release.file_name).write_bytes(make_pack.rpm(release).read_bytes())
    files = {"/opt/acme/x": "new\n"}
    conflict = manager(make_pack(PACK, [package(files=files)]), make_pack.key, base=tmp_path)
    assert said(conflict) == [
        "FILE_CONFLICT: /opt/acme/x of acme-agent-5.2-1.noarch.rpm is in acme-legacy-5.2-1.noarch of the release"
    ]
    obsoleting = package(files=files, obsoletes=(Dependency("acme-legacy", "<", "9"),))
    assert said(manager(make_pack(PACK, [obsoleting]), make_pack.key, base=tmp_path)) == []


def test_a_requirement_of_the_release(make_pack: PackMaker) -> None:
    pack = replace(PACK, requires=(Dependency("product-version", ">=", "99"),))
    assert said(manager(make_pack(pack), make_pack.key)) == [
        f"REQUIRES: control-acme-5.2-1.noarch requires product-version >= 99, {sentences.UNMET}"
    ]


def test_what_a_source_rpm_needs_to_be_built_is_no_requirement(make_pack: PackMaker, tmp_path: Path) -> None:
    wanted = Forged(
        "acme-src",
        files={},
        lines=("BuildRequires: gcc", "BuildRequires: product-version >= 99"),
        source=True,
    )
    source = forge(wanted, tmp_path)
    iso = make_pack(rpms=lambda rpms: {**rpms, f"SRPMS/{source.name}": source})
    assert manager(iso, make_pack.key) == Verdict("yum")


def test_file_lists_that_are_no_xml(make_pack: PackMaker) -> None:
    """A path with a form feed in it, as other builders let it pass."""

    def damage(folder: Path) -> None:
        (lists,) = folder.glob("repodata/*filelists.xml.gz")
        repomd = folder / "repodata/repomd.xml"
        before = hashlib.sha256(lists.read_bytes()).hexdigest()
        lists.write_bytes(gzip.compress(gzip.decompress(lists.read_bytes()).replace(b"/opt", b"/\x0copt")))
        after = hashlib.sha256(lists.read_bytes()).hexdigest()
        lists.rename(lists.with_name(lists.name.replace(before, after)))
        repomd.write_text(repomd.read_text().replace(before, after))

    (fault,) = [
        line
        for line in said(manager(make_pack.changed(make_pack(), damage), make_pack.key))
        if "filelists" in line
    ]
    assert fault.startswith("INDEX: repodata/")
    assert fault.endswith(
        ", the filelists index, is not XML: not well-formed (invalid token): line 5, column 9"
    )

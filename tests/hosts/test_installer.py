"""What the host installer makes of a pack; it looks at no signature."""

from __future__ import annotations

import subprocess
from pathlib import Path

import sentences
from msgspec.structs import replace
from pack_maker import PACK, PackMaker, package
from support import need

from xspack_tool.hosts.installer import judge_driver_disk, judge_installer
from xspack_tool.hosts.reading import hash_rpms, open_pack
from xspack_tool.hosts.release import Host
from xspack_tool.hosts.verdict import Verdict
from xspack_tool.model.dependency import Dependency
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.releases import load_profile
from xspack_tool.releases.known import KnownRelease

BASED = replace(PACK, requires=(Dependency("product-version", ">=", "8.2.0"),))
DRIVER = {"/lib/modules/4.19.0+1/updates/acme.ko": "no module, but called so\n"}


def installer(iso: Path, *, drivers: bool = False, release: str = "xenserver-8") -> Verdict:
    pack = hash_rpms(open_pack(iso))
    judge = judge_driver_disk if drivers else judge_installer
    return judge(pack, Host(KnownRelease(load_profile(release), pack.infos, None)))


def said(verdict: Verdict) -> list[str]:
    return [str(rejection) for rejection in verdict.rejections]


def test_an_unsigned_pack_is_taken(make_pack: PackMaker) -> None:
    assert installer(make_pack(signer=False)) == Verdict("installer")


def test_treeinfo_makes_it_a_main_repository(make_pack: PackMaker) -> None:
    iso = make_pack.changed(
        make_pack(), lambda folder: (folder / ".treeinfo").write_text("[platform]\n") and None
    )
    why = "there is a .treeinfo: the installer takes the pack for a main repository"
    assert said(installer(iso)) == [f"RepoFormatError: {why}"]


def test_what_is_no_pack(make_pack: PackMaker) -> None:
    for name in ("update.xml", "repodata/repomd.xml"):
        iso = make_pack.changed(make_pack(), lambda folder, name=name: (folder / name).unlink())  # type: ignore[misc]
        assert (
            said(installer(iso))[0] == f"NoRepository: {name} is missing: no supplemental pack is recognised"
        )


def test_documents_that_it_cannot_read(make_pack: PackMaker) -> None:
    iso = make_pack(document=lambda text: text[:-9])
    why = "Failed to read update.xml: is not XML: unclosed token: line 3, column 0"
    assert said(installer(iso)) == [f"RepoFormatError: {why}"]
    iso = make_pack.changed(
        make_pack(), lambda folder: (folder / "repodata/repomd.xml").write_text("<a") and None
    )
    assert said(installer(iso)) == [
        (
            "RepoFormatError: Failed to read the index: repodata/repomd.xml: is not XML: "
            "unclosed token: line 1, column 0"
        )
    ]


def indexed_by(make_pack: PackMaker, *options: str) -> Path:
    """A pack whose index createrepo_c made with these options."""

    def index(folder: Path) -> None:
        comps = next(folder.glob("repodata/*comps.xml")).rename(folder.parent / "comps.xml")
        argv = ["createrepo_c", "--quiet", "--no-database", *options, "-g", str(comps), str(folder)]
        subprocess.run(argv, check=True, capture_output=True)

    return make_pack.changed(make_pack(), index)


def test_an_index_that_is_not_gzip_or_not_sha256(make_pack: PackMaker) -> None:
    zstd = said(installer(indexed_by(make_pack, "--general-compress-type=xz")))
    assert len(zstd) == 1
    assert zstd[0].endswith("-primary.xml.xz is xz: the installer reads gzip only")
    other = installer(indexed_by(make_pack, "--general-compress-type=gz", "--checksum=sha512"))
    assert said(other) == ["RepoFormatError: the index has sha512 checksums: the installer compares sha256"]


def test_packages_that_it_asks_for_and_does_not_find(make_pack: PackMaker) -> None:
    without = make_pack(generated=lambda made: [])
    assert said(installer(without)) == ["ErrorInstallingPackage: the index has no package update-acme"]
    document = make_pack(document=lambda text: text.replace("<update ", '<update control="control-acme" '))
    assert said(installer(document)) == ["ErrorInstallingPackage: the index has no package control-acme"]


def test_damaged_packages(make_pack: PackMaker) -> None:
    place = "Packages/acme-agent-5.2-1.noarch.rpm"

    def damage(folder: Path) -> None:
        (folder / place).write_bytes((folder / place).read_bytes()[:-1] + b"x")

    assert said(installer(make_pack.changed(make_pack(), damage))) == [
        f"PackageCheckFailed: {place} {sentences.DAMAGED}"
    ]


def test_driver_disks(make_pack: PackMaker) -> None:
    disk = replace(PACK, driver_disk=True)
    good = make_pack(disk, [package("acme-nic", DRIVER)])
    assert said(installer(good, drivers=True)) == []
    plain = make_pack(PACK, [package("acme-nic", DRIVER)])
    no_group = (
        "it holds kernel modules but no group 'drivers': the installer does not offer it as a driver disk"
    )
    assert installer(plain) == Verdict("installer", remarks=(no_group,))
    assert said(installer(plain, drivers=True)) == ["NoRepository: the index has no group 'drivers'"]
    hidden = make_pack(
        disk, [package("acme-nic", DRIVER)], comps=lambda text: text.replace(">true<", ">false<")
    )
    assert said(installer(hidden, drivers=True)) == [
        "NoRepository: the group 'drivers' is not uservisible, so it is not listed"
    ]


def test_an_installer_that_takes_driver_disks_alone(make_pack: PackMaker) -> None:
    """XCP-ng's, since 8.3: it says so of a pack that is none, which is no fault of that."""
    plain, disk = (
        make_pack(packages=[package("acme", DRIVER)], pack=replace(PACK, driver_disk=driver_disk))
        for driver_disk in (False, True)
    )
    alone = (
        "the installer of XCP-ng 8.3 takes driver disks alone, and without a group 'drivers' this is none; it can be "
        "installed on a running host"
    )
    verdict = installer(plain, release="xcp-ng-8.3")
    assert (verdict.accepted, verdict.rejections, verdict.remarks) == (False, (), (alone,))
    verdict = installer(disk, release="xcp-ng-8.3")
    assert (verdict.accepted, verdict.remarks) == (True, ())
    assert installer(plain, release="xcp-ng-8.2").accepted


def test_a_pack_without_a_control_package_where_dnf_installs(make_pack: PackMaker, tmp_path: Path) -> None:
    """The installer asks for a package without a name then; real dnf says what comes of that."""
    need("dnf", "createrepo_c")
    plain, with_one = make_pack(signer=False), make_pack(BASED, signer=False)
    why = (
        "ErrorInstallingPackage: update.xml names no control package: the installer of XenServer 9 has dnf install a "
        "package without a name, which it does not find (on releases with yum it goes on); give the pack requires="
    )
    assert said(installer(plain, release="xenserver-9")) == [why]
    for iso, release in ((plain, "xenserver-8"), (plain, "xcp-ng-8.2"), (with_one, "xenserver-9")):
        assert installer(iso, release=release).rejections == ()
    disk = make_pack(replace(PACK, driver_disk=True), [package("acme-nic", DRIVER)])
    assert installer(disk, drivers=True, release="xenserver-9").accepted  # it asks for the group alone
    for iso, targets, good in ((plain, ["", "update-acme"], False), (disk, ["@drivers"], True)):
        with IsoReader(iso) as reader:
            reader.extract(tmp_path / iso.parent.name)
        config = tmp_path / "yum.conf"
        config.write_text(
            f"[main]\ncachedir={tmp_path}/cache-{iso.parent.name}\ngpgcheck=0\nplugins=0\ninstallonlypkgs=\n"
            f"reposdir=/dev/null\n[install]\nname=install\nbaseurl=file://{tmp_path / iso.parent.name}\n"
        )
        (tmp_path / f"root-{iso.parent.name}").mkdir()
        words = [
            "dnf",
            "--releasever=9",
            f"--config={config}",
            "--installroot",
            str(tmp_path / f"root-{iso.parent.name}"),
        ]
        done = subprocess.run(
            [*words, "install", "-y", "--setopt=tsflags=test", *targets], capture_output=True, text=True
        )
        assert ("No match for argument: \n" not in done.stdout + done.stderr) == good, (
            done.stdout + done.stderr
        )

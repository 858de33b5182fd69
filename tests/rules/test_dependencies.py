"""D1, P5, B3 against a release that is a folder of RPMs, a yum repository, or an ISO."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import need

from xspack_tool.errors import BadInput
from xspack_tool.releases.trees import read_rpms, repository_files

Verdict = Callable[..., list[str]]
Forge = Callable[..., Path]
REPOMD = b'<repomd xmlns="http://linux.duke.edu/metadata/repo"'
NEEDS = "needs the packages of the release: set XSPACK_BASE_REPO to its repository or installation ISO"


@pytest.fixture(scope="module")
def release(forged: Forge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of a release, as a folder of RPMs."""
    folder = tmp_path_factory.mktemp("release")
    snmp = {"/usr/sbin/snmpd": b"daemon", "/etc/snmp.conf": b"conf", "/usr/share/snmp": None}
    rpms = [
        forged(name="bash", version="4.2", files={"/usr/bin/bash": b"bash"}, lines=["Provides: /bin/sh"]),
        forged(name="release", version="8.2.1", lines=["Provides: product-version = 8.2.1"]),
        forged(name="net-snmp", version="5.7", release="1.xs", files=snmp, modes={"/usr/sbin/snmpd": 0o755}),
        forged(
            name="openssl-libs",
            version="1.0.2",
            release="5",
            lines=["Epoch: 1", "Provides: libssl.so.10()(64bit)"],
        ),
    ]
    (folder / "Packages").mkdir()
    for rpm in rpms:
        shutil.copy(rpm, folder / "Packages")
    return folder


@pytest.fixture(scope="module", params=["folder", "repository", "iso", "index alone"])
def base(request: pytest.FixtureRequest, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same release in each form that XSPACK_BASE_REPO may have."""
    if request.param == "folder":
        return release
    need("createrepo_c")
    folder = tmp_path_factory.mktemp("repository") / "repo"
    shutil.copytree(release, folder)
    compression = ["--general-compress-type=xz"] if request.param == "repository" else []
    subprocess.run(["createrepo_c", "--quiet", *compression, str(folder)], check=True)
    if request.param == "index alone":
        shutil.rmtree(folder / "Packages")
    if request.param != "iso":
        return folder
    need("genisoimage")
    iso = folder.parent / "release.iso"
    subprocess.run(["genisoimage", "-quiet", "-R", "-o", str(iso), str(folder)], check=True)
    return iso


def test_d1_unmet(pack_verdict: Verdict, forged: Forge, base: Path) -> None:
    lines = [
        "Requires: libacme.so.1()(64bit)",
        "Requires: bash >= 5",
        "Requires: /usr/bin/nothing",
        "Requires: (bash >= 5 or zsh)",
    ]
    rpm = forged(name="tool", lines=lines)
    unmet = ["(bash >= 5 or zsh)", "/usr/bin/nothing", "bash >= 5", "libacme.so.1()(64bit)"]
    found = pack_verdict("D1", [rpm], base=base, requires=["xapi-core >= 1.0"])
    assert found == [
        "E requires: xapi-core >= 1.0: the release does not provide it",
        *(f"E {rpm.name}: Requires: {one}: neither the pack nor the release provides it" for one in unmet),
    ]


def test_d1_good(pack_verdict: Verdict, forged: Forge, base: Path) -> None:
    lines = [
        "Requires: bash >= 4",
        "Requires: /usr/bin/bash",
        "Requires: /usr/sbin/snmpd",
        "Requires: libssl.so.10()(64bit)",
        "Requires: openssl-libs >= 1:1.0",
        "Requires: (zsh or bash)",
        "Requires: acme-libs = 2",
        "Requires: /opt/acme/lib.so",
    ]
    tool = forged(name="tool", lines=lines, scripts={"%post": "exit 0"})
    libs = forged(name="acme-libs", version="2", files={"/opt/acme/lib.so": b"x"})
    assert pack_verdict("D1", [tool, libs], base=base, requires=["product-version >= 8.2.0"]) == []


def test_d1_conflicts(pack_verdict: Verdict, forged: Forge, base: Path) -> None:
    one = forged(
        name="one",
        lines=["Conflicts: two < 2", "Conflicts: bash < 5", "Conflicts: two > 9", "Conflicts: zsh"],
    )
    two = forged(name="two")
    assert pack_verdict("D1", [one, two], base=base) == [
        f"E {one.name}: Conflicts: two < 2: {two.name} in the same pack provides it",
        f"W {one.name}: Conflicts: bash < 5: the release has bash-4.2-1.x86_64; hosts with it refuse the pack",
    ]


def test_p5_owned_by_the_release(pack_verdict: Verdict, forged: Forge, base: Path) -> None:
    files = {"/usr/sbin/snmpd": b"other", "/etc/snmp.conf": b"conf", "/usr/share/snmp": None}
    rpm = forged(name="tool", files=files, modes={"/usr/sbin/snmpd": 0o755})
    owner = "net-snmp-5.7-1.xs.x86_64"
    if base.name == "repo" and not (base / "Packages").exists():
        unseen = f"{owner} of the release owns it; that RPM is not at hand to compare"
        assert pack_verdict("P5", [rpm], base=base) == [
            f"W {rpm.name}: /etc/snmp.conf: {unseen}",
            f"W {rpm.name}: /usr/sbin/snmpd: {unseen}",
        ]
        return
    assert pack_verdict("P5", [rpm], base=base) == [
        f"E {rpm.name}: /usr/sbin/snmpd: {owner} of the release owns it, with another content"
    ]
    mode = forged(name="tool", files={"/usr/sbin/snmpd": b"daemon"})
    assert pack_verdict("P5", [mode], base=base) == [
        f"E {rpm.name}: /usr/sbin/snmpd: {owner} of the release owns it, with another mode or owner"
    ]


def test_p5_taking_a_package_s_place_is_no_conflict(pack_verdict: Verdict, forged: Forge, base: Path) -> None:
    update = forged(name="net-snmp", version="5.8", files={"/usr/sbin/snmpd": b"newer"})
    heir = forged(name="snmp-next", lines=["Obsoletes: net-snmp < 6"], files={"/etc/snmp.conf": b"newer"})
    assert pack_verdict("P5", [update, heir], base=base) == []


def test_b3_another_build_of_a_sub_package(pack_verdict: Verdict, forged: Forge, base: Path) -> None:
    utils = forge_sub_package(forged, "1.el7")
    assert pack_verdict("B3", [utils], base=base) == [
        f"W {utils.name}: Source RPM: built of net-snmp-5.7-1.el7; the release has net-snmp-5.7-1.xs"
    ]


def test_b3_good(pack_verdict: Verdict, forged: Forge, base: Path) -> None:
    same = forge_sub_package(forged, "1.xs")
    update = forged(name="net-snmp", version="5.8", files={"/usr/sbin/snmpd": b"newer"})
    assert pack_verdict("B3", [same, update, forged(name="tool")], base=base) == []


def forge_sub_package(forged: Forge, release: str) -> Path:
    """net-snmp-utils, built of net-snmp."""
    sections = {"%package utils\nSummary: forged\n%description utils": "forged", "%files utils": ""}
    made = forged(name="net-snmp", version="5.7", release=release, scripts=sections)
    return next(made.parent.glob("net-snmp-utils-*"))


def test_p5_two_rpms_of_the_pack(pack_verdict: Verdict, forged: Forge) -> None:
    one = forged(
        name="one", files={"/opt/same": b"x", "/opt/file": b"x", "/opt/dir": None, "/opt/kind": b"x"}
    )
    two = forged(
        name="two",
        files={"/opt/same": b"x", "/opt/file": b"y", "/opt/dir": None, "/opt/kind": "/etc"},
    )
    found = pack_verdict("P5", [one, two])
    assert found == [
        f"E {two.name}: /opt/file: also in {one.name}, with another content",
        f"E {two.name}: /opt/kind: also in {one.name}, with another type",
        f"I : not checked: {NEEDS}",
    ]
    three = forged(name="three", files={"/opt/same": b"x"}, modes={"/opt/same": 0o755})
    assert pack_verdict("P5", [one, three])[0] == (
        f"E {three.name}: /opt/same: also in {one.name}, with another mode or owner"
    )


@pytest.mark.parametrize("rule", ["D1", "B3"])
def test_without_a_base_repository(pack_verdict: Verdict, forged: Forge, rule: str) -> None:
    assert pack_verdict(rule, [forged(name="tool", lines=["Requires: nothing"])]) == [
        f"I : not checked: {NEEDS}"
    ]


def test_what_is_no_repository(pack_verdict: Verdict, tmp_path: Path) -> None:
    cases = {tmp_path / "empty": "no binary RPM in it"}
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no ISO")
    cases[tmp_path / "text"] = "is not a readable ISO image: "
    cases[tmp_path / "none"] = "No such file or directory"
    for path, why in cases.items():
        with pytest.raises(BadInput) as caught:
            pack_verdict("D1", base=path)
        assert str(caught.value).startswith(f"{path}: {why}")


@pytest.mark.parametrize(
    ("index", "why"),
    [
        (b"<repomd", "is not XML: "),
        (b'<!DOCTYPE x [<!ENTITY a "aa">]><repomd>&a;</repomd>', "declares a document type"),
        (REPOMD + b"/>", "it names no primary"),
        (
            REPOMD + b'><data type="primary"><location href="../../x"/></data></repomd>',
            "'../../x' leads out of the repository",
        ),
    ],
)
def test_an_index_that_cannot_be_trusted(
    pack_verdict: Verdict, tmp_path: Path, index: bytes, why: str
) -> None:
    (tmp_path / "repodata").mkdir()
    (tmp_path / "repodata" / "repomd.xml").write_bytes(index)
    with pytest.raises(BadInput) as caught:
        pack_verdict("D1", base=tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: repodata/repomd.xml: {why}")


def test_the_rpms_of_isos_in_a_folder(release: Path, tmp_path: Path) -> None:
    need("genisoimage")
    subprocess.run(
        ["genisoimage", "-quiet", "-R", "-o", str(tmp_path / "last.iso"), str(release)], check=True
    )
    assert sorted(info.name for _, info in read_rpms(tmp_path)) == [
        "bash",
        "net-snmp",
        "openssl-libs",
        "release",
    ]
    assert repository_files(tmp_path) == [tmp_path / "last.iso"]
    assert repository_files(tmp_path / "last.iso") == [tmp_path / "last.iso"]
    assert len(repository_files(release)) == 4


@pytest.mark.parametrize("form", ["{}", "file://{}", "{}/repodata", "file://{}/repodata/repomd.xml"])
def test_ways_to_name_a_repository(
    pack_verdict: Verdict, forged: Forge, release: Path, tmp_path: Path, form: str
) -> None:
    need("createrepo_c")
    shutil.copytree(release, tmp_path / "repo")
    subprocess.run(["createrepo_c", "--quiet", str(tmp_path / "repo")], check=True)
    base = Path(form.format(tmp_path / "repo"))
    rpm = forged(
        name="tool",
        lines=["Requires: bash >= 4"],
        files={"/usr/sbin/snmpd": b"daemon"},
        modes={"/usr/sbin/snmpd": 0o755},
    )
    assert pack_verdict("D1", [rpm], base=base) == pack_verdict("P5", [rpm], base=base) == []
    assert tmp_path / "repo" / "repodata" / "repomd.xml" in repository_files(base)

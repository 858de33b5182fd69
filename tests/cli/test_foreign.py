"""A pack by rpmbuild, rpmsign, createrepo_c and genisoimage alone goes through every command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace
from pack_maker import PACK, Key, PackMaker, package, xspack
from support import need, need_root

from xspack_tool.model.dependency import Dependency
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.rpm.payload import payload
from xspack_tool.rpm.read import read_rpm

UUID = "9a1f0f0e-1111-4222-8333-44445555aaaa"


@pytest.fixture(scope="module")
def rpm(make_pack: PackMaker) -> Path:
    return make_pack.rpm(package())


@pytest.fixture(scope="module")
def plain(make_pack: PackMaker, rpm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("createrepo_c", "genisoimage", "rpmbuild", "rpmsign", "gpg")
    out = tmp_path_factory.mktemp("plain") / "plain.iso"
    key = make_pack.key
    script = Path(__file__).with_name("plain-pack.sh")
    argv = [script, out, UUID, "acme", "5.2", key.file, key.home, "product-version >= 8.2.0", rpm]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def test_info(plain: Path, make_pack: PackMaker) -> None:
    found = xspack("info", plain, "--key", make_pack.key.file, "--json")
    assert (found.status, found.err) == (0, "")
    assert found.json["document"] == {
        "label": "acme",
        "version": "5.2",
        "uuid": UUID,
        "description": "Acme, by plain tools",
        "installation_size": 11,
        "after_apply": ["restartHost"],
        "enforce_homogeneity": False,
        "key": "RPM-GPG-KEY-Acme",
        "control": "control-acme",
        "rollups": [],
    }
    assert found.json["signatures_accepted"] == {"repodata/repomd.xml": True, "update.xml": True}
    assert found.json["groups"] == {"update": ["update-acme"]}
    assert [rpm["nevra"] for rpm in found.json["rpms"]] == [
        "acme-agent-5.2-1.noarch",
        "control-acme-5.2-1.noarch",
        "update-acme-5.2-1.noarch",
    ]


def test_verify(plain: Path, make_pack: PackMaker) -> None:
    found = xspack("verify", plain, "--key", make_pack.key.file, "--target", "xcp-ng-8.2")
    assert found.status == 0
    assert found.out.splitlines() == [
        "xapi: takes it",
        "installer: takes it",
        "yum: takes it",
        (
            "not judged: rules B3, D1, D3, P5: needs the packages of the release: give --base its repository or "
            "installation ISO"
        ),
        (
            "not judged: rules P7, V2, X1: needs the last release of the pack: give --baseline its folder, repository "
            "or ISO"
        ),
        "rules:",
        "  acme-5.2: 0 errors, 0 warnings, 0 notes, 0 waived",
    ]


def test_diff_with_one_of_ours(plain: Path, make_pack: PackMaker, rpm: Path) -> None:
    """From the same RPMs; what is meant to differ is who wrote the two generated RPMs, and how."""
    declared = replace(
        PACK,
        uuid=UUID,
        description="Acme, by plain tools",
        after_apply=("restartHost",),
        requires=(Dependency("product-version", ">=", "8.2.0"),),
        volume_id="acme",
    )
    ours = make_pack(declared, [rpm], precheck="#!/bin/sh\nexit 0\n")
    found = xspack("diff", plain, ours, "--json").json
    assert (found["document"], found["rpms_added"], found["rpms_removed"], found["devices"]) == (
        [],
        [],
        [],
        [],
    )
    assert found["summary"] == "acme 5.2 -> acme 5.2: other metadata"
    assert set(found["rpms_changed"]) == {"control-acme.noarch", "update-acme.noarch"}
    about = {change["what"] for changes in found["rpms_changed"].values() for change in changes}
    assert about == {
        *("summary", "license", "payload", "requires"),
        f"/var/update/applied/{UUID}",  # ours names neither key nor control package
    }


def test_unpack(plain: Path, tmp_path: Path) -> None:
    assert xspack("unpack", plain, tmp_path / "out").status == 0
    with IsoReader(plain) as iso:
        expected = {entry.path: iso.read(entry.path) for entry in iso.entries if entry.kind == "file"}
    found = {
        str(path.relative_to(tmp_path / "out")): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == expected


def test_resign(plain: Path, make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path) -> None:
    other = keys["Other"]
    out = tmp_path / "resigned.iso"
    argv = ["resign", plain, "--key", other.file, "--gnupghome", other.home, "-o", out]
    assert xspack(*argv).out == f"{out}: 3 RPMs, update.xml and index signed with RPM-GPG-KEY-Other\n"
    assert xspack("verify", out, "--key", other.file).status == 0
    assert xspack("verify", out, "--key", make_pack.key.file).status == 1
    changes = xspack("diff", plain, out, "--json").json
    assert {change["what"] for change in changes["document"]} == {
        *("key", "update.xml signed by", "repodata/repomd.xml signed by"),
    }
    old, new = by_name(plain, tmp_path / "a"), by_name(out, tmp_path / "b")
    for name in ("acme-agent", "control-acme"):
        assert read_rpm(old[name]).payload_digest == read_rpm(new[name]).payload_digest
        assert [change["what"] for change in changes["rpms_changed"][f"{name}.noarch"]] == ["signed by"]
    before, after = texts(old["update-acme"]), texts(new["update-acme"])
    assert after == {
        path: text.replace("RPM-GPG-KEY-Acme", "RPM-GPG-KEY-Other").rstrip() for path, text in before.items()
    }
    assert read_rpm(new["update-acme"]).scripts == read_rpm(old["update-acme"]).scripts


def by_name(iso: Path, folder: Path) -> dict[str, Path]:
    with IsoReader(iso) as reader:
        reader.extract(folder)
    return {read_rpm(path).name: path for path in folder.glob("Packages/*.rpm")}


def texts(rpm: Path) -> dict[str, str]:
    return {names[0].path: content.read().decode().rstrip() for names, content in payload(rpm)}


def test_try(plain: Path, make_pack: PackMaker) -> None:
    need("dnf", "busybox")
    need_root()
    found = xspack("try", plain, "--key", make_pack.key.file, "--json")
    assert (found.status, found.err) == (0, "")
    precheck, apply = found.json["stages"]
    assert precheck["why"] == ["precheck ran and agreed"]
    assert apply["added"] == [
        *(
            "/opt/acme-agent",
            "/opt/acme-agent/file",
            "/run/reboot-required.hfxs",
            "/var/update/applied",
        ),
        f"/var/update/applied/{UUID}",
    ]

"""build-update's options with build-update's meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
from forge import Forged, forge, module
from msgspec.structs import asdict
from pack_maker import UUID, Key, PackMaker, Said, package, xspack

from xspack_tool import cli
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.reading import open_pack
from xspack_tool.model.pack import Rollup

UID = "RPM-GPG-KEY-Acme (throwaway test key)"
GROUPS = """\
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps><group><id>{id}</id><uservisible>{visible}</uservisible><name>acme</name><packagelist>
<packagereq type="mandatory">{name}</packagereq></packagelist></group></comps>
"""


@pytest.fixture(scope="module")
def rpm(make_pack: PackMaker) -> Path:
    return make_pack.rpm(package(version="1.0"))


def build(out: Path, *more: str | Path) -> Said:
    """Under its own name, with the options that it demands."""
    words = ("--uuid", UUID, "-l", "acme", "-v", "5.2", "-d", "Acme agent", "-o", out)
    return xspack(*words, *more, main=cli.build_update_main)


def built(out: Path, *more: str | Path, key: Path | None = None) -> ParsedPack:
    said = build(out, *more)
    assert (said.status, said.out) == (0, ""), said.err
    return open_pack(out, key)


def test_everything_it_can_be_told(rpm: Path, make_pack: PackMaker, tmp_path: Path) -> None:
    for name in ("precheck", "remove"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name}\n")
    older = UUID[:-1] + "0"
    words = ["--uuid", UUID, "--label", "acme", "--version", "5.2", "--description", "Acme agent"]
    words += [
        "--output",
        tmp_path / "a.iso",
        "--key",
        UID,
        "--keyfile",
        make_pack.key.file,
        "--no-passphrase",
    ]
    words += ["--base-requires", "product-version >= 8.2.0", "--after-apply", "restartXAPI,restartHost"]
    words += ["--precheck", tmp_path / "precheck", "--remove", tmp_path / "remove", "--rollups", older]
    said = xspack(*words, "--gnupghome", make_pack.key.home, rpm, main=cli.build_update_main)
    assert said.status == 0, said.err
    pack = open_pack(tmp_path / "a.iso", make_pack.key.file)
    assert pack.document is not None
    assert asdict(pack.document) == {
        "label": "acme",
        "version": "5.2",
        "uuid": UUID,
        "description": "Acme agent",
        "installation_size": 11,
        "after_apply": ("restartXAPI", "restartHost"),
        "enforce_homogeneity": False,
        "key": "RPM-GPG-KEY-Acme",
        "control": "control-acme",
        "rollups": (Rollup(older, "acme"),),
    }
    assert {rpm.signature for rpm in pack.rpms} == {"good"}
    assert all(status.accepted for status in pack.signatures.values())
    texts = {path.rpartition("/")[2]: text for path, text in pack.texts.items()}
    assert (texts["precheck"], texts["remove"]) == ("#!/bin/sh\necho precheck\n", "#!/bin/sh\necho remove\n")
    update = next(info for info in pack.infos if info.name == "update-acme")
    assert f"echo {UUID} >>/run/reboot-required.hfxs\n" in update.scripts[0].text
    assert f'name-label="acme" version="5.2" uuid="{older}"' in update.scripts[0].text
    assert "acme-agent >= 1.0-1" in map(str, update.requires)


def test_without_a_key_nothing_is_signed(rpm: Path, tmp_path: Path) -> None:
    pack = built(tmp_path / "a.iso", rpm)
    assert pack.signers == {}
    assert {rpm.signature for rpm in pack.rpms} == {"unsigned"}
    assert pack.document is not None
    assert (pack.document.key, pack.document.control) == ("", "")
    assert [rpm.name for rpm in pack.rpms] == ["acme-agent-1.0-1.noarch.rpm", "update-acme-5.2-1.noarch.rpm"]


def test_the_key_file_gives_its_name_even_where_it_is_not_there(
    rpm: Path, make_pack: PackMaker, tmp_path: Path
) -> None:
    more = ("--key", UID, "--gnupghome", make_pack.key.home, "--keyfile", tmp_path / "RPM-GPG-KEY-Later")
    pack = built(tmp_path / "a.iso", *more, rpm)
    assert pack.document is not None
    assert pack.document.key == "RPM-GPG-KEY-Later"


def test_the_key_by_part_of_its_user_id(rpm: Path, make_pack: PackMaker, tmp_path: Path) -> None:
    more = ("-k", "RPM-GPG-KEY-Acme", "--gnupghome", make_pack.key.home)
    pack = built(tmp_path / "a.iso", *more, rpm, key=make_pack.key.file)
    assert all(status.accepted for status in pack.signatures.values())


def test_an_unknown_key(rpm: Path, make_pack: PackMaker, tmp_path: Path) -> None:
    said = build(tmp_path / "a.iso", "-k", "Nobody", "--gnupghome", make_pack.key.home, rpm)
    home = make_pack.key.home
    assert (said.status, said.err) == (
        1,
        f"build-update: {home} holds no secret key for 'Nobody'; import it there, or name another keyring\n",
    )
    assert not (tmp_path / "a.iso").exists()


def test_a_file_of_another_key_is_told(
    rpm: Path, make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path
) -> None:
    other = keys["Other"]
    said = build(
        tmp_path / "a.iso", "-k", UID, "--gnupghome", make_pack.key.home, "--keyfile", other.file, rpm
    )
    assert said.status == 0
    assert f"W G2 acme: key: {other.file.name} is {other.public.fingerprint}, --key signs with" in said.err


@pytest.mark.parametrize(
    ("id", "visible", "name", "warning"),
    [
        ("update", "True", "update-acme", ""),
        ("update", "True", "acme-agent", "xapi finds no update-acme in the group 'update'"),
        ("drivers", "True", "update-acme", "xapi finds no update-acme in the group 'update'"),
        ("update", "False", "update-acme", "the group 'update' is not uservisible: xapi does not see it"),
    ],
)
def test_a_group_file_is_taken_as_it_is(
    rpm: Path, tmp_path: Path, id: str, visible: str, name: str, warning: str
) -> None:
    text = GROUPS.format(id=id, visible=visible, name=name)
    (tmp_path / "groups.xml").write_text(text)
    said = build(tmp_path / "a.iso", "--groupfile", tmp_path / "groups.xml", rpm)
    assert said.status == 0
    assert [line for line in said.err.splitlines() if line.startswith("W")] == (
        [f"W X3 acme: groups: {warning}; list update-acme in it as mandatory, uservisible"] if warning else []
    )
    pack = open_pack(tmp_path / "a.iso")
    assert pack.index is not None
    assert pack.index.comps == text


def test_a_driver_disk_is_what_the_group_file_makes_one(tmp_path: Path) -> None:
    """As with the original: modules make none; that the installer does not offer it is told."""
    files = {"/lib/modules/4.19.0+1/updates/acme.ko": module()}
    driver = forge(Forged(files=files, lines=["Requires: kernel-uname-r = 4.19.0+1"]), tmp_path)
    said = build(tmp_path / "a.iso", driver)
    told = (
        "W X3 acme: groups: no group 'drivers': the host installer does not offer the pack as a driver disk"
    )
    assert said.status == 0 and told in said.err
    for id, warned in (("update", True), ("drivers", False)):
        text = GROUPS.format(id=id, visible="True", name="update-acme")
        (tmp_path / f"{id}.xml").write_text(text)
        said = build(tmp_path / f"{id}.iso", "--groupfile", tmp_path / f"{id}.xml", driver)
        words = "W X3 acme: groups: the host installer finds no update-acme in the group 'drivers'"
        assert said.status == 0 and (words in said.err) is warned, said.err
        index = open_pack(tmp_path / f"{id}.iso").index
        assert index is not None and index.comps == text


def test_findings_are_printed_and_stop_it_only_with_strict(make_pack: PackMaker, tmp_path: Path) -> None:
    bad = make_pack.rpm(package("acme-rules", {"/lib/udev/rules.d/70-acme.rules": "#\n"}))
    said = build(tmp_path / "a.iso", bad)
    assert said.status == 0
    assert "E P1 acme: acme-rules-5.2-1.noarch.rpm: /lib/udev/rules.d/70-acme.rules" in said.err
    strict = build(tmp_path / "b.iso", "--strict", bad)
    assert strict.status == 1
    assert strict.err.endswith(f"1 E findings stop the pack; {tmp_path / 'b.iso'} was not written\n")
    assert not (tmp_path / "b.iso").exists()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (
            ("--uuid", "9A1F"),
            "--uuid='9A1F': not a uuid; make one with: python3 -c 'import uuid; print(uuid.uuid4())'",
        ),
        (
            ("-l", "a b"),
            "--label='a b': a label must be letters, digits, _ and - (xapi refuses others); choose such a label",
        ),
        (
            ("--after-apply", "restartHost,reboot"),
            (
                "--after-apply='reboot': xapi knows no such guidance and would drop the whole list; "
                "did you mean 'restartXAPI'?"
            ),
        ),
        (
            ("--version", "1-2"),
            "--version='1-2': a --version must not contain '-'; put what follows it into release",
        ),
        (
            ("--base-requires", "product-version => 8"),
            "--base-requires='=>': '=>' is not the name of a capability; write \"name >= version\"",
        ),
    ],
)
def test_what_build_update_refuses_is_wrong_usage(
    rpm: Path, tmp_path: Path, more: tuple[str, ...], why: str
) -> None:
    said = build(tmp_path / "a.iso", *more, rpm)
    assert said.status == 2
    assert said.err.startswith("build-update: ")
    assert why.partition(";")[0] in said.err
    assert said.err.count("\n") == 1


def test_several_requirements(rpm: Path, tmp_path: Path) -> None:
    pack = built(
        tmp_path / "a.iso", "--base-requires", "product-version >= 8.2, platform-version >= 3 acme", rpm
    )
    assert pack.control is not None
    assert pack.control.info is not None
    wanted = [str(one) for one in pack.control.info.requires if not one.name.startswith("rpmlib(")]
    assert sorted(wanted) == ["acme", "platform-version >= 3", "product-version >= 8.2"]


def test_missing_files(rpm: Path, tmp_path: Path) -> None:
    for words in (
        (tmp_path / "no.rpm",),
        ("--precheck", tmp_path / "no.rpm", rpm),
        ("--groupfile", tmp_path / "no.rpm", rpm),
    ):
        said = build(tmp_path / "a.iso", *words)
        assert said.status == 1
        assert said.err.startswith(f"build-update: {tmp_path / 'no.rpm'}: ")


def test_a_source_rpm_is_no_package(rpm: Path, tmp_path: Path) -> None:
    source = forge(Forged(source=True), tmp_path)
    said = build(tmp_path / "a.iso", rpm, source)
    why = "a source RPM, which no host installs: name the RPMs that are built of it"
    assert (said.status, said.err) == (1, f"build-update: {source}: {why}\n")
    assert not (tmp_path / "a.iso").exists()


def test_the_same_input_gives_the_same_bytes(rpm: Path, make_pack: PackMaker, tmp_path: Path) -> None:
    more = ("-k", UID, "--gnupghome", make_pack.key.home, "--base-requires", "product-version >= 8", rpm)
    built(tmp_path / "a.iso", *more)
    built(tmp_path / "b.iso", *more)
    assert (tmp_path / "a.iso").read_bytes() == (tmp_path / "b.iso").read_bytes()

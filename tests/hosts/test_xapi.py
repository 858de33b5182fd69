"""Every row of pack-format.md's table of errors, with a pack that provokes it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import sentences
from msgspec.structs import replace
from pack_maker import PACK, TIME, UUID, Key, PackMaker, package
from support import need

from xspack_tool.errors import BadInput
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.reading import hash_rpms, open_pack
from xspack_tool.hosts.release import Host
from xspack_tool.hosts.verdict import Verdict
from xspack_tool.hosts.xapi import judge_xapi
from xspack_tool.model.dependency import Dependency
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.releases import load_profile
from xspack_tool.releases.known import KnownRelease

BASED = replace(PACK, requires=(Dependency("product-version", ">=", "8.2.0"),))
OPEN_PRECHECK = "#!/bin/sh\nexit 0\n"


def xapi(
    iso: Path, key: Key | None, base: Path | None = None, release: str = "xcp-ng-8.2", **more: object
) -> Verdict:
    pack = hash_rpms(open_pack(iso, key.file if key else None))
    known = KnownRelease(load_profile(release), pack.infos, base)
    return judge_xapi(pack, Host(known, **more))  # type: ignore[arg-type]


def said(verdict: Verdict) -> list[str]:
    return [str(rejection) for rejection in verdict.rejections]


def test_a_good_pack_is_taken(make_pack: PackMaker) -> None:
    verdict = xapi(make_pack(BASED, precheck=OPEN_PRECHECK), make_pack.key)
    assert verdict == Verdict("xapi")


def test_without_a_key_signatures_are_not_judged(make_pack: PackMaker) -> None:
    verdict = xapi(make_pack(BASED), None)
    assert verdict == Verdict("xapi", unjudged=("signatures: name the public key with --key",))


# INVALID_UPDATE


def test_what_is_no_iso_cannot_be_mounted(tmp_path: Path) -> None:
    (tmp_path / "no.iso").write_bytes(b"x" * 100_000)
    with pytest.raises(BadInput, match="is not a readable ISO image"):
        open_pack(tmp_path / "no.iso")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text[:-9], "update.xml: is not XML: unclosed token: line 3, column 0"),
        (lambda text: text.replace(f'uuid="{UUID}"', ""), "update.xml: has no attribute uuid"),
        (lambda text: text.replace('name-label="acme"', ""), "update.xml: has no attribute name-label"),
        (lambda text: text.replace('version="5.2"', ""), "update.xml: has no attribute version"),
        (
            lambda text: text.replace("Acme drivers and agent", "<b>Acme</b>"),
            "update.xml: its <name-description> must hold one text alone",
        ),
        (
            lambda text: text.replace('name-label="acme"', 'name-label="main"'),
            "update.xml: name-label='main': 'main' is yum's own section",
        ),
    ],
)
def test_update_document_that_xapi_cannot_read(
    make_pack: PackMaker, change: Callable[[str], str], why: str
) -> None:
    verdict = xapi(make_pack(document=change), make_pack.key)
    assert said(verdict)[0] == f"INVALID_UPDATE: {why}"


def test_update_document_missing(make_pack: PackMaker) -> None:
    iso = make_pack.changed(make_pack(), lambda folder: (folder / "update.xml").unlink())
    assert said(xapi(iso, make_pack.key)) == ["INVALID_UPDATE: update.xml: missing"]


@pytest.mark.parametrize("name", ["update.xml", "repodata/repomd.xml"])
def test_signature_missing_damaged_or_of_another_file(make_pack: PackMaker, name: str) -> None:
    good = make_pack()
    head = "INVALID_UPDATE: Invalid signature:"
    missing = make_pack.changed(good, lambda folder: (folder / f"{name}.asc").unlink())
    assert said(xapi(missing, make_pack.key)) == [f"{head} {name}.asc is missing"]
    changed = make_pack.changed(good, lambda folder: append(folder / name, "\n"))
    assert said(xapi(changed, make_pack.key)) == [f"{head} {name} was changed after it was signed"]
    garbled = make_pack.changed(good, lambda folder: (folder / f"{name}.asc").write_text("nothing"))
    assert said(xapi(garbled, make_pack.key)) == [f"{head} {name}.asc is no signature that gpg can read"]


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_signature_of_another_key(make_pack: PackMaker, keys: dict[str, Key]) -> None:
    by = make_pack.key.public.key_id
    assert said(xapi(make_pack(), keys["Other"]))[:2] == [
        f"INVALID_UPDATE: Invalid signature: {name} is signed by {by}, not by RPM-GPG-KEY-Other"
        for name in ("update.xml", "repodata/repomd.xml")
    ]


def test_expired_key(make_pack: PackMaker, expired: Key) -> None:
    """gpg says EXPKEYSIG in place of GOODSIG."""
    iso = make_pack(replace(PACK, key=expired.file.name), signer=False)
    why = f"the key {expired.file.name} has expired (gpg says EXPKEYSIG)"
    signed = make_pack.changed(iso, lambda folder: expired_signatures(folder, expired))
    assert said(xapi(signed, expired))[:1] == [f"INVALID_UPDATE: Invalid signature: {why}"]


def expired_signatures(folder: Path, key: Key) -> None:
    for name in ("update.xml", "repodata/repomd.xml"):
        key.signer.sign_file(folder / name, folder / f"{name}.asc", TIME)


def test_packages_that_cannot_be_downloaded(make_pack: PackMaker) -> None:
    def rename(folder: Path) -> None:
        (folder / "Packages/acme-agent-5.2-1.noarch.rpm").rename(folder / "Packages/acme-agent.rpm")

    def damage(folder: Path) -> None:
        path = folder / "Packages/acme-agent-5.2-1.noarch.rpm"
        path.write_bytes(path.read_bytes()[:-1] + b"x")

    def drop(folder: Path) -> None:
        next(folder.glob("repodata/*primary.xml.gz")).unlink()

    good, place = make_pack(), "Packages/acme-agent-5.2-1.noarch.rpm"
    assert said(xapi(make_pack.changed(good, rename), make_pack.key)) == [
        f"INVALID_UPDATE: the index names {place}, which is not on the ISO; there is Packages/acme-agent.rpm",
        "INVALID_UPDATE: Packages/acme-agent.rpm is not in the index, so no host finds it",
    ]
    assert said(xapi(make_pack.changed(good, damage), make_pack.key)) == [
        f"INVALID_UPDATE: {place} {sentences.DAMAGED}"
    ]
    dropped = said(xapi(make_pack.changed(good, drop), make_pack.key))
    assert re.fullmatch(
        r"INVALID_UPDATE: repodata/\w+-primary.xml.gz, the primary index, is not on the ISO", dropped[0]
    )


def test_names_without_rock_ridge(make_pack: PackMaker, tmp_path: Path) -> None:
    need("genisoimage")
    with IsoReader(make_pack()) as reader:
        reader.extract(tmp_path / "iso")
    argv = ["genisoimage", "-quiet", "-iso-level", "3", "-o", tmp_path / "plain.iso", tmp_path / "iso"]
    subprocess.run(argv, check=True, capture_output=True)
    assert said(xapi(tmp_path / "plain.iso", make_pack.key))[:2] == [
        "INVALID_UPDATE: the ISO has no Rock Ridge names: no file is found by the name that hosts use",
        "INVALID_UPDATE: update.xml: missing",
    ]


# UPDATE_ALREADY_EXISTS / _APPLIED


def test_uuid_that_was_used_before(make_pack: PackMaker) -> None:
    older = open_pack(make_pack(replace(PACK, version="5.1"))).document
    verdict = xapi(make_pack(), make_pack.key, introduced=(older,))
    assert said(verdict) == [
        (
            f"UPDATE_ALREADY_EXISTS: uuid {UUID} is that of acme 5.1, which the host knows "
            "(UPDATE_ALREADY_APPLIED once its disk was cleaned up); give each version a uuid of its own"
        )
    ]


# UPDATE_PRECHECK_FAILED_*


def test_key_not_on_the_host(make_pack: PackMaker) -> None:
    verdict = xapi(make_pack(replace(BASED, key="RPM-GPG-KEY-Elsewhere")), make_pack.key)
    assert said(verdict) == [
        (
            "UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED: update.xml names the key RPM-GPG-KEY-Elsewhere, "
            "the host has RPM-GPG-KEY-Acme in /etc/pki/rpm-gpg"
        )
    ]


def resigned(make_pack: PackMaker, name: str, key: Key | None) -> Path:
    """A pack whose RPM ``name`` is unsigned or signed by another key, and whose index says so."""
    from xspack_tool.repo.comps import comps_xml
    from xspack_tool.repo.fragment import make_fragment
    from xspack_tool.repo.repodata import REPOMD_NAME, iso_names, write_repodata

    def change(folder: Path) -> None:
        path = next(folder.glob(f"Packages/{name}-*.rpm"))
        plain = make_pack.folder / path.name
        strip(path, plain)
        key.signer.sign_rpm(plain, path, TIME) if key else plain.replace(path)
        fragments = [make_fragment(rpm, f"Packages/{rpm.name}") for rpm in sorted(folder.glob("Packages/*"))]
        for old in folder.glob("repodata/*"):
            old.unlink()
        write_repodata(fragments, comps_xml(PACK.groups, PACK.update_name), folder / "repodata", TIME)
        for built, place in iso_names(folder / "repodata" / REPOMD_NAME).items():
            (folder / "repodata" / built).rename(folder / place)
        make_pack.key.signer.sign_file(
            folder / "repodata/repomd.xml", folder / "repodata/repomd.xml.asc", TIME
        )

    return make_pack.changed(make_pack(BASED), change)


def strip(source: Path, target: Path) -> None:
    shutil.copy(source, target)
    subprocess.run(["rpmsign", "--delsign", target], check=True, capture_output=True)


def test_rpms_unsigned_or_signed_by_another_key(make_pack: PackMaker, keys: dict[str, Key]) -> None:
    code = "UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED"
    unsigned = resigned(make_pack, "control-acme", None)
    assert said(xapi(unsigned, make_pack.key)) == [f"{code}: control-acme-5.2-1.noarch.rpm is not signed"]
    other = resigned(make_pack, "control-acme", keys["Other"])
    why = "control-acme-5.2-1.noarch.rpm is signed by another key"
    assert said(xapi(other, make_pack.key)) == [f"{code}: {why}"]
    payload = resigned(make_pack, "acme-agent", None)
    assert said(xapi(payload, make_pack.key)) == [
        (
            "UPDATE_APPLY_FAILED: acme-agent-5.2-1.noarch.rpm is not signed "
            f"(xapi's precheck installs control-acme alone, so it is not {code})"
        )
    ]


def requiring(*wanted: str) -> tuple[Dependency, ...]:
    return tuple(Dependency(*words.split()) for words in wanted)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("product-version >= 8.3.0", "WRONG_SERVER_VERSION"),
        ("product-version = 8.2.0", "WRONG_SERVER_VERSION"),
        ("platform-version < 3.2", "WRONG_SERVER_VERSION"),
        ("product-build >= 70000", "WRONG_SERVER_VERSION"),
    ],
)
def test_base_requirement_that_is_not_met(make_pack: PackMaker, wanted: str, code: str) -> None:
    verdict = xapi(make_pack(replace(PACK, requires=requiring(wanted))), make_pack.key)
    assert said(verdict) == [
        (f"UPDATE_PRECHECK_FAILED_{code}: control-acme-5.2-1.noarch requires {wanted}, {sentences.UNMET}")
    ]


@pytest.fixture(scope="module")
def base(make_pack: PackMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of a release: a folder with an RPM that stands for all."""
    folder = tmp_path_factory.mktemp("base")
    release = package(
        "xcp-ng-release",
        provides=requiring("product-version = 8.2.1", "/bin/sh"),
        files={"/etc/issue": "XCP-ng\n"},
    )
    make_pack.rpm(release).rename(folder / release.file_name)
    return folder


def test_prerequisite_missing(make_pack: PackMaker, base: Path) -> None:
    pack = replace(PACK, requires=requiring("acme-base >= 2"))
    verdict = xapi(make_pack(pack), make_pack.key, base)
    assert said(verdict) == [
        (
            "UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING: control-acme-5.2-1.noarch requires acme-base >= 2, "
            f"{sentences.UNMET} (so says the xapi of XCP-ng 8.2; on releases with dnf it is "
            "UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION)"
        )
    ]
    newer = xapi(make_pack(pack), make_pack.key, base, release="xenserver-9")
    assert said(newer) == [
        (
            "UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION: control-acme-5.2-1.noarch requires acme-base >= 2, "
            f"{sentences.UNMET} (so says the xapi of XenServer 9; on releases with yum it is "
            "UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING)"
        )
    ]
    any_version = replace(PACK, requires=requiring("acme-base"))
    newer = xapi(make_pack(any_version), make_pack.key, base, release="xenserver-9")
    assert said(newer) == [
        (
            "UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING: control-acme-5.2-1.noarch requires acme-base, "
            f"{sentences.UNMET}"
        )
    ]
    unknown = xapi(make_pack(pack), make_pack.key)
    assert unknown.accepted
    assert unknown.unjudged == ("requirements: acme-base >= 2: name the release's packages with --base",)


def test_prerequisite_of_the_payload_shows_while_it_is_applied(make_pack: PackMaker, base: Path) -> None:
    iso = make_pack(PACK, [package(requires=requiring("libacme.so.1"))])
    assert said(xapi(iso, make_pack.key, base)) == [
        (
            "UPDATE_APPLY_FAILED: acme-agent-5.2-1.noarch requires libacme.so.1, which neither host nor pack "
            "provides (the pack has no control package, so it is not UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING)"
        )
    ]


def test_conflict_present(make_pack: PackMaker, base: Path) -> None:
    def conflicting(made: list[Path]) -> list[Path]:
        control = package("control-acme", release="1", conflicts=requiring("xcp-ng-release"))
        return [made[0], make_pack.rpm(control)]

    iso = make_pack(BASED, generated=conflicting)
    assert said(xapi(iso, make_pack.key, base)) == [
        (
            "UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT: control-acme-5.2-1.noarch conflicts with xcp-ng-release: "
            "xcp-ng-release-5.2-1.noarch is there"
        )
    ]


def test_out_of_space(make_pack: PackMaker) -> None:
    verdict = xapi(make_pack(), make_pack.key, free=10)
    assert said(verdict) == [
        "UPDATE_PRECHECK_FAILED_OUT_OF_SPACE: installation-size is 11 bytes, / has 10 free"
    ]


def test_precheck_that_cannot_run(make_pack: PackMaker) -> None:
    def not_executable(made: list[Path]) -> list[Path]:
        control = package("control-acme", files={f"/var/update/{UUID}/precheck": OPEN_PRECHECK})
        return [made[0], make_pack.rpm(control)]

    head = "UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR"
    iso = make_pack(precheck=OPEN_PRECHECK, generated=not_executable)
    assert said(xapi(iso, make_pack.key)) == [f"{head}: precheck is not executable (mode 0644)"]
    assert said(xapi(make_pack(precheck="exit 0\n"), make_pack.key)) == [
        f"{head}: precheck has no #! line, so it cannot run: 'exit 0\\n'"
    ]


def test_error_code_that_xapi_does_not_know(make_pack: PackMaker) -> None:
    script = "#!/bin/sh\necho '<error errorcode=\"{}\"></error>'\nexit 1\n"
    verdict = xapi(make_pack(precheck=script.format("ACME_TOO_OLD")), make_pack.key)
    seen = "where precheck prints errorcode ACME_TOO_OLD, its user sees UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR"
    assert verdict == Verdict("xapi", remarks=(seen,))
    known = script.format("UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION")
    assert xapi(make_pack(precheck=known), make_pack.key) == Verdict("xapi")


# UPDATE_APPLY_FAILED


def test_file_conflicts(make_pack: PackMaker, base: Path) -> None:
    two = [package("acme-one", {"/opt/acme/x": "1\n"}), package("acme-two", {"/opt/acme/x": "2\n"})]
    assert said(xapi(make_pack(PACK, two), make_pack.key)) == [
        (
            "UPDATE_APPLY_FAILED: /opt/acme/x is in acme-one-5.2-1.noarch and in acme-two-5.2-1.noarch.rpm, "
            "with another content"
        )
    ]
    taken = make_pack(PACK, [package(files={"/etc/issue": "Acme\n"})])
    assert said(xapi(taken, make_pack.key, base)) == [
        (
            "UPDATE_APPLY_FAILED: /etc/issue of acme-agent-5.2-1.noarch.rpm is in xcp-ng-release-5.2-1.noarch "
            "of the release"
        )
    ]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (
            {f"/var/update/applied/{UUID}": "<update"},
            (
                "the applied record of update-acme-5.2-1.noarch.rpm is malformed: "
                "is not XML: unclosed token: line 1, column 0"
            ),
        ),
        (
            {
                f"/var/update/applied/{UUID}": f'<update uuid="{UUID[:-1]}0" name-label="acme" version="5.2">'
                "<name-description>x</name-description></update>"
            },
            f"/var/update/applied/{UUID} says uuid {UUID[:-1]}0: file name and attribute must agree",
        ),
        (
            {f"/var/update/applied/{UUID[:-1]}0": "<update/>"},
            (
                f"update-acme-5.2-1.noarch.rpm owns /var/update/applied/{UUID[:-1]}0, but the pack's uuid is {UUID}: "
                "they must agree"
            ),
        ),
    ],
)
def test_applied_record(make_pack: PackMaker, record: dict[str, str], why: str) -> None:
    def wrong(made: list[Path]) -> list[Path]:
        return [make_pack.rpm(package("update-acme", record))]

    assert said(xapi(make_pack(generated=wrong), make_pack.key)) == [f"UPDATE_APPLY_FAILED: {why}"]


def test_groups_that_yum_does_not_find(make_pack: PackMaker) -> None:
    renamed = make_pack(comps=lambda text: text.replace("<id>update<", "<id>updates<"))
    assert said(xapi(renamed, make_pack.key)) == ["UPDATE_APPLY_FAILED: the index has no group 'update'"]
    other = make_pack(comps=lambda text: text.replace(">update-acme<", ">acme<"))
    assert said(xapi(other, make_pack.key)) == [
        "UPDATE_APPLY_FAILED: the group 'update' does not list update-acme"
    ]


# What is taken, but not as its author may think


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        (
            lambda text: text.replace("<update ", '<update after-apply-guidance="restartHost,reboot" '),
            "after-apply-guidance 'reboot' is none that xapi knows: it drops the whole list silently",
        ),
        (
            lambda text: text.replace(' key="RPM-GPG-KEY-Acme"', ""),
            "update.xml names no key: RPMs and index are installed without a check of their signatures",
        ),
        (
            lambda text: text.replace(' control="control-acme"', ""),
            (
                "update.xml names no control package, so control-acme-5.2-1.noarch.rpm is not installed and "
                "no precheck runs"
            ),
        ),
    ],
)
def test_remarks(make_pack: PackMaker, change: Callable[[str], str], remark: str) -> None:
    assert xapi(make_pack(BASED, document=change), make_pack.key) == Verdict("xapi", remarks=(remark,))


def test_an_opened_pack_is_a_value(make_pack: PackMaker) -> None:
    iso = make_pack()
    assert open_pack(iso) == open_pack(iso)
    assert isinstance(open_pack(iso), ParsedPack)

"""P6: users and groups that nobody makes; P7: folders that become something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Verdict = Callable[..., list[str]]
SECRET = {"/opt/acme/secret": b"s"}
OWNED = {"/opt/acme/secret": "%attr(0640,acme,acmegrp)"}
RPM = "acme-1.0-1.x86_64.rpm: "
NOBODY = [
    f"W {RPM}/opt/acme/secret: it belongs to the {what}, which nothing makes"
    for what in ("group 'acmegrp'", "user 'acme'")
]


@pytest.mark.parametrize(
    ("scripts", "lines", "wanted"),
    [
        ({}, [], NOBODY),
        ({"%pre": "useradd -r acme || :"}, [], NOBODY[:1]),
        ({"%pre": "getent group acmegrp || groupadd -r acmegrp\nuseradd -r -g acmegrp acme || :"}, [], []),
        (
            {"%pre": "for g in acmegrp; do groupadd $g; done\nU=acme\n/usr/sbin/useradd -g acmegrp $U || :"},
            [],
            [],
        ),
        ({"%pre": "systemd-sysusers - <<E\nu acme - -\ng acmegrp -\nE\n:"}, [], []),
        ({"%post": "groupadd acmegrp\nuseradd -N acme || :"}, [], [f"{one} early enough" for one in NOBODY]),
        ({}, ["Provides: user(acme)", "Provides: group(acmegrp)"], []),
    ],
)
def test_p6(
    pack_verdict: Verdict,
    forged: Callable[..., Path],
    scripts: Mapping[str, str],
    lines: list[str],
    wanted: list[str],
) -> None:
    rpm = forged(files=SECRET, attributes=OWNED, scripts=scripts, lines=lines)
    assert pack_verdict("P6", [rpm]) == wanted


def test_p6_another_package_makes_them(pack_verdict: Verdict, forged: Callable[..., Path]) -> None:
    rpm = forged(files=SECRET, attributes=OWNED)
    maker = forged(name="acme-users", scripts={"%post": "useradd acme || :\ngroupadd acmegrp || :"})
    assert pack_verdict("P6", [rpm, maker]) == []
    sysusers = {**SECRET, "/usr/lib/sysusers.d/acme.conf": b"u acme\n"}
    assert pack_verdict("P6", [forged(files=sysusers, attributes=OWNED)]) == []


def test_p6_those_that_every_release_has(pack_verdict: Verdict, forged: Callable[..., Path]) -> None:
    files = {"/opt/acme/a": b"x", "/opt/acme/b": b"x", "/opt/acme/c": b"x"}
    owned = {"/opt/acme/a": "%attr(-,nobody,tty)", "/opt/acme/b": "%attr(-,root,wheel)"}
    assert pack_verdict("P6", [forged(files=files, attributes=owned)]) == []


FOLDER = {"/opt/acme/share": None, "/opt/acme/share/a": b"a"}
BELOW = {"/opt/acme/share/a": b"a"}
LINK = {"/opt/acme/share": "share-2", "/opt/acme/share-2/a": b"a"}
FILE = {"/opt/acme/share": b"x"}


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (FOLDER, LINK, "a folder in the last release, a link now"),
        (BELOW, LINK, "a folder in the last release, a link now"),
        (FOLDER, FILE, "a folder in the last release, a file now"),
        (LINK, FOLDER, "a link in the last release, a folder now"),
        (LINK, BELOW, "a link in the last release, a folder now"),
        (FOLDER, BELOW, ""),
        (FILE, {"/opt/acme/share": "other"}, ""),
        (LINK, FILE, ""),
        (LINK, {"/opt/acme/share": "share-3", "/opt/acme/share-3/a": b"a"}, ""),
    ],
)
def test_p7(
    pack_verdict: Verdict,
    forged: Callable[..., Path],
    old: Mapping[str, bytes | str | None],
    new: Mapping[str, bytes | str | None],
    wanted: str,
) -> None:
    before, after = forged(files=old), forged(version="2.0", files=new)
    found = [f"E acme-2.0-1.x86_64.rpm: /opt/acme/share: {wanted}"] if wanted else []
    assert pack_verdict("P7", [after], baseline=before.parent) == found
    moved = {"%pretrans -p <lua>": 'os.rename("/opt/acme/share", "/opt/acme/share.rpmmoved")'}
    handled = forged(version="2.0", files=new, scripts=moved)
    assert pack_verdict("P7", [handled], baseline=before.parent) == []


def test_p7_needs_the_last_release(pack_verdict: Verdict, forged: Callable[..., Path]) -> None:
    assert pack_verdict("P7", [forged(files=LINK)])[0].startswith("I : not checked: needs the last release")

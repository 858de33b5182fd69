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

"""X2: what the release's rpm and installer can read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xspack_tool.releases import load_profile
from xspack_tool.rules.context import IndexRecord
from xspack_tool.rules.engine import check_rpm
from xspack_tool.rules.registry import all_rules

Verdict = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("fields", "capability"),
    [
        ({"payload": "w3.zstdio", "files": {"/opt/x": b"x"}}, "rpmlib(PayloadIsZstd)"),
        ({"lines": ["Requires: (bash or dash)"]}, "rpmlib(RichDependencies)"),
        ({"version": "1.0^git1"}, "rpmlib(CaretInVersions)"),
    ],
)
def test_x2_features_that_rpm_411_does_not_know(
    verdict: Verdict, fields: dict[str, object], capability: str
) -> None:
    assert verdict("X2", **fields) == [f"E Requires: {capability}: the rpm of XenServer 8 does not know it"]
    assert verdict("X2", "xenserver-9", **fields) == []


def test_x2_a_payload_whose_requirement_was_taken_out(forged: Callable[..., Path], tmp_path: Path) -> None:
    data = forged(payload="w3.zstdio", files={"/opt/x": b"x"}).read_bytes()
    path = tmp_path / "x.rpm"
    path.write_bytes(
        data.replace(b"rpmlib(PayloadIsZstd)", b"rpmlib(FileDigests)\0\0"[:21].replace(b"\0", b")"))
    )
    rules = [rule for rule in all_rules() if rule.id == "X2"]
    found = [str(one) for one in check_rpm(path, load_profile("xenserver-8"), None, rules)]
    assert (
        "E X2 acme-1.0-1.x86_64.rpm: payload: compressed with zstd, which XenServer 8 cannot unpack; "
        in found[-1]
    )


@pytest.mark.parametrize("payload", ["w2.xzdio", "w9.gzdio", "w9.bzdio", "w1.lzdio"])
def test_x2_good(verdict: Verdict, payload: str) -> None:
    assert verdict("X2", payload=payload, files={"/opt/x": b"x"}, version="1.0~rc1") == []


def test_x2_index(pack_verdict: Verdict) -> None:
    index = (
        IndexRecord("primary", "repodata/primary.xml.zst", "sha256"),
        IndexRecord("filelists", "repodata/filelists.xml.gz", "sha"),
        IndexRecord("group", "repodata/comps.xml", "sha512"),
    )
    assert pack_verdict("X2", index=index) == [
        "E repodata: filelists: its checksum is sha; the installer compares sha256",
        "E repodata: group: its checksum is sha512; the installer compares sha256",
        "E repodata: primary: repodata/primary.xml.zst is not gzip; the installer reads nothing else",
    ]


def test_x2_index_good(pack_verdict: Verdict) -> None:
    index = (
        IndexRecord("primary", "repodata/0a-primary.xml.gz", "sha256"),
        IndexRecord("group", "repodata/0b-comps.xml", "sha256"),
    )
    assert pack_verdict("X2", index=index) == []

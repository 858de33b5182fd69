"""R1, B2, X3, V1, V3, V4, X1, V2: the pack as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xspack_tool.releases import load_profile
from xspack_tool.rules.registry import all_rules

Verdict = Callable[..., list[str]]
Forge = Callable[..., Path]
UUID = "9a1f0f0e-4b4e-4f8a-9a53-0d6e0d1f5b11"
OTHER = "11111111-4b4e-4f8a-9a53-0d6e0d1f5b11"


@pytest.fixture
def driver(forged: Forge) -> Path:
    return forged(name="nic", version="2.1", files={"/lib/modules/4.19.0+1/updates/acme.ko": b"x"})


@pytest.fixture
def tool(forged: Forge) -> Path:
    return forged(name="tool", files={"/opt/tool": b"x"})


@pytest.mark.parametrize(
    ("requires", "said"),
    [
        ([], "the pack is for XCP-ng 8.2, XCP-ng 8.3 and requires none of product-version, platform-version"),
        (
            ["product-version = 8.3.0"],
            "product-version = 8.3.0 in a pack for XCP-ng 8.2, XCP-ng 8.3; the lowest is 8.2.1",
        ),
        (
            ["product-version >= 8.3.0"],
            "product-version >= 8.3.0 in a pack for XCP-ng 8.2, XCP-ng 8.3; the lowest is 8.2.1, not 8.3.0",
        ),
        (["product-version >= 8.2.1"], ""),
        (["platform-version >= 3.2.1"], ""),
    ],
)
def test_v1_for_several_declared_releases(pack_verdict: Verdict, requires: list[str], said: str) -> None:
    releases = (load_profile("xcp-ng-8.3"), load_profile("xcp-ng-8.2"))
    expected = [f"E requires: {said}"] if said else []
    assert pack_verdict("V1", requires=requires, releases=releases) == expected


def released(folder: Path, *rpms: Path) -> Path:
    """A folder with the RPMs of the last release."""
    folder.mkdir()
    for rpm in rpms:
        (folder / rpm.name).write_bytes(rpm.read_bytes())
    return folder


def test_v2_changed_without_a_new_version(pack_verdict: Verdict, forged: Forge, tmp_path: Path) -> None:
    old = forged(
        name="tool", version="1.5", files={"/opt/a": b"old", "/opt/b": b"x", "/opt/c": b"x", "/opt/d": b"x"}
    )
    baseline = released(tmp_path / "last", old)
    changed = forged(
        name="tool",
        version="1.5",
        files={"/opt/a": b"new", "/opt/b": b"x", "/opt/c": b"y", "/opt/e": b"x"},
        scripts={"%post": "exit 0"},
    )
    parts = "/opt/a, /opt/c, /opt/d, 1 more files, scripts, requires"
    assert pack_verdict("V2", [changed], baseline=baseline) == [
        f"E tool-1.5-1.x86_64.rpm: version: {parts} changed since the last release, its version is still 1.5-1"
    ]
    mode = forged(
        name="tool",
        version="1.5",
        files={"/opt/a": b"old", "/opt/b": b"x", "/opt/c": b"x", "/opt/d": b"x"},
        modes={"/opt/d": 0o600},
    )
    assert pack_verdict("V2", [mode], baseline=baseline) == [
        "E tool-1.5-1.x86_64.rpm: version: /opt/d changed since the last release, its version is still 1.5-1"
    ]


@pytest.mark.parametrize(("version", "lines"), [("1.4", []), ("1.5~rc1", []), ("1.5", ["Epoch: 0"])])
def test_v2_lowered(
    pack_verdict: Verdict, forged: Forge, tmp_path: Path, version: str, lines: list[str]
) -> None:
    old = forged(name="tool", version="1.5", release="2", files={"/opt/a": b"x"})
    now = forged(name="tool", version=version, files={"/opt/a": b"x"}, lines=lines)
    assert pack_verdict("V2", [now], baseline=released(tmp_path / "last", old)) == [
        f"E {now.name}: version: {version}-1 is lower than 1.5-2 of the last release"
    ]


def test_v2_good(pack_verdict: Verdict, forged: Forge, tmp_path: Path, driver: Path) -> None:
    old = forged(name="tool", version="1.9", files={"/opt/a": b"old"})
    baseline = released(tmp_path / "last", old, driver)
    raised = forged(name="tool", version="1.10", files={"/opt/a": b"new"})
    epoch = forged(name="tool", version="1.0", lines=["Epoch: 1"], files={"/opt/a": b"new"})
    new_kernel = forged(name="nic", version="1.0", files={"/lib/modules/5.10.0/updates/acme.ko": b"x"})
    first = forged(name="first", files={"/opt/first": b"x"})
    assert pack_verdict("V2", [raised, new_kernel, first], baseline=baseline) == []
    assert pack_verdict("V2", [epoch, old, driver], baseline=baseline) == []


def test_v2_another_build_of_the_same_content_is_the_same(
    pack_verdict: Verdict, forged: Forge, tmp_path: Path
) -> None:
    one = forged(name="tool", files={"/opt/a": b"x"}, payload="w1.gzdio")
    other = forged(name="tool", files={"/opt/a": b"x"}, lines=["Vendor: Acme"])
    assert pack_verdict("V2", [other], baseline=released(tmp_path / "last", one)) == []


def applied(forged: Forge, label: str, version: str, uuid: str) -> Path:
    """The update RPM of a pack."""
    return forged(
        name=f"update-{label}",
        version=version,
        arch="noarch",
        files={f"/var/update/applied/{uuid}": b"<update/>"},
    )


@pytest.mark.parametrize(
    ("label", "version", "uuid", "said"),
    [
        ("acme-suite", "5.1", UUID, f"{UUID} is the uuid of acme-suite 5.1"),
        ("other", "5.2", UUID, f"{UUID} is the uuid of other 5.2"),
        ("acme-suite", "5.2", OTHER, f"{UUID} for acme-suite 5.2, which was released as {OTHER}"),
        ("acme-suite", "5.2", UUID, ""),
        ("acme-suite", "5.1", OTHER, ""),
        ("other", "5.2", OTHER, ""),
    ],
)
def test_x1_uuids(
    pack_verdict: Verdict, forged: Forge, tmp_path: Path, label: str, version: str, uuid: str, said: str
) -> None:
    baseline = released(tmp_path / "last", applied(forged, label, version, uuid))
    assert pack_verdict("X1", baseline=baseline) == ([f"E uuid: {said}"] if said else [])


@pytest.mark.parametrize("rule", ["V2", "X1"])
def test_without_a_baseline(pack_verdict: Verdict, rule: str) -> None:
    needs = "needs the last release of the pack: set XSPACK_BASELINE to its folder, repository or ISO"
    assert pack_verdict(rule) == [f"I : not checked: {needs}"]


def test_every_rule_of_the_list_is_registered() -> None:
    counts = {
        "K": 12,
        "S": 11,
        "P": 7,
        "U": 4,
        "R": 2,
        "B": 8,
        "D": 3,
        "V": 4,
        "G": 4,
        "L": 2,
        "X": 4,
        "M": 6,
    }
    wanted = {f"{family}{number}" for family, count in counts.items() for number in range(1, count + 1)}
    assert {rule.id for rule in all_rules()} == wanted

"""B7 and D3: libraries by their names."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import need

from xspack_tool.releases import load_profile
from xspack_tool.rules.context import PackContext
from xspack_tool.rules.engine import check_rpm
from xspack_tool.rules.registry import all_rules
from xspack_tool.rules.report import judge

from .conftest import pack_context

Verdict = Callable[..., list[str]]
CLAIMS = "Provides: libl.so.1()(64bit)"
NEEDS = "Requires: libl.so.1()(64bit)"
NOT_THERE = "E /opt/l/lib/libl.so.1.0.0: its SONAME is libl.so.1, and no file is called so"
NEEDED = "E /opt/l/bin/m: it needs libl.so.1, and no file is called so"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A library of the name libl.so.1, and a program that needs it and nothing else."""
    need("gcc")
    folder = tmp_path_factory.mktemp("elf")
    (folder / "l.c").write_text("int f(void){return 1;}\n")
    (folder / "m.c").write_text("int f(void); int _start(void){return f();}\n")
    library = ["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libl.so.1", "l.c", "-o", "libl.so"]
    for argv in (library, ["-nostdlib", "m.c", "libl.so", "-o", "m"]):
        subprocess.run(["gcc", *argv], cwd=folder, check=True)
    return {name: (folder / name).read_bytes() for name in ("libl.so", "m")}


def said(context: PackContext, rpms: list[Path]) -> list[str]:
    """What B7 says of a pack, single RPMs and all together."""
    rules = [one for one in all_rules() if one.id == "B7"]
    profile = load_profile("local")
    found = {rpm.name: check_rpm(rpm, profile, None, rules) for rpm in rpms}
    return [f"{one.severity} {one.where}: {one.found}" for one in judge(context, found, rules=rules).findings]


@pytest.mark.parametrize(
    ("links", "lines", "wanted"),
    [
        ({}, [CLAIMS, NEEDS], [NEEDED, NOT_THERE]),
        ({"/opt/l/lib/libl.so.1": "libl.so.1.0.0"}, [CLAIMS, NEEDS], []),
        ({"/opt/l/lib/libl.so": "libl.so.1.0.0"}, [CLAIMS, NEEDS], [NEEDED, NOT_THERE]),
        # Nothing is claimed: without the release's packages nobody knows; D1 knows with them.
        ({}, [NEEDS], []),
        # A plugin that is loaded by its path may be called as it likes.
        ({}, [], []),
    ],
)
def test_b7_versioned_library(
    forged: Callable[..., Path],
    built: dict[str, bytes],
    links: dict[str, str],
    lines: list[str],
    wanted: list[str],
) -> None:
    files = {"/opt/l/lib/libl.so.1.0.0": built["libl.so"], "/opt/l/bin/m": built["m"], **links}
    rpms = [forged(name="l", files=files, lines=lines)]
    assert said(pack_context(rpms, "local"), rpms) == wanted


def test_b7_a_file_in_another_rpm_of_the_pack(forged: Callable[..., Path], built: dict[str, bytes]) -> None:
    program = forged(name="m", files={"/opt/l/bin/m": built["m"]}, lines=[NEEDS])
    library = forged(name="l", files={"/opt/l/lib/libl.so.1": built["libl.so"]}, lines=[CLAIMS])
    liar = forged(name="l", lines=[CLAIMS])
    assert said(pack_context([program, library], "local"), [program, library]) == []
    assert said(pack_context([program, liar], "local"), [program, liar]) == [NEEDED]


def test_b7_the_release_has_it_or_not(
    forged: Callable[..., Path], built: dict[str, bytes], tmp_path: Path
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    release = forged(name="l", files={"/usr/lib64/libl.so.1": built["libl.so"]}, lines=[CLAIMS])
    (base / release.name).write_bytes(release.read_bytes())
    silent = forged(name="m", files={"/opt/l/bin/m": built["m"]})  # its Requires were filtered
    assert said(pack_context([silent], "local", base=base), [silent]) == []
    (base / release.name).unlink()
    other = forged(name="other", files={"/opt/other": b"x"})
    (base / other.name).write_bytes(other.read_bytes())
    assert said(pack_context([silent], "local", base=base), [silent]) == [NEEDED]
    loud = forged(name="m", files={"/opt/l/bin/m": built["m"]}, lines=[NEEDS])
    assert said(pack_context([loud], "local", base=base), [loud]) == []  # it is D1's


def test_d3_a_bundled_library(pack_verdict: Verdict, forged: Callable[..., Path], tmp_path: Path) -> None:
    ssl = ["Provides: libcrypto.so.10()(64bit)", "Provides: libcrypto.so.10(V_1)(64bit)"]
    release = forged(name="openssl-libs", files={"/usr/lib64/libcrypto.so.10": b"x"}, lines=ssl)
    (tmp_path / release.name).write_bytes(release.read_bytes())
    ours = forged(name="acme", files={"/opt/acme/lib/libcrypto.so.10": b"x"}, lines=ssl[:1])
    wanted = (
        "W acme-1.0-1.x86_64.rpm: Provides: libcrypto.so.10()(64bit): openssl-libs-1.0-1.x86_64 of the release"
        " provides it, and others may get this one"
    )
    assert pack_verdict("D3", [ours], base=tmp_path) == [wanted]
    own = forged(name="acme", files={"/opt/a.so": b"x"}, lines=["Provides: libacme.so.1()(64bit)"])
    newer = forged(name="openssl-libs", version="2", files={"/usr/lib64/libcrypto.so.10": b"x"}, lines=ssl)
    replaces = forged(name="acme-ssl", lines=[*ssl, "Obsoletes: openssl-libs < 2"])
    filtered = forged(name="acme", files={"/opt/acme/lib/libcrypto.so.10": b"x"})
    for good in (own, newer, replaces, filtered):
        assert pack_verdict("D3", [good], base=tmp_path) == []
    assert pack_verdict("D3", [ours])[0].startswith("I : not checked: ")

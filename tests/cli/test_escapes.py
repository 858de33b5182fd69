"""Not one control character of a foreign file reaches a terminal, a log or a document raw, whoever reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from forge import Forged, forge, module
from pack_maker import PACK, UUID, Key, PackMaker, keys, make_pack, package, xspack

from xspack_tool import cli
from xspack_tool.errors import UNSEEN, BadInput
from xspack_tool.releases import load_profile
from xspack_tool.rules.engine import check_rpm
from xspack_tool.rules.finding import Finding
from xspack_tool.rules.registry import all_rules
from xspack_tool.rules.report import Report, as_json, as_text
from xspack_tool.rules.sarif import as_sarif

__all__ = ["keys", "make_pack"]

#: What a terminal obeys: ESC and its one-byte form, a bell; what turns text round; ends of lines for some.
EVIL = "\x1b]0;owned\x07\x9b31m\u202e\u2028\u200b"
EVIL_NAME = "\x9b31m\u202e\u2028"
KO = "/lib/modules/4.19.0+1/updates/acme.ko"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An RPM of which every text that rpm lets through has what a terminal obeys."""
    return forge(
        Forged(
            license=f"GPL{EVIL}",
            files={
                f"/etc/acme{EVIL_NAME}.conf": b"x",
                f"/opt/acme/{EVIL_NAME}.ko": module(license=[EVIL], description=[EVIL]),
                KO: module(f"4.4.0{EVIL} SMP ", alias=[f"pci:v{EVIL}*"]),
                f"/opt/acme/link{EVIL_NAME}": f"/opt/{EVIL_NAME}",
                "/opt/acme/script": f"#!/usr/bin/{EVIL} x\n".encode(),
            },
            modes={"/opt/acme/script": 0o755},
            lines=[
                f"Vendor: {EVIL}",
                f"Packager: {EVIL}",
                f"URL: http://{EVIL}",
            ],
            scripts={
                "%post": f"systemctl start 'a{EVIL}'\nuseradd 'a{EVIL}'\n",
                "%changelog": f"* Thu Jan 01 2024 A{EVIL} <a@b> - 1.0\n- {EVIL}\n",
            },
        ),
        tmp_path_factory.mktemp("hostile"),
    )


def raw(text: str) -> list[str]:
    """What it must not hold."""
    return [found for found in re.findall(UNSEEN, text) if found not in "\n\t\r"]


def commands(good: Path, iso: Path, key: Path, folder: Path) -> Iterator[tuple[str | Path, ...]]:
    for json_option in ((), ("--json",)):
        yield "info", iso, *json_option
        yield "verify", iso, "--key", key, *json_option
        yield "devices", iso, *json_option
        yield "diff", iso, iso, *json_option
        yield "diff", good, iso, *json_option
    yield "diff", good, iso, "--markdown"
    for name in ("github", "gitlab", "junit", "sarif"):
        yield "verify", iso, "--key", key, "--format", name
    yield "unpack", iso, folder / "unpacked"
    yield "report", iso, "-o", folder / "report.html"
    yield "resign", iso, "--key", key, "-o", folder / "re.iso"
    for name in ("cyclonedx", "spdx"):
        yield "sbom", iso, "--format", name


def test_every_command(
    hostile: Path,
    make_pack: PackMaker,
    keys: dict[str, Key],
    tmp_path: Path,
) -> None:
    iso, good = make_pack(PACK, [hostile]), make_pack(PACK, [package("acme-good")])
    ran = set()
    for words in commands(good, iso, keys["Acme"].file, tmp_path):
        said = xspack(*words)
        assert raw(said.out + said.err) == [], words
        assert "Traceback" not in said.err, words
        assert said.status in (0, 1), said.err
        ran.add(words[0])
        if words[-1] == "junit":
            assert ElementTree.fromstring(said.out).tag == "testsuite"
        elif words[-1] == "github":
            assert all(
                line.startswith(("::error ", "::warning ", "::notice ")) for line in said.out.splitlines()
            )
        elif words[-1] in ("gitlab", "sarif", "--json"):
            json.loads(said.out)
    assert {"info", "verify", "devices", "diff", "unpack", "report", "resign", "sbom"} == ran
    page = tmp_path / "report.html"
    assert raw(page.read_text(encoding="utf-8")) == []


def test_build_update(hostile: Path, tmp_path: Path) -> None:
    words = ("--uuid", UUID, "-l", "acme", "-v", "5.2", "-d", "Acme", "-o", tmp_path / "a.iso", hostile)
    said = xspack(*words, main=cli.build_update_main)
    assert said.status == 0 and "E S1" in said.err
    assert raw(said.out + said.err) == []


def test_what_a_build_writes(hostile: Path) -> None:
    """Findings for the terminal, as JSON and as SARIF; the values themselves stay as they are."""
    found = Finding("P4", "W", f"a{EVIL}", f"b{EVIL}", rpm=f"{EVIL}.rpm", where=EVIL, waived=EVIL, pack=EVIL)
    report = Report(EVIL, "1", (found, *check_rpm(hostile, load_profile("xenserver-8"))))
    for text in (
        as_text([report]),
        as_json(report),
        as_sarif(report, all_rules(), "1"),
        str(BadInput(EVIL, EVIL)),
    ):
        assert raw(text) == []
    assert json.loads(as_json(report))["findings"][0]["found"] == f"a{EVIL}"
    assert raw(as_text([report], colour=True).replace("\x1b[", "")) == []

"""SBOMs: what other tools' strict validators say of them, and what is in them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from msgspec.structs import replace
from pack_maker import PACK, UUID, PackMaker, package, xspack
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from xspack_tool.evidence.cyclonedx import cyclonedx
from xspack_tool.evidence.inventory import Inventory, inventory_of
from xspack_tool.evidence.licence import spdx_expression
from xspack_tool.evidence.spdx import spdx
from xspack_tool.hosts.reading import hash_rpms, open_pack
from xspack_tool.model.dependency import Dependency

LICENCES = ("MIT", "GPL-2.0-only AND LicenseRef-Acme", "Redistributable, no modification permitted", "GPLv2+")


@pytest.fixture(scope="module")
def iso(make_pack: PackMaker) -> Path:
    """A pack with each kind of licence, and one package that needs another."""
    packages = [
        package(f"acme-{number}", license=licence, vendor="Acme & Söhne (GmbH)")
        for number, licence in enumerate(LICENCES)
    ]
    packages.append(package("acme-top", epoch=3, requires=(Dependency("acme-0", "=", "5.2-1"),)))
    return make_pack(PACK, packages)


@pytest.fixture(scope="module")
def inventory(iso: Path) -> Inventory:
    return inventory_of(hash_rpms(open_pack(iso)), "xcp-ng-8.3")


def sbom(iso: Path, format: str) -> str:
    said = xspack("sbom", iso, "--target", "xcp-ng-8.3", "--format", format)
    assert (said.status, said.err) == (0, "")
    return said.out


def test_cyclonedx_is_valid(iso: Path) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom(iso, "cyclonedx")) is None


def test_spdx_is_valid(iso: Path, tmp_path: Path) -> None:
    file = tmp_path / "acme.spdx.json"
    file.write_text(sbom(iso, "spdx"))
    assert validate_full_spdx_document(parse_file(str(file)), "SPDX-2.3") == []


def test_cyclonedx_tells_what_is_in_the_pack(iso: Path, inventory: Inventory) -> None:
    bom = json.loads(sbom(iso, "cyclonedx"))
    release, *components = bom["components"]
    assert (release["type"], release["name"], release["version"]) == ("operating-system", "xcp-ng", "8.3")
    assert bom["metadata"]["component"]["properties"] == [{"name": "xspack:uuid", "value": UUID}]
    by_name = {component["name"]: component for component in components}
    assert set(by_name) == {*(f"acme-{n}" for n in range(4)), "acme-top", "update-acme"}
    assert [by_name[f"acme-{n}"]["licenses"] for n in range(4)] == [
        [{"expression": "MIT"}],
        [{"expression": "GPL-2.0-only AND LicenseRef-Acme"}],
        [{"license": {"name": "Redistributable, no modification permitted"}}],
        [{"license": {"name": "GPLv2+"}}],
    ]
    digests = {component.path: component.sha256 for component in inventory.components}
    for component in components:
        assert component["hashes"] == [{"alg": "SHA-256", "content": digests[component["bom-ref"]]}]
    assert [file["name"] for file in by_name["acme-1"]["components"]] == ["/opt/acme-1/file"]
    needed = {one["ref"]: one["dependsOn"] for one in bom["dependencies"]}
    assert needed["Packages/acme-top-5.2-1.noarch.rpm"] == ["Packages/acme-0-5.2-1.noarch.rpm"]
    assert needed["pack:acme-5.2"] == sorted(digests)


def test_package_urls(inventory: Inventory) -> None:
    urls = {c.info.name: c.purl(inventory.vendor, inventory.distro) for c in inventory.components}
    assert urls["acme-0"] == (
        "pkg:rpm/acme-s%C3%B6hne-gmbh/acme-0@5.2-1?arch=noarch&distro=xcp-ng-8.3&upstream=acme-0-5.2-1.src.rpm"
    )
    assert "&epoch=3&" in urls["acme-top"]


def test_equal_packs_have_equal_sboms(iso: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere.iso"
    other.write_bytes(iso.read_bytes())
    for format in ("cyclonedx", "spdx"):
        assert sbom(iso, format) == sbom(other, format)


def test_a_single_rpm_has_one(make_pack: PackMaker, tmp_path: Path) -> None:
    rpm = make_pack.rpm(package("acme-alone", license="GPL-2.0-only AND LicenseRef-Acme", vendor="Acme"))
    other = tmp_path / rpm.name
    other.write_bytes(rpm.read_bytes())
    text = sbom(rpm, "cyclonedx")
    assert text == sbom(other, "cyclonedx")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom = json.loads(text)
    assert "properties" not in bom["metadata"]["component"]
    _release, component = bom["components"]
    assert component["licenses"] == [{"expression": "GPL-2.0-only AND LicenseRef-Acme"}]
    assert component["hashes"] == [
        {"alg": "SHA-256", "content": hashlib.sha256(rpm.read_bytes()).hexdigest()}
    ]
    file = tmp_path / "acme.spdx.json"
    file.write_text(sbom(rpm, "spdx"))
    assert validate_full_spdx_document(parse_file(str(file)), "SPDX-2.3") == []
    assert sbom(other, "spdx") == file.read_text()
    for content in (b"\xed\xab\xee\xdb cut", b"no RPM"):
        other.write_bytes(content)
        said = xspack("sbom", other)
        assert (said.status, said.out, said.err.startswith(f"xspack: {other}: ")) == (1, "", True)


def test_a_hostile_text_stays_a_text(inventory: Inventory) -> None:
    words = "</script>\x1b[2J\u202e"
    infos = [replace(c.info, summary=words, license=words, vendor=words) for c in inventory.components]
    parts = tuple(replace(c, info=info) for c, info in zip(inventory.components, infos, strict=True))
    hostile = replace(inventory, components=parts, vendor=words, label=f"acme{words}")
    for text in (cyclonedx(hostile, "1"), spdx(hostile, "1")):
        assert text.isascii() and "\x1b" not in text
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(cyclonedx(hostile, "1")) is None
    assert json.loads(cyclonedx(hostile, "1"))["components"][1]["description"] == words


@pytest.mark.parametrize(
    ("tag", "expression"),
    [
        ("mit", "MIT"),
        ("GPL-2.0-only WITH Linux-syscall-note", "GPL-2.0-only WITH Linux-syscall-note"),
        ("LicenseRef-Acme OR MIT", "LicenseRef-Acme OR MIT"),
        ("Proprietary", None),
        ("MIT and", None),
        ("", None),
    ],
)
def test_licence_tags(tag: str, expression: str | None) -> None:
    assert spdx_expression(tag) == expression

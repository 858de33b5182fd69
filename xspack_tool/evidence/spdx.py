"""The SBOM of a pack as SPDX 2.3 JSON (spdx.github.io/spdx-spec/v2.3)."""

from __future__ import annotations

import re
from typing import Any

from xspack_tool.evidence.inventory import Component, Inventory
from xspack_tool.evidence.licence import reference_for, references
from xspack_tool.evidence.text import instant, json_text

_NOTHING = "NOASSERTION"
_DOCUMENT, _PACK, _RELEASE = "SPDXRef-DOCUMENT", "SPDXRef-Pack", "SPDXRef-Release"


def spdx(inventory: Inventory, version: str) -> str:
    """The SBOM; ``version`` is that of xspack. Equal inventories give equal bytes.

    Files are not listed: SPDX demands a SHA-1 of each, which no RPM's header has; CycloneDX lists them.
    """
    ids = {component.path: _id(number, component) for number, component in enumerate(inventory.components, 1)}
    texts: dict[str, str] = {}
    packages = [
        _pack(inventory),
        _release(inventory),
        *(_package(component, ids[component.path], inventory, texts) for component in inventory.components),
    ]
    relations = [(_DOCUMENT, "DESCRIBES", _PACK), (_DOCUMENT, "DESCRIBES", _RELEASE)]
    relations += [(_PACK, "CONTAINS", id) for id in ids.values()]
    relations += [
        (ids[path], "DEPENDS_ON", ids[related])
        for path, wanted in sorted(inventory.required.items())
        for related in wanted
    ]
    data: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": f"{inventory.label}-{inventory.version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/{_plain(inventory.label)}-{inventory.id_of('SPDX')}",
        "creationInfo": {
            "created": instant(inventory.time),
            "creators": [f"Tool: xspack-{version}", *_organizations(inventory.vendor)],
        },
        "packages": packages,
        "relationships": [
            {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}
            for element, kind, related in relations
        ],
    }
    if texts:
        data["hasExtractedLicensingInfos"] = [
            {"licenseId": reference, "extractedText": text} for reference, text in sorted(texts.items())
        ]
    return json_text(data)


def _pack(inventory: Inventory) -> dict[str, Any]:
    return {
        **_element(_PACK, inventory.label, inventory.version, inventory.vendor),
        "primaryPackagePurpose": "ARCHIVE",
        "summary": inventory.description,
        **({"comment": f"uuid {inventory.uuid}"} if inventory.uuid else {}),
    }


def _release(inventory: Inventory) -> dict[str, Any]:
    name, number = inventory.release
    return {**_element(_RELEASE, name, number, ""), "primaryPackagePurpose": "OPERATING_SYSTEM"}


def _package(component: Component, id: str, inventory: Inventory, texts: dict[str, str]) -> dict[str, Any]:
    info = component.info
    return {
        **_element(id, info.name, info.evr, info.vendor or inventory.vendor),
        "primaryPackagePurpose": "SOURCE" if info.is_source else "INSTALL",
        "packageFileName": component.path,
        "summary": info.summary,
        "licenseDeclared": _licence(component, texts),
        "checksums": [{"algorithm": "SHA256", "checksumValue": component.sha256}],
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": inventory.purls[component.path],
            }
        ],
    }


def _element(id: str, name: str, version: str, vendor: str) -> dict[str, Any]:
    """What every package of a document must have."""
    supplier = next(iter(_organizations(vendor)), "")
    return {
        "SPDXID": id,
        "name": name,
        **({"versionInfo": version} if version else {}),
        **({"supplier": supplier} if supplier else {}),
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": _NOTHING,
        "copyrightText": _NOTHING,
    }


def _licence(component: Component, texts: dict[str, str]) -> str:
    """The licence as an expression; ``texts`` gets what the references in it stand for."""
    tag, expression = component.info.license, component.licence
    if not tag:
        return _NOTHING
    if expression is None:
        reference = reference_for(tag)
        texts[reference] = tag
        return reference
    for reference in references(expression):
        texts.setdefault(reference, f"see the licence files of the packages under {reference}")
    return expression


def _organizations(vendor: str) -> list[str]:
    name = " ".join(vendor.replace("(", " ").replace(")", " ").split())
    return [f"Organization: {name}"] if name else []


def _id(number: int, component: Component) -> str:
    return f"SPDXRef-{number}-{_plain(component.info.name)}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", text)

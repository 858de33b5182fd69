"""The SBOM of a pack as CycloneDX 1.6 JSON (cyclonedx.org/docs/1.6/json)."""

from __future__ import annotations

import re
from typing import Any

from xspack_tool.evidence.inventory import Component, Inventory
from xspack_tool.evidence.text import instant, json_text

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_ALGORITHMS = {32: "MD5", 40: "SHA-1", 64: "SHA-256", 96: "SHA-384", 128: "SHA-512"}


def cyclonedx(inventory: Inventory, version: str) -> str:
    """The SBOM; ``version`` is that of xspack. Equal inventories give equal bytes."""
    pack = f"{'pack' if inventory.uuid else 'rpm'}:{inventory.label}-{inventory.version}"
    release, number = inventory.release
    components = [_component(component, inventory) for component in inventory.components]
    needed = inventory.required
    data = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{inventory.id_of('CycloneDX')}",
        "version": 1,
        "metadata": {
            "timestamp": instant(inventory.time),
            "tools": {"components": [{"type": "application", "name": "xspack", "version": version}]},
            "component": _without_empty(
                {
                    "type": "application",
                    "bom-ref": pack,
                    "name": inventory.label,
                    "version": inventory.version,
                    "description": inventory.description,
                    "supplier": {"name": inventory.vendor} if inventory.vendor else None,
                    "properties": [{"name": "xspack:uuid", "value": inventory.uuid}]
                    if inventory.uuid
                    else [],
                }
            ),
        },
        "components": [
            _without_empty(
                {
                    "type": "operating-system",
                    "bom-ref": f"os:{inventory.distro}",
                    "name": release,
                    "version": number,
                }
            ),
            *components,
        ],
        "dependencies": [
            {"ref": pack, "dependsOn": sorted(component["bom-ref"] for component in components)},
            *({"ref": path, "dependsOn": wanted} for path, wanted in sorted(needed.items()) if wanted),
        ],
    }
    return json_text(data)


def _component(component: Component, inventory: Inventory) -> dict[str, Any]:
    info = component.info
    files = [
        _without_empty(
            {
                "type": "file",
                "bom-ref": f"{component.path}#{file.path}",
                "name": file.path,
                "hashes": _hashes(file.digest),
            }
        )
        for file in sorted(info.files, key=lambda file: file.path)
        if file.is_file and not file.is_ghost
    ]
    return _without_empty(
        {
            "type": "library",
            "bom-ref": component.path,
            "name": info.name,
            "version": info.evr,
            "description": info.summary,
            "publisher": info.vendor or inventory.vendor,
            "hashes": _hashes(component.sha256),
            "licenses": _licences(component),
            "purl": inventory.purls[component.path],
            "properties": [
                {"name": "xspack:path", "value": component.path},
                {"name": "xspack:size", "value": str(component.size)},
            ],
            "components": files,
        }
    )


def _hashes(digest: str) -> list[dict[str, str]]:
    """A digest in hexadecimal digits, its algorithm being told by its length; none for none."""
    algorithm = _ALGORITHMS.get(len(digest))
    good = algorithm is not None and _HEXADECIMAL.fullmatch(digest)
    return [{"alg": str(algorithm), "content": digest.lower()}] if good else []


def _licences(component: Component) -> list[dict[str, Any]]:
    if component.licence:
        return [{"expression": component.licence}]
    tag = component.info.license
    return [{"license": {"name": tag}}] if tag else []


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    """What is not an empty text or list, or None; there is no number in it."""
    return {key: value for key, value in data.items() if value}

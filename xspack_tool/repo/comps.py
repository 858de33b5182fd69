"""The package groups of a pack: what xapi and the host installer ask for by name."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

#: What each group is for, for people who list the groups.
_MEANING = {
    "update": "what xapi installs of this pack",
    "drivers": "what the host installer loads as a driver disk",
}


def comps_xml(groups: Iterable[str], package: str) -> str:
    """The comps file: each group is visible and has ``package`` (``update-<label>``) as its one mandatory package.

    xapi installs ``@update``, the host installer ``@drivers``; ``dnf group list`` shows visible groups only.
    """
    comps = ElementTree.Element("comps")
    for name in groups:
        group = ElementTree.SubElement(comps, "group")
        fields = {
            "id": name,
            "name": name,
            "description": _MEANING[name],
            "default": "false",
            "uservisible": "true",
        }
        for tag, text in fields.items():
            ElementTree.SubElement(group, tag).text = text
        packages = ElementTree.SubElement(group, "packagelist")
        ElementTree.SubElement(packages, "packagereq", type="mandatory").text = package
    ElementTree.indent(comps)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(comps, encoding="unicode")}\n'

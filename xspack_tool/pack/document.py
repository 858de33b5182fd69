"""The update document: update.xml as xapi and the installer read it, and the record of an applied pack."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from msgspec import Struct

from xspack_tool.binary.xml import parse_xml
from xspack_tool.errors import BadInput
from xspack_tool.model import syntax
from xspack_tool.model.pack import Pack, Rollup

#: An update document is a few hundred bytes; xapi keeps it in memory.
_LARGEST = 1 << 20


class Document(Struct, frozen=True):
    """What an update document says. ``installation_size`` is in bytes, ``after_apply`` are the tokens as
    written, known or not."""

    label: str
    version: str
    uuid: str
    description: str
    installation_size: int = 0
    after_apply: tuple[str, ...] = ()
    enforce_homogeneity: bool = False
    key: str = ""
    control: str = ""
    rollups: tuple[Rollup, ...] = ()


def render_document(pack: Pack, installation_size: int) -> str:
    """update.xml of ``pack``; ``installation_size`` is the sum of the payload's installed sizes in bytes."""
    update = _update(pack, installation_size)
    if pack.key:
        update.set("key", pack.key)
    if pack.control_name:
        update.set("control", pack.control_name)
    return _text(update)


def render_applied(pack: Pack, installation_size: int) -> str:
    """The record of an applied pack, which xapi reads with the parser for update.xml: no key, no control."""
    return _text(_update(pack, installation_size))


def render_rolled_up(pack: Pack, rollup: Rollup) -> str:
    """The applied record of an older pack that ``pack`` rolls up, as the public build-update writes it."""
    attributes = {"name-label": rollup.label, "version": pack.version, "uuid": rollup.uuid}
    update = ElementTree.Element("update", {**attributes, "installation-size": "0"})
    ElementTree.SubElement(update, "name-description").text = pack.description
    ElementTree.SubElement(update, "rolled-up-by", {"name-label": pack.label, "uuid": pack.uuid})
    return _text(update)


def _update(pack: Pack, installation_size: int) -> ElementTree.Element:
    attributes = {
        "name-label": pack.label,
        "version": pack.version,
        "uuid": pack.uuid,
        "installation-size": str(installation_size),
    }
    if pack.after_apply:
        attributes["after-apply-guidance"] = ",".join(pack.after_apply)
    attributes["enforce-homogeneity"] = "true" if pack.enforce_homogeneity else "false"
    update = ElementTree.Element("update", attributes)
    ElementTree.SubElement(update, "name-description").text = pack.description
    for rollup in pack.rollups:
        ElementTree.SubElement(update, "rollsup", {"name-label": rollup.label, "uuid": rollup.uuid})
    return update


def _text(update: ElementTree.Element) -> str:
    ElementTree.indent(update)
    return ElementTree.tostring(update, encoding="unicode") + "\n"


def parse_document(source: Path | str | bytes, name: str = "update.xml") -> Document:
    """Read an update document: a file, or its content, which messages call ``name``.

    It is read as xapi does (`parse_update_info`): uuid, name-label and version must be there, the description
    must be one text, and a malformed installation size counts as 0. Beyond that a uuid or label of another
    syntax is refused, since both become parts of paths. Raises BadInput.
    """
    if isinstance(source, Path):
        name, source = str(source), _content(source)
    update = parse_xml(source, name, _LARGEST)
    if update.tag != "update":
        raise BadInput(name, f"its root is <{update.tag}>, not <update>")
    for attribute in ("uuid", "name-label", "version"):
        if attribute not in update.attrib:
            raise BadInput(name, f"has no attribute {attribute}")
    label, uuid = update.attrib["name-label"], update.attrib["uuid"]
    for problem in (*syntax.check_label("name-label", label), *syntax.check_uuid("uuid", uuid)):
        raise BadInput(name, f"{problem.field}={problem.value!r}: {problem.rule}")
    size = update.get("installation-size", "")
    return Document(
        label=label,
        version=update.attrib["version"],
        uuid=uuid,
        description=_description(update, name),
        installation_size=int(size) if size.isascii() and size.isdigit() and len(size) < 19 else 0,
        after_apply=tuple(filter(None, update.get("after-apply-guidance", "").split(","))),
        enforce_homogeneity=update.get("enforce-homogeneity", "") in ("true", "1"),
        key=update.get("key", ""),
        control=update.get("control", ""),
        rollups=tuple(
            Rollup(node.get("uuid", ""), node.get("name-label", "")) for node in update.iter("rollsup")
        ),
    )


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST + 1)
    except OSError as error:
        raise BadInput(path, error.strerror or "cannot be read") from None


def _description(update: ElementTree.Element, name: str) -> str:
    found = update.find("name-description")
    if found is None:
        raise BadInput(name, "has no <name-description>")
    if len(found) or not (found.text or "").strip():
        raise BadInput(name, "its <name-description> must hold one text alone")
    return (found.text or "").strip()

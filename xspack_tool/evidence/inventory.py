"""What a pack holds, for its SBOM and its provenance, as a frozen value."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote
from uuid import UUID, uuid5

from msgspec import Struct

from xspack_tool.errors import XspackError
from xspack_tool.evidence.licence import spdx_expression
from xspack_tool.files import file_digest
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rpm.read import open_rpm, read_info

#: The same for equal inputs: ids in an SBOM are made of this and of what they stand for.
_NAMESPACE = UUID("5f3c8f64-6a1c-5d0b-9a53-6a8f1c2f3b10")


class Component(Struct, frozen=True):
    """An RPM of a pack: its header, its file's path in the pack, SHA-256 and size in bytes, as signed, and its licence
    as an SPDX expression, None where the tag is none."""

    info: RpmInfo
    path: str
    sha256: str
    size: int
    licence: str | None

    def purl(self, vendor: str, distro: str) -> str:
        """The package URL (github.com/package-url/purl-spec, type ``rpm``); the vendor of the RPM, else the given
        one, is the namespace."""
        info = self.info
        namespace = _slug(info.vendor or vendor)
        qualifiers = {
            "arch": "src" if info.is_source else info.arch,
            "distro": distro,
            "epoch": str(info.epoch) if info.epoch else "",
            "upstream": info.source_rpm,
        }
        words = "&".join(f"{key}={_quoted(value)}" for key, value in qualifiers.items() if value)
        name = "/".join(_quoted(part) for part in (namespace, info.name) if part)
        return f"pkg:rpm/{name}@{_quoted(f'{info.version}-{info.release}')}?{words}"


class Inventory(Struct, frozen=True, dict=True):
    """A pack and its RPMs; of a single RPM there is no ``uuid``. ``distro`` is the name of the release it was judged
    by, such as ``xcp-ng-8.3``; ``time`` is the build time of its newest RPM, in seconds since 1970."""

    label: str
    version: str
    uuid: str
    description: str
    vendor: str
    distro: str
    time: int
    components: tuple[Component, ...]

    def id_of(self, what: str) -> UUID:
        """A uuid for a document about this pack, of its content alone."""
        digests = "".join(component.sha256 for component in self.components)
        return uuid5(_NAMESPACE, f"{what}\0{self.uuid}\0{self.distro}\0{digests}")

    @property
    def release(self) -> tuple[str, str]:
        """Name and version of the release: ``xcp-ng``, ``8.3``."""
        name, dash, version = self.distro.rpartition("-")
        return (name, version) if dash else (self.distro, "")

    @functools.cached_property
    def purls(self) -> dict[str, str]:
        """The package URL of each RPM, by path."""
        return {component.path: component.purl(self.vendor, self.distro) for component in self.components}

    @functools.cached_property
    def required(self) -> dict[str, list[str]]:
        """Which RPMs of the pack each of them requires, by path, as far as names tell."""
        providers: dict[str, set[str]] = {}
        for component in self.components:
            info = component.info
            for name in (*(one.name for one in info.provides), *(file.path for file in info.files)):
                providers.setdefault(name, set()).add(component.path)
        return {
            component.path: sorted(
                {
                    path
                    for wanted in component.info.requires
                    for path in providers.get(wanted.name, ())
                    if path != component.path
                }
            )
            for component in self.components
        }


def inventory_of(pack: ParsedPack, distro: str) -> Inventory:
    """The inventory of a pack whose RPMs were hashed (:func:`xspack_tool.hosts.reading.hash_rpms`).

    Raises XspackError where the pack has no document, or an RPM cannot be read.
    """
    document = pack.document
    if document is None:
        raise XspackError(f"{pack.path.name}: update.xml: {pack.document_fault}")
    components = []
    for rpm in pack.rpms:
        if rpm.info is None:
            raise XspackError(f"{pack.path.name}: {rpm.path}: {rpm.fault}")
        components.append(
            Component(rpm.info, rpm.path, rpm.sha256, rpm.size, spdx_expression(rpm.info.license))
        )
    vendor = pack.update.info.vendor if pack.update and pack.update.info else ""
    return make_inventory(
        document.label, document.version, document.uuid, document.description, vendor, distro, components
    )


def inventory_of_rpm(path: Path, distro: str) -> Inventory:
    """The inventory of one RPM, which stands for itself. Raises BadInput."""
    with open_rpm(path) as file:
        info, _ = read_info(file, str(path))
    component = Component(
        info, info.file_name, file_digest(path), path.stat().st_size, spdx_expression(info.license)
    )
    return make_inventory(info.name, info.evr, "", info.summary, info.vendor, distro, [component])


def make_inventory(
    label: str,
    version: str,
    pack_uuid: str,
    description: str,
    vendor: str,
    distro: str,
    components: Iterable[Component],
) -> Inventory:
    """An inventory, its components in the order of their paths."""
    ordered = tuple(sorted(components, key=lambda component: component.path))
    time = max((component.info.build_time for component in ordered), default=0)
    return Inventory(label, version, pack_uuid, description, vendor, distro, time, ordered)


@functools.cache
def _slug(vendor: str) -> str:
    """A vendor's name as a package URL's namespace: lower case, one word."""
    return "-".join("".join(c if c.isalnum() else " " for c in vendor.lower()).split())


@functools.cache
def _quoted(text: str) -> str:
    return quote(text, safe="-._~:")

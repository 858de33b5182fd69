"""What lies beside the ISO of a pack for those who ask what is in it and how it was made: SBOMs and provenance."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import SCons.Node.FS
from msgspec.structs import replace
from SCons.Node import Node

from xspack_tool.files import write_whole
from xspack_tool.model.pack import Pack
from xspack_tool.pack.generated import LICENCE
from xspack_tool.plan.asked import reached
from xspack_tool.plan.node_record import own_record, record_of
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.package import identity_of
from xspack_tool.plan.profile import profile_of
from xspack_tool.plan.read_cache import cache_of, read_cached
from xspack_tool.plan.settings import source_date_epoch
from xspack_tool.plan.step import Named, Step, add_step
from xspack_tool.plan.tools import version_of

if TYPE_CHECKING:
    from xspack_tool.evidence.inventory import Inventory

#: What has a part in the bytes of a pack, besides the programs that its packages name.
_PROGRAMS = ("xspack", "SCons", "createrepo_c", "pycdlib", "gpg")


class WriteSboms(Step, frozen=True):
    """The bill of materials of a pack, as CycloneDX and as SPDX."""

    label: ClassVar[str] = "SBOM"
    uses: ClassVar[tuple[str, ...]] = ("license_expression", "msgspec")

    pack: Pack
    distro: str
    #: xspack's version, which both name as their maker.
    maker: str
    #: Tags as SPDX expressions, as far as declarations tell them; told late, for what reads them takes long to load.
    licences: Callable[[], dict[str, str | None]]

    def is_apart(self) -> bool:
        return True

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.evidence.cyclonedx import cyclonedx
        from xspack_tool.evidence.spdx import spdx

        inventory = _inventory(self.pack, self.distro, self.licences(), inputs)
        write_whole(outputs.cyclonedx, cyclonedx(inventory, self.maker))
        write_whole(outputs.spdx, spdx(inventory, self.maker))


def _inventory(pack: Pack, distro: str, licences: dict[str, str | None], inputs: Named) -> Inventory:
    """The RPMs of a pack, as the records and the index have them."""
    from xspack_tool.evidence.inventory import Component, make_inventory
    from xspack_tool.evidence.licence import spdx_expression
    from xspack_tool.plan.record import read_records
    from xspack_tool.repo.fragment import read_fragments

    infos = {info.file_name: info for info, _ in read_records(inputs.records)}
    components = []
    for record in read_fragments(inputs.fragments):
        info = infos[record.location.rpartition("/")[2]]
        tag = info.license
        licence = licences[tag] if tag in licences else spdx_expression(tag)
        components.append(Component(info, record.location, record.sha256, record.size, licence))
    return make_inventory(
        pack.label, pack.version, pack.uuid, pack.description, pack.vendor, distro, components
    )


class WriteProvenance(Step, frozen=True):
    """How a pack was made: an in-toto statement with SLSA's provenance."""

    label: ClassVar[str] = "Origin"
    uses: ClassVar[tuple[str, ...]] = ("msgspec",)

    iso: str
    parameters: dict[str, Any]
    programs: dict[str, str]
    #: (name, SHA-256) of each file that the pack was made of; told once everything was read.
    materials: Callable[[], list[tuple[str, str]]]

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.evidence.provenance import Artifact, provenance
        from xspack_tool.repo.fragment import read_fragments

        digest, _, _ = inputs.digest.read_text(encoding="utf-8").partition(" ")
        subjects = [Artifact(self.iso, digest)]
        subjects += [Artifact(one.location, one.sha256) for one in read_fragments(inputs.fragments)]
        materials = [Artifact(name, digest) for name, digest in self.materials()]
        write_whole(outputs.provenance, provenance(subjects, materials, self.parameters, self.programs))


def plan_beside(
    env: Any, pack: Pack, packages: list[Node], iso: Node, inputs: dict[str, Any]
) -> dict[str, Node]:
    """The nodes beside an ISO: ``cyclonedx``, ``spdx`` and ``provenance``. ``inputs`` are the ``records`` and the
    ``fragments`` of all its RPMs, and the file with its ``digest``, which is there when the ISO is."""
    stem = os.path.splitext(str(iso))[0]
    profile = profile_of(env)
    step = WriteSboms(
        replace(pack, key="", volume_id=""),
        profile.name,
        version_of(env, "xspack"),
        cache(lambda: _licences(env, packages)),
    )
    outputs = {"cyclonedx": f"{stem}.cdx.json", "spdx": f"{stem}.spdx.json"}
    sboms = add_step(env, step, inputs=inputs, outputs=outputs, cached=False)
    parameters = {
        "label": pack.label,
        "version": pack.version,
        "uuid": pack.uuid,
        "release": profile.name,
        "requires": [str(one) for one in pack.requires],
        "packages": sorted(identity_of(rpm).file_name for rpm in packages),
        # Those whose source RPM is at hand: what they were built of is among the materials.
        "with_source": sorted(identity_of(rpm).file_name for rpm in packages if record_of(rpm).source_rpm),
        "SOURCE_DATE_EPOCH": source_date_epoch(),
    }
    programs = {name: version_of(env, name) for name in _PROGRAMS}
    origin = add_step(
        env,
        WriteProvenance(iso.name, parameters, programs, cache(lambda: materials(env, iso))),
        inputs=inputs,
        outputs={"provenance": f"{stem}.provenance.json"},
        cached=False,
    )
    return {"cyclonedx": sboms.cyclonedx, "spdx": sboms.spdx, "provenance": origin.provenance}


def _licences(env: Any, packages: list[Node]) -> dict[str, str | None]:
    """The declared tags as expressions, cached: what reads them takes longer to load than all else takes here."""
    declared = (record_of(rpm).declared for rpm in packages)
    tags = {one.package.license for one in declared if one} | {LICENCE}
    reader = version_of(env, "license_expression")
    return {
        tag: read_cached(env, f"SPDX {tag}", reader, partial(_spdx_expression, tag)) for tag in sorted(tags)
    }


def _spdx_expression(tag: str) -> str | None:
    from xspack_tool.evidence.licence import spdx_expression

    return spdx_expression(tag)


def own(env: Any, pack: Pack, iso: Node, nodes: list[Node]) -> None:
    """Note that nodes lie beside an ISO, and go with those of its older versions."""
    for node in nodes:
        own_record(node).about = iso
        kind = node.name.removeprefix(os.path.splitext(iso.name)[0])
        remove_older(env, node, f"beside {pack.label} {kind}")


def materials(env: Any, iso: Node) -> list[tuple[str, str]]:
    """Each file that an ISO is made of and that nothing builds, by its path in the tree; one outside by its name."""
    top = SCons.Node.FS.get_default_fs().Top.get_abspath() + os.sep
    digests, cache = {}, cache_of(env)
    for node in reached([iso]):
        if not isinstance(node, SCons.Node.FS.File) or node.has_builder() or not node.rexists():
            continue
        source = node.rfile()  # below a VariantDir without copies the node's own path is empty
        path = source.get_abspath()
        name = path.removeprefix(top) if path.startswith(top) else Path(path).name
        digests[name] = cache.sha256(path)
    return sorted(digests.items())

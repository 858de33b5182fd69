"""The nodes of a pack: update document, generated RPMs, repository, signatures, ISO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from SCons.Node import Node
from SCons.Util import NodeList

from xspack_tool.errors import Place
from xspack_tool.model.pack import Pack
from xspack_tool.model.package import Package
from xspack_tool.pack.document import render_applied, render_document
from xspack_tool.pack.generated import control_package, update_package
from xspack_tool.plan.findings import Judged, pack_findings, rpm_record
from xspack_tool.plan.gather import gather
from xspack_tool.plan.help import tell
from xspack_tool.plan.keys import SigningKey
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.package import (
    Built,
    Report,
    built_of,
    fragment,
    identity_of,
    output_node,
    rpm_nodes,
    signed_rpm,
    write_whole,
)
from xspack_tool.plan.profile import out_path, profile_of
from xspack_tool.plan.session import session
from xspack_tool.plan.step import Paths, Step, add_step
from xspack_tool.plan.tools import version_of
from xspack_tool.plan.verdict import is_strict, refuse_if_stopped
from xspack_tool.repo.comps import comps_xml
from xspack_tool.repo.repodata import RECORDS, REPOMD, iso_names, write_repodata
from xspack_tool.rpm.scriptlets.remove import removal_script


@dataclass(frozen=True)
class PackInputs:
    """What a pack is made of, as nodes."""

    packages: list[Node]
    key: SigningKey | None
    precheck: Node | None
    #: The user's script, or True for one that is written here.
    remove: Node | bool | None
    waive: tuple[tuple[str, str], ...]


#: What of a pack only its ISO and its index tell. What a step does not use is taken away from the pack that it
#: gets: a change of it builds nothing there.
_ELSEWHERE: dict[str, Any] = {"volume_id": "", "driver_disk": False}


@dataclass(frozen=True)
class Packed:
    """A planned pack, as a submission needs it: on its ISO as ``attributes.xspack_packed``."""

    env: Any
    pack: Pack
    inputs: PackInputs
    judged: Judged
    remove: Node | str | None


class PackPlan:
    """One pack while its nodes are made."""

    def __init__(
        self, env: Any, pack: Pack, inputs: PackInputs, place: Place, target: str, report: Report
    ) -> None:
        self.env, self.pack, self.inputs = env, pack, inputs
        self.place, self.target, self.report = place, target, report
        self.profile = profile_of(env)

    def out(self, *parts: str) -> str:
        """A path in the pack's own folder."""
        return out_path(self.env, "packs", self.pack.label, *parts)

    def plan(self, target: Any) -> NodeList:
        """All nodes, the ISO being what is returned."""
        name = f"{self.pack.label}-{self.pack.version}.iso"
        iso = output_node(self.env, target or out_path(self.env, name))
        folder = self.env.Dir(self.out()).get_abspath()
        taken = session().claim_output(iso, self.place, self.target)
        taken = taken or session().claim_label(folder, self.pack.label, self.place, self.target)
        if taken:
            self.report(taken)
            return NodeList([])
        payload = [(rpm, signed_rpm(self.env, rpm, self.inputs.key)) for rpm in self.inputs.packages]
        pieces = [fragment(self.env, rpm, signed) for rpm, signed in payload]
        gathered = gather(self.env, self.out("index.jsonl"), pieces)
        size, time = self._facts(gathered)
        document = self._document(size)
        generated = [self._update(time, size), *self._control(time)]
        if any(not hasattr(rpm.attributes, "xspack") for rpm in generated):
            return NodeList([])
        more = [(rpm, signed_rpm(self.env, rpm, self.inputs.key)) for rpm in generated]
        own = [fragment(self.env, rpm, signed) for rpm, signed in more]
        index = self._index([gathered, *own], time)
        records = [rpm_record(self.env, rpm, signed) for rpm, signed in [*payload, *more]]
        findings = self._findings(records)
        rpms = {identity_of(rpm).file_name: signed for rpm, signed in [*payload, *more]}
        nodes = self._iso(iso, document, index, rpms, time, findings)
        # Order alone: SCons goes down to each RPM from here, and has one judged and indexed while the next are
        # written.
        iso.add_prerequisite([node for both in zip(records, [*pieces, *own], strict=True) for node in both])
        return nodes

    def _findings(self, records: list[Node]) -> Node:
        """What the rules say of the pack; the ISO waits for it. ``records`` are those of the payload and of the
        generated RPMs."""
        inputs, count = self.inputs, len(self.inputs.packages)
        gathered = gather(self.env, self.out("records.jsonl"), records[:count])
        judged = Judged(inputs.packages, [gathered, *records[count:]])
        remove = self._removal() or (inputs.remove if isinstance(inputs.remove, Node) else None)
        self.packed = Packed(self.env, self.pack, inputs, judged, remove)
        return pack_findings(self.env, self.pack, judged, inputs.key, remove, inputs.waive)[0]

    def _facts(self, gathered: Node) -> list[Node]:
        """Installed size and time of the payload, a file each: all that the document and the generated RPMs need
        of it, so that a change that leaves one alone goes no further there."""

        def perform(targets: Paths, sources: Paths) -> None:
            from xspack_tool.repo.fragment import read_fragments

            fragments = read_fragments(sources)
            write_whole(targets[0], f"{sum(one.installed_size for one in fragments)}\n")
            write_whole(targets[1], f"{max(one.build_time for one in fragments)}\n")

        places = [self.out("installed-size"), self.out("time")]
        return add_step(self.env, places, [gathered], Step("Facts", None, perform))

    def _document(self, size: Node) -> Node:
        """update.xml."""
        pack = replace(self.pack, vendor="", **_ELSEWHERE)

        def perform(targets: Paths, sources: Paths) -> None:
            write_whole(targets[0], render_document(pack, read_number(sources[0])))

        step = Step("Document", {"pack": pack}, perform)
        return add_step(self.env, [self.out("update.xml")], [size], step)[0]

    def _update(self, time: Node, size: Node) -> Node:
        """update-<label>, which requires the payload and owns the applied record."""
        payload = required(self.inputs.packages)
        pack = replace(self.pack, key="", requires=(), has_precheck=False, has_remove=False, **_ELSEWHERE)

        def make(sources: Paths) -> Package:
            return update_package(pack, payload, render_applied(pack, read_number(sources[1])))

        return self._generated(pack.update_name, {"pack": pack, "payload": payload}, [time, size], make)

    def _control(self, time: Node) -> list[Node]:
        """control-<label>, where the pack has a requirement or a script of its own."""
        if not self.pack.control_name:
            return []
        removal = self._removal()
        pack = replace(self.pack, key="", after_apply=(), rollups=(), enforce_homogeneity=False, **_ELSEWHERE)
        scripts = [node for node in (self.inputs.precheck, self.inputs.remove) if isinstance(node, Node)]

        def make(sources: Paths) -> Package:
            return control_package(pack, removal)

        facts = {"pack": pack, "remove": removal}
        return [self._generated(pack.control_name, facts, [time, *scripts], make)]

    def _removal(self) -> str | None:
        """The text of the remove script, where it is ours to write."""
        if self.inputs.remove is not True:
            return None
        pack, names = self.pack, sorted(identity_of(rpm).name for rpm in self.inputs.packages)
        return removal_script(pack.label, pack.uuid, pack.control_name, pack.update_name, names)

    def _generated(self, name: str, facts: dict[str, Any], sources: list[Node], make: Any) -> Node:
        """An RPM that xspack generates; its sources are the facts, and what ``make`` and its payload read."""
        payload_option = self.profile.payload

        def perform(targets: Paths, paths: Paths) -> None:
            from xspack_tool.rpm.write import write_rpm

            time = read_number(paths[0])
            write_rpm(make(paths), paths[1:], targets[0], payload=payload_option, time=time)

        identity = control_or_update(self.pack, name).identity
        built = Built(identity, self.target, self.place)
        every = {"payload_option": payload_option, "rpmbuild": version_of(self.env, "rpmbuild"), **facts}
        session().need("rpmbuild", "RPMs")
        return rpm_nodes(self.env, [built], sources, Step("RPM", every, perform), None, self.report)[0]

    def _index(self, pieces: list[Node], time: Node) -> list[Node]:
        """repomd.xml and the files it names."""
        comps = comps_xml(self.pack)

        def perform(targets: Paths, sources: Paths) -> None:
            from xspack_tool.repo.fragment import read_fragments

            write_repodata(read_fragments(sources[:-1]), comps, targets[0].parent, read_number(sources[-1]))

        targets = [self.out("repodata", name) for name in (REPOMD, *RECORDS.values())]
        step = Step(
            "Repodata", {"comps": comps, "createrepo_c": version_of(self.env, "createrepo_c")}, perform
        )
        return add_step(self.env, targets, [*pieces, time], step)

    def _signature(self, node: Node, time: Node) -> list[Node]:
        """The detached signature of a file; none for an unsigned pack."""
        key = self.inputs.key
        if key is None:
            return []

        def perform(targets: Paths, sources: Paths) -> None:
            key.signer(sources[1]).sign_file(sources[0], targets[0], read_number(sources[2]))

        step = Step("Sign", {"gpg": version_of(self.env, "gpg")}, perform)
        return add_step(self.env, [f"{node}.asc"], [node, key.node, time], step, cached=False)

    def _iso(
        self, iso: Node, document: Node, index: list[Node], rpms: dict[str, Node], time: Node, findings: Node
    ) -> NodeList:
        """The ISO: everything under the names that hosts look for."""
        repomd = index[0]
        named = {
            "update.xml": [document],
            "update.xml.asc": self._signature(document, time),
            "repodata/repomd.xml": [repomd],
            "repodata/repomd.xml.asc": self._signature(repomd, time),
            **{f"Packages/{name}": [rpm] for name, rpm in rpms.items()},
        }
        fixed = [(path, nodes[0]) for path, nodes in named.items() if nodes]
        volume = self.pack.volume_id
        strict = is_strict(self.env)

        def perform(targets: Paths, sources: Paths) -> None:
            from xspack_tool.pack.iso import master_iso

            refuse_if_stopped(sources[0], strict)
            files = {path: source for (path, _), source in zip(fixed, sources[2:], strict=False)}
            places = iso_names(files["repodata/repomd.xml"])
            records = sources[2 + len(fixed) :]
            files.update((places[record.name], record) for record in records)
            master_iso(files, targets[0], volume, read_number(sources[1]))

        sources = [findings, time, *(node for _, node in fixed), *index[1:]]
        layout = [path for path, _ in fixed]
        every = {
            "layout": layout,
            "volume": volume,
            "strict": strict,
            "pycdlib": version_of(self.env, "pycdlib"),
        }
        step = Step("ISO", every, perform)
        nodes = add_step(self.env, [iso], sources, step, cached=False)
        remove_older(self.env, iso, f"iso {self.pack.label}")
        iso.attributes.xspack_packed = self.packed
        session().isos[iso] = findings
        tell(self.target, iso, ", ".join(identity_of(rpm).name for rpm in self.inputs.packages))
        return NodeList(nodes)


def plan_pack(
    env: Any, pack: Pack, inputs: PackInputs, place: Place, target: str, file: Any, report: Report
) -> NodeList:
    """The ISO of a pack, and everything on the way to it."""
    return PackPlan(env, pack, inputs, place, target, report).plan(file)


def required(packages: Sequence[Node]) -> list[tuple[str, str]]:
    """What stands for the payload, as (name, EVR): of a driver's RPMs for several kernels, of which a host can
    take one, what all of them provide; else each RPM."""
    found = [built for rpm in packages if (built := built_of(rpm))]
    shared = [built.capability for built in found if built.capability]
    names = [
        (one.capability if shared.count(one.capability) > 1 else one.identity.name, one.identity.evr)
        for one in found
    ]
    return sorted(set(names))


def read_number(path: Path) -> int:
    """What :meth:`PackPlan._facts` wrote to one of its files."""
    return int(path.read_text(encoding="ascii"))


def control_or_update(pack: Pack, name: str) -> Package:
    """A generated RPM as far as it is known while reading: its name, version and architecture."""
    return update_package(pack, [], "") if name == pack.update_name else control_package(pack)

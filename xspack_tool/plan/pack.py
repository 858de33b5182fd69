"""The nodes of a pack: update document, generated RPMs, repository, signatures, ISO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace
from SCons.Node import Node
from SCons.Util import NodeList

from xspack_tool.errors import Place, counted, damaged
from xspack_tool.files import file_digest, meanwhile, write_whole
from xspack_tool.model.pack import Pack
from xspack_tool.model.package import Package
from xspack_tool.pack.generated import control_package, update_package
from xspack_tool.pack.layout import iso_files, rpm_path, totals_of, with_index
from xspack_tool.plan.beside import own, plan_beside
from xspack_tool.plan.findings import Judged, pack_findings
from xspack_tool.plan.help import tell
from xspack_tool.plan.keys import SigningKey
from xspack_tool.plan.node_record import own_record, record_of
from xspack_tool.plan.output_states import scons_digest
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.package import (
    PlannedRpm,
    Report,
    identity_of,
    output_node,
    rpm_nodes,
    signed_rpm,
)
from xspack_tool.plan.profile import profile_of
from xspack_tool.plan.record import join_records, rpm_record
from xspack_tool.plan.report import report_of
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import out_path
from xspack_tool.plan.step import Named, Step, add_step
from xspack_tool.plan.verdict import is_strict, refuse_if_stopped, tell_made
from xspack_tool.plan.writer import WritingStep, writer_of
from xspack_tool.repo import REPOMD
from xspack_tool.repo.repodata import RECORDS, REPOMD_NAME, iso_names, write_repodata
from xspack_tool.rpm.scriptlets.remove import removal_script


class PackInputs(Struct, frozen=True):
    """What a pack is made of, as nodes."""

    packages: list[Node]
    key: SigningKey | None
    precheck: Node | None
    #: The user's script, or True for one that is written here.
    remove: Node | bool | None
    waive: tuple[tuple[str, str], ...]


#: What of a pack only its ISO and its index tell. What a step does not use is taken away from the pack that it
#: gets: a change of it builds nothing there.
_ELSEWHERE: dict[str, Any] = {"volume_id": "", "driver_disk": None}


class Packed(Struct, frozen=True):
    """A planned pack, as a submission needs it, in the record of its ISO."""

    env: Any
    pack: Pack
    inputs: PackInputs
    judged: Judged
    remove: Node | str | None


class TotalPayload(Step, frozen=True):
    """Installed size and time of the payload, a file each: all that the document and the generated RPMs need of it,
    so that a change that leaves one alone goes no further there."""

    label: ClassVar[str] = "Totals"
    uses: ClassVar[tuple[str, ...]] = ("msgspec",)

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.repo.fragment import read_fragments

        totals = totals_of(read_fragments([inputs.fragments]))
        write_whole(outputs.size, f"{totals.size}\n")
        write_whole(outputs.time, f"{totals.time}\n")


class WriteDocument(Step, frozen=True):
    """update.xml."""

    label: ClassVar[str] = "Document"

    pack: Pack

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.pack.document import render_document

        write_whole(outputs.document, render_document(self.pack, read_number(inputs.size)))


class WriteUpdateRpm(WritingStep, frozen=True):
    """update-<label>."""

    label: ClassVar[str] = "RPM"

    pack: Pack
    #: (name, EVR) of what it requires.
    required: tuple[tuple[str, str], ...]

    def is_apart(self) -> bool:
        return True

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.pack.document import render_applied

        applied = render_applied(self.pack, read_number(inputs.size))
        package = update_package(self.pack, self.required, applied)
        _write_generated(self, package, {}, inputs, outputs)


class WriteControlRpm(WritingStep, frozen=True):
    """control-<label>. Its inputs ``scripts`` are the user's, by what they are."""

    label: ClassVar[str] = "RPM"

    pack: Pack
    #: The text of a remove script that is generated.
    remove: str

    def is_apart(self) -> bool:
        return True

    def run(self, inputs: Named, outputs: Named) -> None:
        package = control_package(self.pack, self.remove or None)
        _write_generated(self, package, inputs.scripts, inputs, outputs)


def _write_generated(
    step: WritingStep, package: Package, contents: Mapping[str, Path], inputs: Named, outputs: Named
) -> None:
    from xspack_tool.rpm.write import write_rpm

    (out,) = outputs.rpms
    time = read_number(inputs.time)
    write_rpm(package, contents, out, payload=step.payload, time=time, rpmbuild=step.by_rpmbuild)


class WriteIndex(Step, frozen=True):
    """repomd.xml and the files it names."""

    label: ClassVar[str] = "Repodata"
    uses: ClassVar[tuple[str, ...]] = ("createrepo_c", "msgspec")

    #: What they have as their one package.
    package: str
    #: The groups of a pack without kernel modules, and of one with some.
    groups: tuple[tuple[str, ...], tuple[str, ...]]

    def is_apart(self) -> bool:
        return True

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.repo.comps import comps_xml
        from xspack_tool.repo.fragment import read_fragments

        fragments = read_fragments(inputs.fragments)
        comps = comps_xml(self.groups[any(one.holds_modules for one in fragments)], self.package)
        write_repodata(fragments, comps, outputs.files[REPOMD_NAME].parent, read_number(inputs.time))


class SignFile(Step, frozen=True):
    """The detached signature of a file."""

    label: ClassVar[str] = "Sign"
    waits: ClassVar[bool] = True
    uses: ClassVar[tuple[str, ...]] = ("gpg",)
    unkeyed: ClassVar[tuple[str, ...]] = ("key",)

    key: SigningKey

    def run(self, inputs: Named, outputs: Named) -> None:
        self.key.signer(inputs.key).sign_file(inputs.file, outputs.signature, read_number(inputs.time))


class SignStatement(SignFile, frozen=True):
    """The detached signature of what is said of a pack beside it."""

    label: ClassVar[str] = "Attest"


class MasterIso(Step, frozen=True):
    """The ISO. Its inputs ``files`` are called as on it, ``records`` as beside repomd.xml, which says what they are
    called on it."""

    label: ClassVar[str] = "ISO"
    shown: ClassVar[str] = "terminal"
    copies: ClassVar[bool] = True
    uses: ClassVar[tuple[str, ...]] = ("pycdlib", "python_gnupg", "cryptography", "defusedxml", "zstandard")

    volume: str
    strict: bool

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.evidence.text import size_words
        from xspack_tool.pack.iso import master_iso

        report = refuse_if_stopped(inputs.findings, self.strict)
        files = with_index(inputs.files, inputs.records, iso_names(inputs.files[REPOMD]))
        key: Path | None = next(iter(inputs.key), None)
        digest = ""

        def check(image: Path) -> None:
            from xspack_tool.hosts.sound import check_sound

            nonlocal digest
            with (
                meanwhile(lambda: file_digest(image)) as sha256,
                meanwhile(lambda: scons_digest(image, outputs.iso)) as seen,
            ):
                check_sound(image, inputs.files, key)
                digest = sha256()
                seen()

        master_iso(files, outputs.iso, self.volume, read_number(inputs.time), check)
        write_whole(outputs.digest, f"{digest}  {outputs.iso.name}\n")
        packages = sum(place.endswith(".rpm") for place in inputs.files)
        size = size_words(outputs.iso.stat().st_size)
        words = f"{size}, sha256 {digest}, {counted(packages, 'package')}, {report.counts}"
        tell_made(outputs.iso, inputs.findings, words)


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
        records = [rpm_record(self.env, rpm, signed) for rpm, signed in payload]
        joined = join_records(self.env, self.out, records)
        totals = add_step(
            self.env,
            TotalPayload(),
            inputs={"fragments": joined.fragments},
            outputs={"size": self.out("installed-size"), "time": self.out("time")},
        )
        size, time = totals.size, totals.time
        document = self._document(size)
        generated = [self._update(time, size), *self._control(time)]
        if any(record_of(rpm).rpm is None for rpm in generated):
            return NodeList([])
        own_rpms = [(rpm, signed_rpm(self.env, rpm, self.inputs.key)) for rpm in generated]
        own_records = [rpm_record(self.env, rpm, signed) for rpm, signed in own_rpms]
        own_joined = join_records(self.env, partial(self.out, "generated"), own_records)
        contents = {
            "fragments": [joined.fragments, own_joined.fragments],
            "records": [joined.records, own_joined.records],
        }
        index = self._index(contents["fragments"], time)
        findings = self._findings(joined.records, own_joined.records)
        rpms = {rpm_path(identity_of(rpm).file_name): signed for rpm, signed in [*payload, *own_rpms]}
        nodes = self._iso(iso, document, index, rpms, time, findings)
        # Order alone: SCons goes down to each RPM from here, and has one judged and indexed while the next are
        # written.
        iso.add_prerequisite([*records, *own_records])
        return nodes + self._beside(iso, time, contents)

    def _beside(self, iso: Node, time: Node, contents: dict[str, Any]) -> list[Node]:
        """SBOMs and provenance, and the signature of the latter."""
        inputs = {**contents, "digest": self.digest}
        beside = plan_beside(self.env, self.pack, self.inputs.packages, iso, inputs)
        made = [self.digest, *beside.values()]
        if (signature := self._signature(beside["provenance"], time, SignStatement)) is not None:
            made.append(signature)
        own(self.env, self.pack, iso, made)
        key = self.inputs.key
        report_of(self.env, self.pack, iso, made, key.node if key else None)
        return made

    def _findings(self, records: Node, generated: Node) -> Node:
        """What the rules say of the pack; the ISO waits for it. ``records`` are those of the payload, ``generated``
        those of the generated RPMs."""
        inputs = self.inputs
        judged = Judged(inputs.packages, records, generated)
        remove = self._removal() or (inputs.remove if isinstance(inputs.remove, Node) else None)
        session().declared[self.pack.label, ""] = self.place
        self.packed = Packed(self.env, self.pack, inputs, judged, remove)
        return pack_findings(
            self.env, self.pack, judged, inputs.key, remove, inputs.waive, precheck=inputs.precheck
        )

    def _document(self, size: Node) -> Node:
        """update.xml."""
        step = WriteDocument(replace(self.pack, vendor="", **_ELSEWHERE))
        outputs = {"document": self.out("update.xml")}
        made: Node = add_step(self.env, step, inputs={"size": size}, outputs=outputs).document
        return made

    def _update(self, time: Node, size: Node) -> Node:
        """update-<label>, which requires the payload and owns the applied record."""
        pack = replace(self.pack, key="", requires=(), has_precheck=False, has_remove=False, **_ELSEWHERE)
        package = update_package(pack, [], "")
        step = WriteUpdateRpm(*self._writing(package), pack, tuple(required(self.inputs.packages)))
        return self._generated(package, step, {"time": time, "size": size})

    def _control(self, time: Node) -> list[Node]:
        """control-<label>, where the pack has a requirement or a script of its own."""
        if not self.pack.control_name:
            return []
        pack = replace(self.pack, key="", after_apply=(), rollups=(), enforce_homogeneity=False, **_ELSEWHERE)
        named = {"precheck": self.inputs.precheck, "remove": self.inputs.remove}
        scripts = {name: node for name, node in named.items() if isinstance(node, Node)}
        package = control_package(pack)
        step = WriteControlRpm(*self._writing(package), pack, self._removal() or "")
        return [self._generated(package, step, {"time": time, "scripts": scripts})]

    def _writing(self, package: Package) -> tuple[str, str]:
        """How the RPM of a package is compressed, and who writes it."""
        payload = self.profile.payload
        return payload, writer_of(self.env, package, payload)

    def _removal(self) -> str | None:
        """The text of the remove script, where it is ours to write."""
        if self.inputs.remove is not True:
            return None
        pack, names = self.pack, sorted(identity_of(rpm).name for rpm in self.inputs.packages)
        return removal_script(pack.label, pack.uuid, pack.control_name, pack.update_name, names)

    def _generated(self, package: Package, step: Step, inputs: dict[str, Any]) -> Node:
        """An RPM that xspack generates."""
        planned = PlannedRpm(package.identity, self.target, self.place)
        (node,) = rpm_nodes(self.env, [planned], inputs, step, None, self.report)
        return node

    def _index(self, fragments: list[Node], time: Node) -> dict[str, Node]:
        """repomd.xml and the files it names, by their names."""
        outputs = {"files": {name: self.out("repodata", name) for name in (REPOMD_NAME, *RECORDS.values())}}
        groups = (self.pack.holding(False).groups, self.pack.holding(True).groups)
        step = WriteIndex(self.pack.update_name, groups)
        made = add_step(self.env, step, inputs={"fragments": fragments, "time": time}, outputs=outputs)
        files: dict[str, Node] = made.files
        return files

    def _signature(self, node: Node, time: Node, kind: type[SignFile] = SignFile) -> Node | None:
        """The detached signature of a file; none for an unsigned pack."""
        key = self.inputs.key
        if key is None:
            return None
        inputs = {"file": node, "key": key.node, "time": time}
        outputs = {"signature": f"{node}.asc"}
        made: Node = add_step(self.env, kind(key), inputs=inputs, outputs=outputs, cached=False).signature
        return made

    def _iso(
        self,
        iso: Node,
        document: Node,
        index: dict[str, Node],
        rpms: dict[str, Node],
        time: Node,
        findings: Node,
    ) -> NodeList:
        """The ISO: everything under the names that hosts look for."""
        index = dict(index)
        repomd = index.pop(REPOMD_NAME)
        files = iso_files(document, repomd, rpms, lambda node: self._signature(node, time))
        step = MasterIso(self.pack.volume_id, is_strict(self.env))
        key = self.inputs.key
        inputs = {
            "findings": findings,
            "time": time,
            "files": files,
            "records": index,
            "key": [key.node] if key else [],
        }
        outputs = {"iso": iso, "digest": f"{iso}.sha256"}
        self.digest = add_step(self.env, step, inputs=inputs, outputs=outputs, cached=False).digest
        remove_older(self.env, iso, f"iso {self.pack.label}")
        own_record(iso).pack = self.packed
        session().isos[iso] = findings
        tell(self.target, iso, ", ".join(identity_of(rpm).name for rpm in self.inputs.packages))
        return NodeList([iso])


def plan_pack(
    env: Any, pack: Pack, inputs: PackInputs, place: Place, target: str, file: Any, report: Report
) -> NodeList:
    """The ISO of a pack, and everything on the way to it."""
    return PackPlan(env, pack, inputs, place, target, report).plan(file)


def required(packages: Sequence[Node]) -> list[tuple[str, str]]:
    """What stands for the payload, as (name, EVR): of a driver's RPMs for several kernels, of which a host can
    take one, what all of them provide; else each RPM."""
    found = [planned for rpm in packages if (planned := record_of(rpm).rpm)]
    shared = [planned.capability for planned in found if planned.capability]
    names = [
        (one.capability if shared.count(one.capability) > 1 else one.identity.name, one.identity.evr)
        for one in found
    ]
    return sorted(set(names))


def read_number(path: Path) -> int:
    """What :class:`TotalPayload` wrote to one of its files. Raises BadInput."""
    try:
        return int(path.read_text(encoding="ascii"))
    except ValueError:
        raise damaged(path) from None

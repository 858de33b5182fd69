"""The node of a submission: packs, and all that the guide wants to come with their drivers, in one archive."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct, field
from SCons.Node import Node
from SCons.Util import NodeList

from xspack_tool.binary.tar_write import write_tar
from xspack_tool.errors import StepError
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.model.submission import Fix, rule
from xspack_tool.pack.submission import Part, contents_json, contents_text, is_patch
from xspack_tool.plan.ddk import inbox_of
from xspack_tool.plan.findings import pack_findings
from xspack_tool.plan.help import tell
from xspack_tool.plan.node_record import pack_of, record_of, rpm_of
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.outside import content_of
from xspack_tool.plan.pack import Packed
from xspack_tool.plan.package import folder_of, identity_of
from xspack_tool.plan.record import READERS
from xspack_tool.plan.step import Named, Step, add_step
from xspack_tool.plan.verdict import refuse_if_stopped

if TYPE_CHECKING:
    from xspack_tool.binary.module import ModuleInfo
    from xspack_tool.rpm.info import PayloadFile, RpmInfo

_LICENCE = re.compile(r"/usr/share/(licenses/.+|doc/.*/(COPYING|LICEN[CS]E)[^/]*)", re.IGNORECASE)
_FIRMWARE = re.compile(r"(/usr)?/lib/firmware/.+")
_MAX_LICENCE = 1 << 20


class SubmissionPlan(Struct, frozen=True):
    """What goes into a submission: the ISOs, late fixes with their patches, and what the packs themselves lack:
    licence texts, and the statement on firmware."""

    name: str
    isos: Sequence[Node]
    fixes: Sequence[tuple[Fix, Node]] = ()
    licences: Sequence[Node] = ()
    statement: Node | str = ""
    target: str = ""


class SubmittedRpm(Struct, frozen=True):
    """An RPM of a submission. ``rpm`` and ``texts``, its licence texts, are names of inputs; ``source`` is where its
    source RPM lies in the archive, or empty."""

    rpm: str
    packs: tuple[str, ...]
    source: str
    texts: tuple[str, ...]


class WriteSubmission(Step, frozen=True):
    """The archive. Its inputs ``members`` and ``sources`` are called as in it, ``rpms`` and ``texts`` as in
    ``packages``, ``patches`` by their names; ``judged`` are the findings of each pack."""

    label: ClassVar[str] = "Submission"
    shown: ClassVar[str] = "always"
    uses: ClassVar[tuple[str, ...]] = READERS
    unkeyed: ClassVar[tuple[str, ...]] = ("inbox_places",)

    name: str
    isos: tuple[str, ...]
    packages: tuple[SubmittedRpm, ...]
    fixes: tuple[Fix, ...]
    #: The statement on firmware, where it is no file.
    statement: str
    #: Whether the submission itself brings licence texts.
    licensed: bool
    #: Pack -> a digest of the devices that its release drives, and where they are listed.
    inbox: dict[str, str]
    inbox_places: dict[str, Path | None]

    def run(self, inputs: Named, outputs: Named) -> None:
        for findings in inputs.judged:
            refuse_if_stopped(findings, strict=False)
        for patch in inputs.patches.values():
            _check_patch(patch)
        members: dict[str, Path | bytes] = {**inputs.members, **inputs.sources}
        members.update({f"patches/{name}": path for name, path in inputs.patches.items()})
        parts = list(self._parts(inputs, members))
        members.update(self._devices(inputs))
        if any(part.firmware for part in parts):
            statement: Path | None = next(iter(inputs.statement), None)
            if statement is None and self.statement == "":
                raise StepError(f"{rule(2)}; say so: firmware_statement=")
            members["firmware/STATEMENT"] = (
                statement.read_bytes() if statement else f"{self.statement}\n".encode()
            )
        members["CONTENTS"] = contents_text(self.name, parts, self.isos, self.fixes).encode()
        members["packages.json"] = contents_json(parts).encode()
        members.update({f"patches/{fix.patch}.txt": fix.text().encode() for fix in self.fixes})
        write_tar(outputs.archive, members, time=CONSTANT_TIME, top=self.name.replace(" ", "-"))

    def _parts(self, inputs: Named, members: dict[str, Path | bytes]) -> Iterator[Part]:
        """The packages as the table of contents has them; their licence texts join the members."""
        for package in self.packages:
            content = _read(inputs.rpms[package.rpm])
            info = content.info
            texts = {Path(name).name: text for name, text in content.licences.items()}
            given: list[Path] = [inputs.texts[name] for name in package.texts]
            texts |= {path.name: path.read_bytes() for path in given}
            places = {f"licences/{info.name}/{name}": text for name, text in texts.items()}
            firmware = tuple(f.path for f in info.files if f.is_file and _FIRMWARE.fullmatch(f.path))
            if not places and not self.licensed and (content.modules or firmware):
                number = 1 if content.modules else 2
                raise StepError(
                    f"{info.file_name}: {rule(number)}; it has no licence text: give licenses= to its declaration, "
                    "or licences= to the submission"
                )
            members.update(places)
            yield Part(
                info.name,
                info.evr,
                info.arch,
                info.license,
                package.packs,
                tuple(sorted({module.kernel for module in content.modules})),
                package.source,
                tuple(sorted(places)),
                firmware,
                tuple(_module(module) for module in content.modules),
            )

    def _devices(self, inputs: Named) -> dict[str, Path | bytes]:
        """The devices that the drivers of each pack claim. Names of devices are left out: they are those of the
        machine's own lists."""
        from xspack_tool.ddk.devices import device_table, table_lines
        from xspack_tool.ddk.inbox import read_inbox

        tables: dict[str, Path | bytes] = {}
        for label, inbox in self.inbox_places.items():
            own = [one for one in self.packages if label in one.packs]
            modules = [module for one in own for module in _read(inputs.rpms[one.rpm]).modules]
            rows = device_table(modules, read_inbox(inbox) if inbox else None)
            tables[f"devices/{label}.txt"] = "".join(f"{line}\n" for line in table_lines(rows)).encode()
            data = json.dumps([row.as_json() for row in rows], indent=2, sort_keys=True)
            tables[f"devices/{label}.json"] = f"{data}\n".encode()
        return tables


def plan_submission(env: Any, node: Node, plan: SubmissionPlan) -> NodeList:
    """The archive ``node``."""
    members: dict[str, Node] = {}
    judged: list[Node] = []
    packs: dict[str, Packed] = {iso.name: pack_of(iso) for iso in plan.isos}
    for iso in plan.isos:
        packed: Packed = pack_of(iso)
        inputs = packed.inputs
        members[f"packs/{iso.name}"] = iso
        if inputs.key:
            members[f"keys/{inputs.key.name}"] = inputs.key.node
        findings = pack_findings(
            packed.env, packed.pack, packed.judged, inputs.key, packed.remove, inputs.waive, submission=True
        )
        judged.append(findings)
        members[f"findings/{packed.pack.label}.json"] = findings
    members.update({f"licences/{text.name}": text for text in plan.licences})
    inboxes = {packed.pack.label: _inbox(packed) for packed in packs.values()}
    packages, of_packages = _packages(packs)
    is_file = isinstance(plan.statement, Node)
    step = WriteSubmission(
        name=plan.name,
        isos=tuple(packs),
        packages=packages,
        fixes=tuple(fix for fix, _ in plan.fixes),
        statement="" if is_file else plan.statement,
        licensed=bool(plan.licences),
        inbox={label: content_of(env, inbox) for label, inbox in inboxes.items()},
        inbox_places=inboxes,
    )
    every = {
        "members": members,
        "judged": judged,
        "patches": {fix.patch: patch for fix, patch in plan.fixes},
        "statement": [plan.statement] if is_file else [],
        **of_packages,
    }
    add_step(env, step, inputs=every, outputs={"archive": node}, cached=False)
    remove_older(env, node, f"submission {next(iter(packs.values())).pack.label}")
    tell(plan.target, node, ", ".join(packs))
    return NodeList([node])


def _packages(packs: dict[str, Packed]) -> tuple[tuple[SubmittedRpm, ...], dict[str, dict[str, Node]]]:
    """Each RPM once, with the packs that hold it; and the inputs that they are made of."""
    holders: dict[Node, list[str]] = {}
    for packed in packs.values():
        for rpm in packed.inputs.packages:
            holders.setdefault(rpm, []).append(packed.pack.label)
    submitted = []
    inputs: dict[str, dict[str, Node]] = {"rpms": {}, "sources": {}, "texts": {}}
    for rpm, labels in holders.items():
        name = "/".join([*folder_of(rpm), identity_of(rpm).file_name])
        inputs["rpms"][name] = rpm
        source = record_of(rpm).source_rpm
        place = "/".join(["sources", *folder_of(rpm), source.name]) if source else ""
        if source:
            inputs["sources"][place] = source
        declared = record_of(rpm).declared
        texts = {
            f"{name} {number}": text for number, text in enumerate(declared.licence_texts if declared else ())
        }
        inputs["texts"].update(texts)
        submitted.append(SubmittedRpm(name, tuple(labels), place, tuple(texts)))
    return tuple(submitted), inputs


def _inbox(packed: Packed) -> Path | None:
    """What the release of a pack drives itself."""
    kits = [rpm_of(rpm).kit for rpm in packed.inputs.packages]
    return next((found for kit in kits if (found := inbox_of(kit))), None)


def _module(module: ModuleInfo) -> dict[str, Any]:
    fields = ("name", "version", "license", "srcversion")
    return {**{name: getattr(module, name) for name in fields}, "firmware": list(module.firmware)}


class _Content(Struct):
    """What a submission says about an RPM."""

    info: RpmInfo
    modules: list[ModuleInfo] = field(default_factory=list)
    licences: dict[str, bytes] = field(default_factory=dict)


def _read(rpm: Path) -> _Content:
    from xspack_tool.binary.module import MODULE, parse_module
    from xspack_tool.rpm.payload import payload
    from xspack_tool.rpm.read import read_rpm

    content = _Content(read_rpm(rpm))
    if not any(_is_licence(file) or MODULE.search(file.path) for file in content.info.files):
        return content
    for entries, data in payload(rpm):
        entry = entries[0]
        if entry.is_file and MODULE.search(entry.path):
            content.modules.append(parse_module(entry.path, data))
        elif _is_licence(entry) and entry.size <= _MAX_LICENCE:
            content.licences[entry.path] = data.read()
    return content


def _is_licence(file: PayloadFile) -> bool:
    from xspack_tool.rpm.info import LICENSE

    return file.is_file and bool(file.flags & LICENSE or _LICENCE.fullmatch(file.path))


def _check_patch(path: Path) -> None:
    if not is_patch(path.read_text(encoding="utf-8", errors="replace")):
        raise StepError(f"{path.name}: no unified diff; {rule(7)}; make it with diff -u, or git format-patch")

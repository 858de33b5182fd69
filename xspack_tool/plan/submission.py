"""The node of a submission: packs, and all that the guide wants to come with their drivers, in one archive."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SCons.Node import Node
from SCons.Util import NodeList

from xspack_tool.errors import BadInput, StepError
from xspack_tool.model.submission import Fix, rule
from xspack_tool.pack.submission import Part, contents_json, contents_text, is_patch, write_archive
from xspack_tool.plan.ddk import inbox_of
from xspack_tool.plan.findings import content_of, pack_findings
from xspack_tool.plan.help import tell
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.pack import Packed
from xspack_tool.plan.package import folder_of, source_rpm_of
from xspack_tool.plan.step import Paths, Step, add_step
from xspack_tool.plan.verdict import refuse_if_stopped

if TYPE_CHECKING:
    from xspack_tool.ddk.modinfo import ModuleInfo
    from xspack_tool.rpm.info import PayloadFile, RpmInfo

_LICENCE = re.compile(r"/usr/share/(licenses/.+|doc/.*/(COPYING|LICEN[CS]E)[^/]*)", re.IGNORECASE)
_FIRMWARE = re.compile(r"(/usr)?/lib/firmware/.+")
_MAX_LICENCE = 1 << 20


@dataclass(frozen=True)
class SubmissionPlan:
    """What goes into a submission: the ISOs, late fixes with their patches, and what the packs themselves lack:
    licence texts, and the statement on firmware."""

    name: str
    isos: Sequence[Node]
    fixes: Sequence[tuple[Fix, Node]] = ()
    licences: Sequence[Node] = ()
    statement: Node | str = ""
    target: str = ""


@dataclass
class _Sources:
    """The nodes of a step with the places of their files in the archive."""

    nodes: list[Node] = field(default_factory=list)

    def add(self, node: Node) -> int:
        """Where the file of a node is found among the step's sources."""
        if node not in self.nodes:
            self.nodes.append(node)
        return self.nodes.index(node)


@dataclass(frozen=True)
class _Package:
    """An RPM of a submission: its number among the sources, and those of its source RPM and licence texts."""

    number: int
    packs: tuple[str, ...]
    source: tuple[int, str] | None
    licences: tuple[int, ...]


def plan_submission(env: Any, node: Node, plan: SubmissionPlan) -> NodeList:
    """The archive ``node``."""
    sources = _Sources()
    plain: list[tuple[str, int]] = [(f"patches/{fix.patch}", sources.add(patch)) for fix, patch in plan.fixes]
    judged: list[int] = []
    packs: dict[str, Packed] = {iso.name: iso.attributes.xspack_packed for iso in plan.isos}
    for iso in plan.isos:
        packed: Packed = iso.attributes.xspack_packed
        plain.append((f"packs/{iso.name}", sources.add(iso)))
        if packed.inputs.key:
            plain.append((f"keys/{packed.inputs.key.name}", sources.add(packed.inputs.key.node)))
        inputs = packed.inputs
        found = pack_findings(
            packed.env, packed.pack, packed.judged, inputs.key, packed.remove, inputs.waive, submission=True
        )
        judged.append(sources.add(found[0]))
        plain.append((f"findings/{packed.pack.label}.json", judged[-1]))
    packages = _packages(packs, sources)
    more = [(f"licences/{one.name}", sources.add(one)) for one in plan.licences]
    statement = sources.add(plan.statement) if isinstance(plan.statement, Node) else plan.statement
    inboxes = {packed.pack.label: _inbox(packed) for packed in packs.values()}
    fixes = [fix for fix, _ in plan.fixes]

    def perform(targets: Paths, paths: Paths) -> None:
        for number in judged:
            refuse_if_stopped(paths[number], strict=False)
        for place, number in plain:
            if place.startswith("patches/"):
                _check_patch(paths[number])
        members: dict[str, Path | bytes] = {place: paths[number] for place, number in [*plain, *more]}
        parts = list(_parts(packages, paths, members, bool(more)))
        members.update(_devices(packages, paths, inboxes))
        if any(part.firmware for part in parts):
            if statement == "":
                raise StepError(f"{rule(2)}; say so: firmware_statement=")
            text = paths[statement].read_bytes() if isinstance(statement, int) else f"{statement}\n".encode()
            members["firmware/STATEMENT"] = text
        members["CONTENTS"] = contents_text(plan.name, parts, list(packs), fixes).encode()
        members["packages.json"] = contents_json(parts).encode()
        members.update({f"patches/{fix.patch}.txt": fix.text().encode() for fix in fixes})
        write_archive(targets[0], plan.name.replace(" ", "-"), members)

    facts = {
        "name": plan.name,
        "places": [*plain, *more],
        "packages": packages,
        "fixes": fixes,
        "statement": statement,
        "inbox": {label: content_of(env, inbox) for label, inbox in inboxes.items()},
    }
    nodes = add_step(env, [node], sources.nodes, Step("Submission", facts, perform), cached=False)
    label = plan.isos[0].attributes.xspack_packed.pack.label
    remove_older(env, nodes[0], f"submission {label}")
    tell(plan.target, node, ", ".join(packs))
    return NodeList(nodes)


def _packages(packs: dict[str, Packed], sources: _Sources) -> list[_Package]:
    """Each RPM once, with the packs that hold it."""
    holders: dict[Node, list[str]] = {}
    for packed in packs.values():
        for rpm in packed.inputs.packages:
            holders.setdefault(rpm, []).append(packed.pack.label)
    found = []
    for rpm, labels in holders.items():
        source = source_rpm_of(rpm)
        declared = getattr(rpm.attributes, "xspack_declared", None)
        place = "/".join(["sources", *folder_of(rpm), source.name]) if source else ""
        found.append(
            _Package(
                sources.add(rpm),
                tuple(labels),
                (sources.add(source), place) if source else None,
                tuple(map(sources.add, declared.licence_texts)) if declared else (),
            )
        )
    return found


def _inbox(packed: Packed) -> Path | None:
    """What the release of a pack drives itself."""
    kits = [rpm.attributes.xspack.kit for rpm in packed.inputs.packages]
    return next((found for kit in kits if (found := inbox_of(kit))), None)


def _parts(
    packages: Sequence[_Package], paths: Paths, members: dict[str, Path | bytes], has_more: bool
) -> Iterator[Part]:
    """The packages as the table of contents has them; their licence texts and sources join the members."""
    for one in packages:
        content = _read(paths[one.number])
        info = content.info
        texts = {Path(name).name: text for name, text in content.licences.items()}
        texts |= {paths[number].name: paths[number].read_bytes() for number in one.licences}
        places = {f"licences/{info.name}/{name}": text for name, text in texts.items()}
        firmware = tuple(file.path for file in info.files if file.is_file and _FIRMWARE.fullmatch(file.path))
        if not places and not has_more and (content.modules or firmware):
            number = 1 if content.modules else 2
            raise StepError(
                f"{info.file_name}: {rule(number)}; it has no licence text: give licenses= to its declaration, or "
                "licences= to the submission"
            )
        members.update(places)
        if one.source:
            members[one.source[1]] = paths[one.source[0]]
        yield Part(
            info.name,
            info.evr,
            info.arch,
            info.license,
            one.packs,
            tuple(sorted({module.kernel for module in content.modules})),
            one.source[1] if one.source else "",
            tuple(sorted(places)),
            firmware,
            tuple(_module(module) for module in content.modules),
        )


def _module(module: ModuleInfo) -> dict[str, Any]:
    fields = ("name", "version", "license", "srcversion")
    return {**{name: getattr(module, name) for name in fields}, "firmware": list(module.firmware)}


@dataclass
class _Content:
    """What of an RPM a submission tells of."""

    info: RpmInfo
    modules: list[ModuleInfo] = field(default_factory=list)
    licences: dict[str, bytes] = field(default_factory=dict)


def _read(rpm: Path) -> _Content:
    from xspack_tool.ddk.modinfo import MAX_MODULE, MODULE, parse_module
    from xspack_tool.rpm.payload import payload
    from xspack_tool.rpm.read import read_rpm

    content = _Content(read_rpm(rpm))
    if not any(_is_licence(file) or MODULE.search(file.path) for file in content.info.files):
        return content
    for entries, data in payload(rpm):
        entry = entries[0]
        if entry.is_file and MODULE.search(entry.path):
            if entry.size > MAX_MODULE:
                raise BadInput(rpm, f"{entry.path} is larger than any kernel module")
            content.modules.append(parse_module(entry.path, BytesIO(data.read())))
        elif _is_licence(entry) and entry.size <= _MAX_LICENCE:
            content.licences[entry.path] = data.read()
    return content


def _is_licence(file: PayloadFile) -> bool:
    from xspack_tool.rpm.info import LICENSE

    return file.is_file and bool(file.flags & LICENSE or _LICENCE.fullmatch(file.path))


def _devices(
    packages: Sequence[_Package], paths: Paths, inboxes: dict[str, Path | None]
) -> dict[str, Path | bytes]:
    """The devices that the drivers of each pack claim. Names of devices are left out: they are those of the
    machine's own lists."""
    from xspack_tool.ddk.devices import device_table, table_lines
    from xspack_tool.ddk.inbox import read_inbox

    found: dict[str, Path | bytes] = {}
    for label, inbox in inboxes.items():
        own = [one for one in packages if label in one.packs]
        modules = [module for one in own for module in _read(paths[one.number]).modules]
        rows = device_table(modules, read_inbox(inbox) if inbox else None)
        found[f"devices/{label}.txt"] = "".join(f"{line}\n" for line in table_lines(rows)).encode()
        data = json.dumps([row.as_json() for row in rows], indent=2, sort_keys=True)
        found[f"devices/{label}.json"] = f"{data}\n".encode()
    return found


def _check_patch(path: Path) -> None:
    if not is_patch(path.read_text(encoding="utf-8", errors="replace")):
        raise StepError(f"{path.name}: no unified diff; {rule(7)}; make it with diff -u, or git format-patch")

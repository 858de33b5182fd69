"""The source RPM of a driver, and its RPM as a kit on another machine builds it from that."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from SCons.Node import Node
from SCons.Util import NodeList

from xspack_tool.ddk.remote import build_remote
from xspack_tool.ddk.source_rpm import DriverSource, source_sections, write_source_tar
from xspack_tool.errors import StepError
from xspack_tool.model.package import Package
from xspack_tool.plan.ddk import Kit, fetched_symvers
from xspack_tool.plan.modules import Modules
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.package import Built, Report, path_of, rpm_nodes, slot_of
from xspack_tool.plan.profile import out_path, profile_of, source_date_epoch
from xspack_tool.plan.session import session
from xspack_tool.plan.sources import TreeItem
from xspack_tool.plan.step import Paths, Step, add_step
from xspack_tool.plan.tools import version_of
from xspack_tool.rpm.source import source_rpm_name, write_source_rpm
from xspack_tool.rpm.spec import Making


@dataclass(frozen=True)
class SourcePlan:
    """What goes into a driver's source RPM besides its package: how it is compiled, its files and links, and the
    Module.symvers of other drivers."""

    driver: DriverSource
    items: Sequence[TreeItem]
    symbols: tuple[Node, ...] = ()


def plan_source_rpm(
    env: Any, package: Package, inputs: Sequence[Node], plan: SourcePlan, built: Built, report: Report
) -> Node:
    """The source RPM: written only when something asks for it. ``package`` and ``inputs`` are those of the RPM;
    the archive of modules among them is what the source RPM makes itself."""
    package, inputs = _without_modules(package, inputs)
    time, payload = package.time(source_date_epoch()), profile_of(env).payload
    files = {item.relative: item.node for item in plan.items if item.node is not None}
    kept = list(dict.fromkeys(files.values()))
    numbers = {name: kept.index(node) for name, node in files.items()}
    links = {item.relative: item.link for item in plan.items if item.link}
    top = f"{package.name}-{package.version}"
    symbols = [f"{number}.symvers" for number in range(len(plan.symbols))]
    sections = source_sections(plan.driver, top, time)
    making = Making(
        sections.head,
        (f"{top}.tar", *symbols),
        sections.prep,
        sections.build,
        sections.install,
        sections.file_list,
    )
    unique = list(dict.fromkeys(inputs))
    order = [unique.index(node) for node in inputs]

    def perform(targets: Paths, sources: Paths) -> None:
        rest = sources[len(kept) :]
        others, own = rest[: len(symbols)], rest[len(symbols) :]
        work = targets[0].with_name(f".{targets[0].name}.new")
        work.mkdir(parents=True, exist_ok=True)
        try:
            tar = work / f"{top}.tar"
            content = {name: sources[number] for name, number in numbers.items()}
            write_source_tar(tar, top, content, time, links)
            chosen = [own[number] for number in order]
            write_source_rpm(package, chosen, making, [tar, *others], targets[0], payload=payload, time=time)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    session().need("rpmbuild", "RPMs")
    facts = {
        "package": package,
        "driver": plan.driver,
        "names": numbers,
        "links": links,
        "inputs": order,
        "payload": payload,
        "time": time,
        "rpmbuild": version_of(env, "rpmbuild"),
    }
    place = out_path(env, "srpms", *path_of(built)[:-1], source_rpm_name(package))
    node = env.File(place)
    if taken := session().claim_output(node, built.place, built.target):
        report(taken)
        return node
    sources = [*kept, *plan.symbols, *unique]
    add_step(env, [node], sources, Step("SourceRpm", facts, perform, modes=True))
    remove_older(env, node, f"source {slot_of(built)}")
    return node


def _without_modules(package: Package, inputs: Sequence[Node]) -> tuple[Package, list[Node]]:
    """The package and its inputs without the archives that compiling makes."""
    with_input = [entry for entry in package.entries if entry.has_input]
    files = inputs[: len(with_input)]
    kept = [node for entry, node in zip(with_input, files, strict=True) if entry.kind != "archive"]
    entries = tuple(entry for entry in package.entries if entry.kind != "archive")
    return replace(package, entries=entries), [*kept, *inputs[len(with_input) :]]


def plan_remote(
    env: Any, package: Package, source_rpm: Node, kit: Kit, built: Built, target: Any, report: Report
) -> tuple[NodeList, Modules]:
    """The RPM as the kit's own rpmbuild makes it of the source RPM, and the symbols that its modules export."""
    time = package.time(source_date_epoch())
    folder, stem = path_of(built)[:-1], f"{package.name}-{kit.kernel}"
    places = [
        out_path(env, "modules", *folder, name) for name in (built.identity.file_name, f"{stem}.symvers")
    ]

    def perform(targets: Paths, sources: Paths) -> None:
        if kit.remote is None or kit.facts is None:
            raise StepError(f"{built.identity.name}: its kit is on no other machine")
        build_remote(
            kit.remote, kit.facts, sources[0], targets[:1], time=time, memo=kit.memo, symvers=targets[1]
        )

    step = Step("Remote", {"kit": kit.signature, "time": time}, perform)
    made, symvers = add_step(env, places, [source_rpm], step)
    remove_older(env, made, f"remote {slot_of(built)}")
    # The rules compare with it, who may run when the machine is off.
    env.Requires(made, fetched_symvers(env, kit))
    nodes = rpm_nodes(env, [built], [made], Step("Copy", {"kit": kit.signature}, copy_rpm), target, report)
    return nodes, Modules(made, symvers)


def copy_rpm(targets: Paths, sources: Paths) -> None:
    """Give an RPM another place; it appears whole or not at all."""
    beside: Path = targets[0].with_name(f".{targets[0].name}.new")
    shutil.copyfile(sources[0], beside)
    beside.replace(targets[0])

"""The source RPM of a driver, and its RPM as a kit on another machine builds it from that."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from SCons.Node import Node
from SCons.Util import NodeList

from xspack_tool.ddk.remote import Reached, RemoteFacts, build_remote
from xspack_tool.ddk.source_rpm import DriverSource, source_sections, write_source_tar
from xspack_tool.files import copy_whole
from xspack_tool.model.package import Package
from xspack_tool.plan.ddk import Kit, fetched_symvers
from xspack_tool.plan.modules import Modules, tell_warnings
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.package import (
    Built,
    Contents,
    Report,
    by_mode,
    path_of,
    rpm_nodes,
    slot_of,
)
from xspack_tool.plan.profile import out_path, profile_of, source_date_epoch
from xspack_tool.plan.session import session
from xspack_tool.plan.sources import NO_FOLDERS, Folders, TreeItem
from xspack_tool.plan.step import UNKEYED, Named, Step, add_step, planned_of, replace_step
from xspack_tool.rpm.source import source_rpm_name, write_source_rpm
from xspack_tool.rpm.spec import Making


@dataclass(frozen=True)
class SourcePlan:
    """What goes into a driver's source RPM besides its package: how it is compiled, its files and links, and the
    Module.symvers of other drivers."""

    driver: DriverSource
    items: Sequence[TreeItem]
    symbols: tuple[Node, ...] = ()


@dataclass(frozen=True)
class WriteSourceRpm(Step):
    """The source RPM of a driver. ``sources`` are those that are compiled, called as in the driver's folder, ``files``
    and ``others`` the contents of the package besides, ``symbols`` the Module.symvers of other drivers."""

    label: ClassVar[str] = "SourceRpm"
    uses: ClassVar[tuple[str, ...]] = ("rpmbuild",)
    modes: ClassVar[tuple[str, ...]] = ("sources", "symbols", "files", "others")

    package: Package
    driver: DriverSource
    payload: str
    time: int
    #: Links among the sources: path -> what it leads to.
    links: dict[str, str]
    #: Those that the build fills.
    folders: Folders = field(default=NO_FOLDERS, metadata=UNKEYED)

    def found(self) -> str:
        return self.folders.found()

    def run(self, inputs: Named, outputs: Named) -> None:
        top = f"{self.package.name}-{self.package.version}"
        sections = source_sections(self.driver, top, self.time)
        symbols = {f"{number}.symvers": path for number, path in enumerate(inputs.symbols)}
        making = Making(
            sections.head,
            (f"{top}.tar", *symbols),
            sections.prep,
            sections.build,
            sections.install,
            sections.file_list,
        )
        out: Path = outputs.rpm
        work = out.with_name(f".{out.name}.sources")
        work.mkdir(parents=True, exist_ok=True)
        try:
            tar = work / f"{top}.tar"
            write_source_tar(tar, top, inputs.sources, self.time, self.links)
            package, contents = self.folders.grown(self.package, {**inputs.files, **inputs.others})
            sources = {tar.name: tar, **symbols}
            write_source_rpm(package, contents, making, sources, out, payload=self.payload, time=self.time)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def plan_source_rpm(
    env: Any, package: Package, contents: Contents, plan: SourcePlan, built: Built, report: Report
) -> Node:
    """The source RPM: written only when something asks for it. ``package`` and ``contents`` are those of the RPM;
    the archive of modules among them is what the source RPM makes itself."""
    session().need("rpmbuild", "RPMs")
    node = env.File(out_path(env, "srpms", *path_of(built)[:-1], source_rpm_name(package)))
    if taken := session().claim_output(node, built.place, built.target):
        report(taken)
        return node
    package, contents = _without_modules(package, contents)
    links = {item.relative: item.link for item in plan.items if item.link}
    time = package.time(source_date_epoch())
    step = WriteSourceRpm(package, plan.driver, profile_of(env).payload, time, links)
    inputs = _inputs(package, contents, plan)
    add_step(env, step, inputs=inputs, outputs={"rpm": node})
    remove_older(env, node, f"source {slot_of(built)}")
    return node


def complete_source_rpm(
    node: Node, package: Package, contents: Contents, plan: SourcePlan, folders: Folders
) -> None:
    """Plan a source RPM anew when everything was read; see complete_package."""
    step = planned_of(node).step
    assert isinstance(step, WriteSourceRpm)  # it was planned by plan_source_rpm
    package, contents = _without_modules(package, contents)
    inputs = {**_inputs(package, contents, plan), "folders": folders.needs}
    replace_step(node, replace(step, package=package, folders=folders), inputs)


def _without_modules(package: Package, contents: Contents) -> tuple[Package, Contents]:
    """The package and its contents without the archives that compiling makes."""
    archives = {entry.source for entry in package.entries if entry.kind == "archive"}
    package = replace(package, entries=tuple(e for e in package.entries if e.kind != "archive"))
    return package, {name: content for name, content in contents.items() if name not in archives}


def _inputs(package: Package, contents: Contents, plan: SourcePlan) -> dict[str, Any]:
    return {
        "sources": {item.relative: item.node for item in plan.items if item.node is not None},
        "symbols": plan.symbols,
        **by_mode(package, contents),
    }


@dataclass(frozen=True)
class BuildRemotely(Step):
    """A driver's RPM as the rpmbuild of a kit on another machine makes it of the source RPM, and the symbols that its
    modules export."""

    label: ClassVar[str] = "Remote"
    shown: ClassVar[bool] = True

    #: What the kit is; not where it is.
    kit: dict[str, str]
    time: int
    remote: Reached = field(metadata=UNKEYED)
    facts: RemoteFacts = field(metadata=UNKEYED)
    memo: Path = field(metadata=UNKEYED)

    def run(self, inputs: Named, outputs: Named) -> None:
        said = build_remote(
            self.remote,
            self.facts,
            inputs.source_rpm,
            [outputs.rpm],
            time=self.time,
            memo=self.memo,
            symvers=outputs.symvers,
        )
        tell_warnings(outputs.rpm.stem, said)


@dataclass(frozen=True)
class TakeRemoteRpm(Step):
    """What a kit on another machine built, under its own name."""

    label: ClassVar[str] = "Copy"

    kit: dict[str, str]

    def run(self, inputs: Named, outputs: Named) -> None:
        (out,) = outputs.rpms
        copy_whole(inputs.rpm, out)


def plan_remote(
    env: Any, package: Package, source_rpm: Node, kit: Kit, built: Built, target: Any, report: Report
) -> tuple[NodeList, Modules]:
    """The RPM as the kit's own rpmbuild makes it of the source RPM, and the symbols that its modules export."""
    assert kit.remote is not None and kit.facts is not None  # asked by the caller
    folder, stem = path_of(built)[:-1], f"{package.name}-{kit.kernel}"
    names = {"rpm": built.identity.file_name, "symvers": f"{stem}.symvers"}
    step = BuildRemotely(
        kit.signature,
        package.time(source_date_epoch()),
        remote=kit.remote,
        facts=kit.facts,
        memo=kit.memo,
    )
    outputs = {what: out_path(env, "modules", *folder, name) for what, name in names.items()}
    made = add_step(env, step, inputs={"source_rpm": source_rpm}, outputs=outputs)
    remove_older(env, made.rpm, f"remote {slot_of(built)}")
    # The rules compare with it, who may run when the machine is off.
    env.Requires(made.rpm, fetched_symvers(env, kit))
    copy = TakeRemoteRpm(kit.signature)
    nodes = rpm_nodes(env, [built], {"rpm": made.rpm}, copy, target, report)
    return nodes, Modules(made.rpm, made.symvers)

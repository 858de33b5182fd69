"""The source RPM of a driver: for those who rebuild it, and for the kit elsewhere that compiles it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace
from SCons.Node import Node

from xspack_tool.ddk.source_rpm import DriverSource, source_sections, write_source_tar
from xspack_tool.model.package import Package
from xspack_tool.plan.node_record import planned_of
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.package import Contents, PlannedRpm, Report, by_mode, path_of, slot_of
from xspack_tool.plan.profile import profile_of
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import out_path, source_date_epoch
from xspack_tool.plan.sources import NO_FOLDERS, Folders, TreeItem
from xspack_tool.plan.step import Named, Step, add_step, replace_step
from xspack_tool.plan.writer import RPMBUILD
from xspack_tool.rpm.source import source_rpm_name, write_source_rpm
from xspack_tool.rpm.spec import Making, prose_problems


class SourcePlan(Struct, frozen=True):
    """What goes into a driver's source RPM besides its package: how it is compiled, its files and links, and the
    Module.symvers of other drivers."""

    driver: DriverSource
    items: Sequence[TreeItem]
    symbols: tuple[Node, ...] = ()


class WriteSourceRpm(Step, frozen=True):
    """The source RPM of a driver. ``sources`` are those that are compiled, called as in the driver's folder, ``files``
    and ``others`` the contents of the package besides, ``symbols`` the Module.symvers of other drivers."""

    label: ClassVar[str] = "SourceRpm"
    version: ClassVar[int] = 3
    uses: ClassVar[tuple[str, ...]] = RPMBUILD
    modes: ClassVar[tuple[str, ...]] = ("sources", "symbols", "files", "others")
    unkeyed: ClassVar[tuple[str, ...]] = ("folders",)

    package: Package
    driver: DriverSource
    payload: str
    time: int
    #: Links among the sources: path -> what it leads to.
    links: dict[str, str]
    #: Those that the build fills.
    folders: Folders = NO_FOLDERS

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
    env: Any, package: Package, contents: Contents, plan: SourcePlan, planned: PlannedRpm, report: Report
) -> Node:
    """The source RPM: written only when something asks for it. ``package`` and ``contents`` are those of the RPM;
    the archive of modules among them is what the source RPM makes itself."""
    session().need("rpmbuild", "RPMs")
    node = env.File(out_path(env, "srpms", *path_of(planned)[:-1], source_rpm_name(package)))
    if taken := session().claim_output(node, planned.place, planned.target):
        report(taken)
        return node
    package, contents = _without_modules(package, contents)
    # A declaration of its own: what rpmbuild would leave out here is in the RPM that xspack writes.
    with session().declaring(planned.target, planned.place) as own:
        own.checks.append(lambda: prose_problems(package))
        _add(env, node, package, contents, plan)
    remove_older(env, node, f"source {slot_of(planned)}")
    return node


def plan_kbuild_rpm(env: Any, place: Sequence[str], plan: SourcePlan) -> Node:
    """A source RPM that holds what is compiled and no more: what else the package says compiles nothing again."""
    session().need("rpmbuild", "drivers on a kit elsewhere")
    *folder, name = place
    package = Package(name, "1", "1", name, "none")
    names = ("modules", ".kbuild", *folder, plan.driver.kernel, source_rpm_name(package))
    node = env.File(out_path(env, *names))
    _add(env, node, package, {}, replace(plan, driver=replace(plan.driver, folder="/modules")))
    remove_older(env, node, f"modules {'/'.join(place)}.src.rpm")
    return node


def _add(env: Any, node: Node, package: Package, contents: Contents, plan: SourcePlan) -> None:
    links = {item.relative: item.link for item in plan.items if item.link}
    time = package.time(source_date_epoch())
    step = WriteSourceRpm(package, plan.driver, profile_of(env).payload, time, links)
    add_step(env, step, inputs=_inputs(package, contents, plan), outputs={"rpm": node})


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

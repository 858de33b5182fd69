"""The nodes of one package: its RPM, and that RPM signed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace
from SCons.Action import Action
from SCons.Builder import Builder
from SCons.Errors import BuildError
from SCons.Node import Node
from SCons.Util import NodeList, flatten

from xspack_tool.errors import Place, Problem
from xspack_tool.model.driver import DriverNotes
from xspack_tool.model.package import Identity, Package
from xspack_tool.plan.help import tell
from xspack_tool.plan.keys import SigningKey
from xspack_tool.plan.node_record import own_record, planned_of, record_of, rpm_of, step_of
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.profile import profile_of
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import out_path, source_date_epoch
from xspack_tool.plan.sources import NO_FOLDERS, Folders
from xspack_tool.plan.step import Named, Step, add_step, replace_step
from xspack_tool.plan.writer import WritingStep, writer_of, writer_when_read
from xspack_tool.run import work_folder

if TYPE_CHECKING:
    from xspack_tool.plan.ddk import Kit

Report = Callable[[list[Problem]], None]
#: The nodes of a package's contents by the names that its entries and scripts have for them.
Contents = Mapping[str, Node]


class PlannedRpm(Struct, frozen=True):
    """What is known of an RPM while reading, in the record of its node."""

    identity: Identity
    target: str
    place: Place
    waive: tuple[tuple[str, str], ...] = ()
    holds_modules: bool = False
    #: The kernels that an RPM made elsewhere has modules for, as far as reading tells.
    kernels: tuple[str, ...] = ()
    #: What its modules were compiled with.
    kit: Kit | None = None
    #: The folder below rpms/ that tells it from those of the same name for other kits.
    folder: str = ""
    #: What all RPMs of one driver provide, where their names differ by kernel.
    capability: str = ""
    #: Debug data is for developers: no pack holds it.
    is_debuginfo: bool = False
    #: What its sources and its kit tell, for the rules.
    notes: Callable[[], DriverNotes] | None = None


class Declared(Struct, frozen=True):
    """The whole declaration of an RPM, and its licence texts, in the record of its node."""

    package: Package
    licence_texts: tuple[Node, ...]


def broken_package(env: Any, name: str, needs: Sequence[Node] = ()) -> NodeList:
    """What a faulty declaration returns, so that reading continues: building it shows its mistakes, and
    those of what it ``needs``; nothing is ever built from it."""
    plain = re.sub(r"[^A-Za-z0-9_.+-]", "_", str(name))
    nodes = _FAULTY(env, out_path(env, "faulty", f"{plain}.{next(session().numbers)}"), list(needs))
    for node in nodes:
        own_record(node).is_broken = True
        env.NoCache(node)
        env.NoClean(node)
    return NodeList(nodes)


def _refuse(target: list[Node], source: list[Node], env: Any) -> BuildError:
    return BuildError(target, "its declaration is faulty, see above")


_FAULTY = Builder(action=Action(_refuse, None))


class WriteRpm(WritingStep, frozen=True):
    """The RPM of a declaration."""

    label: ClassVar[str] = "RPM"
    shown: ClassVar[str] = "terminal"
    version: ClassVar[int] = 2
    modes: ClassVar[tuple[str, ...]] = ("files",)
    unkeyed: ClassVar[tuple[str, ...]] = ("folders",)

    package: Package
    time: int
    #: Those that the build fills.
    folders: Folders = NO_FOLDERS

    def found(self) -> str:
        return self.folders.found()

    def is_apart(self) -> bool:
        return True

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.rpm.write import write_rpm

        package, contents = self.folders.grown(self.package, {**inputs.files, **inputs.others})
        (out,) = outputs.rpms
        write_rpm(package, contents, out, payload=self.payload, time=self.time, rpmbuild=self.by_rpmbuild)


class WriteRpmAndDebug(WriteRpm, frozen=True, kw_only=True):
    """The same with stripped programs, and the RPM of their debug data."""

    debug: Package

    def used(self) -> tuple[str, ...]:
        return (*super().used(), "strip", "pyelftools")

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.rpm.debug import split_debug
        from xspack_tool.rpm.write import write_rpm

        package, contents = self.folders.grown(self.package, {**inputs.files, **inputs.others})
        (out, out_debug) = outputs.rpms
        options: dict[str, Any] = {"payload": self.payload, "time": self.time, "rpmbuild": self.by_rpmbuild}
        with work_folder(out.with_name(f"{out.name}.apart")) as work:
            apart = split_debug(package, contents, self.debug, work.path)
            write_rpm(apart.debug, apart.debug_contents, out_debug, **options)
            write_rpm(package, apart.contents, out, **options)


def plan_package(
    env: Any,
    package: Package,
    contents: Contents,
    planned: PlannedRpm,
    target: Any,
    report: Report,
    *,
    debug: bool = False,
) -> NodeList:
    """The RPM of a declaration, and with ``debug`` that of the debug data of its programs."""
    payload = profile_of(env).payload
    common = (payload, writer_of(env, package, payload), package, package.time(source_date_epoch()))
    step, rpms = WriteRpm(*common), [planned]
    if debug:
        from xspack_tool.rpm.debug import PROGRAMS, debug_package

        for program in PROGRAMS:
            session().need(program, "debug data")
        apart = debug_package(package)
        step = WriteRpmAndDebug(*common, debug=apart)
        rpms.append(replace(planned, identity=apart.identity, is_debuginfo=True, capability=""))
    nodes = rpm_nodes(env, rpms, by_mode(package, contents), step, target, report)
    session().checks.append(lambda: _lost(nodes[0], package))
    return nodes


def _lost(node: Node, package: Package) -> list[Problem]:
    """What rpmbuild would lose of a package that it writes, asked when everything was read."""
    step = step_of(node)
    if not isinstance(step, WriteRpm) or not step.by_rpmbuild:
        return []
    from xspack_tool.rpm.spec import prose_problems

    return prose_problems(package)


def complete_package(node: Node, package: Package, contents: Contents, folders: Folders) -> list[Problem]:
    """Plan an RPM anew when everything was read: its folders are known now, or (``folders``) when they are built."""
    step = planned_of(node).step
    assert isinstance(step, WriteRpm)  # it was planned by plan_package
    inputs = {**by_mode(package, contents), "folders": folders.needs}
    if circles := _circles([node], inputs):
        return circles
    writer = writer_when_read(step, package)
    replace_step(node, replace(step, writer=writer, package=package, folders=folders), inputs)
    return []


def by_mode(package: Package, contents: Contents) -> dict[str, Contents]:
    """The contents of a package as inputs: ``files``, whose modes are in the RPM, and ``others``: a scriptlet's file
    has no mode there, nor does one whose mode is declared."""
    counts = {e.source for e in package.entries if e.kind == "file" and e.source and e.mode is None}
    return {
        "files": {name: node for name, node in contents.items() if name in counts},
        "others": {name: node for name, node in contents.items() if name not in counts},
    }


def output_node(env: Any, place: Any) -> Node:
    """The file that a place names: text, a node, or a list of one of them."""
    place = flatten([place])[0]
    return env.fs.Entry(env.subst(place)).disambiguate() if isinstance(place, str) else place


def rpm_nodes(
    env: Any, planned: list[PlannedRpm], inputs: Mapping[str, Any], step: Step, target: Any, report: Report
) -> NodeList:
    """The nodes of RPMs that one step makes, its output ``rpms``: claimed, and known to `-c` with their older
    versions. ``target`` is the place of the first, where the user names it."""
    places = [out_path(env, "rpms", *path_of(rpm)) for rpm in planned]
    if target:
        places = [target, *places[1:]]
    files = [output_node(env, place) for place in places]
    taken = [
        problem
        for rpm, node in zip(planned, files, strict=True)
        for problem in session().claim_output(node, rpm.place, rpm.target)
    ]
    taken += _circles(files, inputs)
    if taken:
        report(taken)
        return broken_package(env, next(iter(planned)).identity.name)
    nodes = add_step(env, step, inputs=inputs, outputs={"rpms": files}).rpms
    for rpm, node in zip(planned, nodes, strict=True):
        own_record(node).rpm = rpm
        remove_older(env, node, f"rpm {slot_of(rpm)}")
        tell(rpm.target, node)
    return NodeList(nodes)


def _circles(targets: list[Node], inputs: Mapping[str, Any]) -> list[Problem]:
    remedy = "keep what it is made of out of XSPACK_OUT"
    circles = set(targets) & set(flatten([_nodes(value) for value in inputs.values()]))
    return [Problem("target", str(node), "it would be made of itself", remedy) for node in circles]


def _nodes(value: Any) -> list[Node]:
    found: list[Node] = flatten([list(value.values()) if isinstance(value, Mapping) else value])
    return found


class SignRpm(Step, frozen=True):
    """An RPM with the signature of a key in place of any that it has."""

    label: ClassVar[str] = "Sign"
    waits: ClassVar[bool] = True
    version: ClassVar[int] = 2
    uses: ClassVar[tuple[str, ...]] = ("gpg",)
    unkeyed: ClassVar[tuple[str, ...]] = ("key",)

    key: SigningKey

    def run(self, inputs: Named, outputs: Named) -> None:
        from xspack_tool.rpm.read import read_build_time

        self.key.signer(inputs.key).sign_rpm(inputs.rpm, outputs.rpm, read_build_time(inputs.rpm))


def signed_rpm(env: Any, rpm: Node, key: SigningKey | None) -> Node:
    """The RPM as it goes onto the ISO: signed with ``key``, or as it is. Planned once for each key."""
    if key is None:
        return rpm
    signed: dict[tuple[str, str], Node] = env_cache(rpm, "signed")
    which = (key.node.get_abspath(), str(key.keyring))
    if which not in signed:
        place = env.File(out_path(env, "signed", key.name, *path_of(rpm_of(rpm))))
        planned = rpm_of(rpm)
        if taken := session().claim_output(place, planned.place, planned.target):
            session().problems.extend(taken)
            return rpm
        inputs = {"rpm": rpm, "key": key.node}
        signed[which] = add_step(env, SignRpm(key), inputs=inputs, outputs={"rpm": place}, cached=False).rpm
        own_record(signed[which]).key = key.name
        remove_older(env, signed[which], f"signed {key.name} {slot_of(rpm_of(rpm))}")
    return signed[which]


def identity_of(rpm: Node) -> Identity:
    """The NEVRA of an RPM node of ours."""
    planned: PlannedRpm = rpm_of(rpm)
    return planned.identity


def path_of(planned: PlannedRpm) -> list[str]:
    """The folder, where there is one, and the file name of an RPM."""
    return [*([planned.folder] if planned.folder else []), planned.identity.file_name]


def folder_of(rpm: Node) -> list[str]:
    """The folder that an RPM has of its own, in each place where something is made of it."""
    return path_of(rpm_of(rpm))[:-1]


def key_folder(signed: Node) -> list[str]:
    """The folder of what is made of a signed RPM: each key has one; none where it is unsigned."""
    key = record_of(signed).key
    return [key] if key else []


def slot_of(planned: PlannedRpm) -> str:
    """What an RPM is a version of; one of another architecture takes its place, too."""
    kind = ".src" if planned.identity.arch == "src" else ""
    return "/".join([*path_of(planned)[:-1], planned.identity.name + kind])


def env_cache(node: Node, what: str) -> dict[Any, Node]:
    """What was planned from a node already: a table kept on the node itself."""
    return own_record(node).derived.setdefault(what, {})

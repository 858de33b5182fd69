"""The nodes of one package: its RPM, that RPM signed, and its fragment of the index."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SCons.Node import Node
from SCons.Util import NodeList, flatten

from xspack_tool.errors import Place, Problem
from xspack_tool.model.package import Identity, Package
from xspack_tool.plan.help import tell
from xspack_tool.plan.keys import SigningKey
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.profile import out_path, profile_of, source_date_epoch
from xspack_tool.plan.session import session
from xspack_tool.plan.step import Paths, Step, add_step
from xspack_tool.plan.tools import version_of

if TYPE_CHECKING:
    from xspack_tool.plan.ddk import Kit

Report = Callable[[list[Problem]], None]


@dataclass(frozen=True)
class Built:
    """What is known of an RPM while reading: on its node as ``attributes.xspack``."""

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


@dataclass(frozen=True)
class Declared:
    """The whole declaration of an RPM, and its licence texts: on its node as ``attributes.xspack_declared``."""

    package: Package
    licence_texts: tuple[Node, ...]


def built_of(node: Node) -> Built | None:
    """What was declared of a node, None where it is not an RPM of ours."""
    return getattr(node.attributes, "xspack", None)


def source_rpm_of(rpm: Node) -> Node | None:
    """The source RPM of a driver's RPM."""
    return getattr(rpm.attributes, "xspack_source_rpm", None)


def broken_package(env: Any, name: str) -> NodeList:
    """What a faulty declaration returns, so that reading goes on; nothing is ever built from it."""
    plain = re.sub(r"[^A-Za-z0-9_.+-]", "_", name)
    node = env.File(out_path(env, "rpms", f"{plain}.faulty"))
    node.attributes.xspack_broken = True
    return NodeList([node])


def plan_package(
    env: Any, package: Package, inputs: list[Node], built: Built, target: Any, report: Report
) -> NodeList:
    """The RPM of a declaration, written by rpmbuild."""
    profile = profile_of(env)
    payload, time = profile.payload, package.time(source_date_epoch())

    def perform(targets: Paths, sources: Paths) -> None:
        from xspack_tool.rpm.write import write_rpm

        write_rpm(package, sources, targets[0], payload=payload, time=time)

    session().need("rpmbuild", "RPMs")
    facts = {"package": package, "payload": payload, "time": time, "rpmbuild": version_of(env, "rpmbuild")}
    # Each source stands once in SCons's list; the package's inputs may name one twice.
    unique = list(dict.fromkeys(inputs))
    order = [unique.index(node) for node in inputs]
    # A scriptlet's file has no mode in the RPM, nor does one whose mode is declared.
    entries = [entry for entry in package.entries if entry.has_input]
    modes = (
        number
        for number, entry in zip(order, entries, strict=False)
        if entry.kind == "file" and entry.mode is None
    )
    step = Step(
        "RPM",
        facts | {"inputs": order},
        lambda targets, sources: perform(targets, [sources[n] for n in order]),
        modes=frozenset(modes),
    )
    return rpm_nodes(env, [built], unique, step, target, report)


def output_node(env: Any, place: Any) -> Node:
    """The file that a place names: text, a node, or a list of one of them."""
    place = flatten([place])[0]
    return env.fs.Entry(env.subst(place)).disambiguate() if isinstance(place, str) else place


def rpm_nodes(
    env: Any, built: list[Built], sources: list[Node], step: Step, target: Any, report: Report
) -> NodeList:
    """The nodes of RPMs that one step makes, claimed, and known to `-c` with their older versions."""
    places = [target] if target else [out_path(env, "rpms", *path_of(one)) for one in built]
    files = [output_node(env, place) for place in places]
    taken = [
        problem
        for one, node in zip(built, files, strict=True)
        for problem in session().claim_output(node, one.place, one.target)
    ]
    remedy = "keep what it is made of out of XSPACK_OUT"
    circles = set(files) & set(sources)
    taken += [Problem("target", str(node), "it would be made of itself", remedy) for node in circles]
    if taken:
        report(taken)
        return broken_package(env, built[0].identity.name)
    nodes = add_step(env, files, sources, step)
    for one, node in zip(built, nodes, strict=True):
        node.attributes.xspack = one
        remove_older(env, node, f"rpm {slot_of(one)}")
        tell(one.target, node)
    return NodeList(nodes)


def signed_rpm(env: Any, rpm: Node, key: SigningKey | None) -> Node:
    """The RPM as it goes onto the ISO: signed with ``key``, or as it is. Planned once for each key."""
    if key is None:
        return rpm
    signed: dict[tuple[str, str], Node] = env_cache(rpm, "signed")
    which = (key.node.get_abspath(), str(key.home))
    if which not in signed:

        def perform(targets: Paths, sources: Paths) -> None:
            from xspack_tool.rpm.read import read_build_time

            key.signer(sources[1]).sign_rpm(sources[0], targets[0], read_build_time(sources[0]))

        session().need("rpmsign", "signing RPMs")
        step = Step("Sign", {"rpmsign": version_of(env, "rpmsign"), "gpg": version_of(env, "gpg")}, perform)
        place = env.File(out_path(env, "signed", key.name, *path_of(rpm.attributes.xspack)))
        built = rpm.attributes.xspack
        if taken := session().claim_output(place, built.place, built.target):
            session().problems += taken
            return rpm
        signed[which] = add_step(env, [place], [rpm, key.node], step, cached=False)[0]
        signed[which].attributes.xspack_key = key.name
        remove_older(env, signed[which], f"signed {key.name} {slot_of(rpm.attributes.xspack)}")
    return signed[which]


def fragment(env: Any, rpm: Node, signed: Node) -> Node:
    """The index fragment of a signed RPM; planned once."""
    fragments: dict[str, Node] = env_cache(signed, "fragment")
    if "" not in fragments:
        location = f"Packages/{identity_of(rpm).file_name}"

        def perform(targets: Paths, sources: Paths) -> None:
            from xspack_tool.repo.fragment import make_fragment

            write_whole(targets[0], make_fragment(sources[0], location).to_json())

        step = Step("Index", {"location": location, "createrepo_c": version_of(env, "createrepo_c")}, perform)
        folder = key_folder(signed)
        place = out_path(env, "index", *folder, *folder_of(rpm), f"{identity_of(rpm).file_name}.json")
        fragments[""] = add_step(env, [place], [signed], step)[0]
        remove_older(env, fragments[""], f"index {'/'.join(folder)} {slot_of(rpm.attributes.xspack)}")
    return fragments[""]


def identity_of(rpm: Node) -> Identity:
    """The NEVRA of an RPM node of ours."""
    built: Built = rpm.attributes.xspack
    return built.identity


def path_of(built: Built) -> list[str]:
    """The folder, where there is one, and the file name of an RPM."""
    return [*([built.folder] if built.folder else []), built.identity.file_name]


def folder_of(rpm: Node) -> list[str]:
    """The folder that an RPM has of its own, in each place where something is made of it."""
    return path_of(rpm.attributes.xspack)[:-1]


def key_folder(signed: Node) -> list[str]:
    """The folder of what is made of a signed RPM: each key has one; none where it is unsigned."""
    key = getattr(signed.attributes, "xspack_key", "")
    return [key] if key else []


def slot_of(built: Built) -> str:
    """What an RPM is a version of; one of another architecture takes its place, too."""
    kind = ".src" if built.identity.arch == "src" else ""
    return "/".join([*path_of(built)[:-1], built.identity.name + kind])


def env_cache(node: Node, what: str) -> dict[Any, Node]:
    """What was planned from a node already: a table kept on the node itself."""
    tables: dict[str, dict[Any, Node]] = node.attributes.__dict__.setdefault("xspack_planned", {})
    return tables.setdefault(what, {})


def write_whole(path: Path, text: str) -> None:
    """Write a text so that it appears whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)

"""The nodes of a driver's modules: what kbuild makes, in one archive, and the symbols it exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SCons.Script
from SCons.Node import Node

from xspack_tool.ddk.kbuild import Outputs, build_modules
from xspack_tool.ddk.modules import ModuleKey
from xspack_tool.ddk.request import Compiler, KbuildRequest
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.errors import Place, Problem
from xspack_tool.plan.outputs import journal_of, remove_older
from xspack_tool.plan.profile import out_path
from xspack_tool.plan.session import session
from xspack_tool.plan.sources import TreeItem
from xspack_tool.plan.step import Paths, Step, add_step


@dataclass(frozen=True)
class SigningPair:
    """What signs modules. The certificate tells keys apart; the private key is read while building, and
    neither it nor anything made of it goes into a signature or a cache."""

    key: Path
    certificate: Node


@dataclass(frozen=True)
class ModulePlan:
    """What a driver is compiled with. ``expected`` are modules that must result."""

    tree: KernelTree
    request: KbuildRequest
    symbols: tuple[Node, ...]
    compiler: Compiler
    expected: tuple[str, ...] = ()
    debuginfo: bool = False
    sign: SigningPair | None = None


@dataclass(frozen=True)
class Modules:
    """The nodes that compiling a driver makes: archives of modules and of their debug data, the symbols."""

    tar: Node
    symvers: Node
    debuginfo: Node | None = None


def claim_modules(env: Any, place: Sequence[str], kernel: str, declared: Place, target: str) -> list[Problem]:
    """A Problem if another declaration compiles a driver of this name for this kernel."""
    node = env.File(out_path(env, "modules", *place[:-1], f"{place[-1]}-{kernel}.tar"))
    return session().claim_output(node, declared, target)


def plan_modules(env: Any, place: Sequence[str], items: Sequence[TreeItem], plan: ModulePlan) -> Modules:
    """Compile the sources ``items``: kbuild runs on a staged copy that is kept for the next time. ``place`` is
    the driver's own name below modules/."""
    files = {item.relative: item.node for item in items if item.node is not None}
    # Each source stands once in SCons's list; two links may lead to one.
    unique = list(dict.fromkeys(files.values()))
    numbers = {name: unique.index(node) for name, node in files.items()}
    links = {item.relative: item.link for item in items if item.link}
    *folder, name = place
    stem = f"{name}-{plan.tree.kernel}"
    work = Path(env.Dir(out_path(env, "modules", ".work", *folder, stem)).get_abspath())
    jobs = int(SCons.Script.GetOption("num_jobs"))
    count = len(plan.symbols)

    def perform(targets: Paths, sources: Paths) -> None:
        more = sources[len(unique) :]
        build_modules(
            plan.tree,
            {name: sources[number] for name, number in numbers.items()},
            work,
            Outputs(*targets),
            request=plan.request,
            extra_symbols=more[:count],
            jobs=jobs,
            compiler_prefix=plan.compiler.prefix,
            sign_key=ModuleKey(plan.sign.key, more[count]) if plan.sign else None,
            expected=plan.expected,
            links=links,
        )

    for program in ("make", "strip"):
        session().need(program, "kernel modules")
    facts = {
        "kernel": [plan.tree.kernel, plan.tree.arch, plan.tree.digest],
        "compiler": plan.compiler,
        "request": plan.request,
        "names": numbers,
        "links": links,
        "expected": plan.expected,
        "signed": plan.sign is not None,
        "debuginfo": plan.debuginfo,
    }
    endings = ["tar", "symvers", *(["debug.tar"] if plan.debuginfo else [])]
    targets = [out_path(env, "modules", *folder, f"{stem}.{ending}") for ending in endings]
    if plan.request.prepare:
        session().need("bwrap", "prepare= of a driver")
    sources = [*unique, *plan.symbols, *([plan.sign.certificate] if plan.sign else [])]
    nodes = add_step(env, targets, sources, Step("Modules", facts, perform, modes=True))
    for node, ending in zip(nodes, endings, strict=True):
        remove_older(env, node, f"modules {'/'.join(place)}.{ending}")
    env.Clean(nodes[0], str(work))
    journal_of(env).keep(work)
    return Modules(*nodes)

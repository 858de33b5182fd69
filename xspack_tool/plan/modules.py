"""The nodes of a driver's modules: what kbuild makes, in one archive, and the symbols it exports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SCons.Script
from SCons.Node import Node

from xspack_tool.ddk.kbuild import Outputs, build_modules
from xspack_tool.ddk.request import Compiler, KbuildRequest
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.plan.profile import out_path
from xspack_tool.plan.session import session
from xspack_tool.plan.sources import walk
from xspack_tool.plan.step import Paths, Step, add_step


@dataclass(frozen=True)
class ModulePlan:
    """What a driver is compiled with."""

    tree: KernelTree
    request: KbuildRequest
    symbols: tuple[Node, ...]
    compiler: Compiler


@dataclass(frozen=True)
class Modules:
    """The nodes that compiling a driver makes."""

    tar: Node
    symvers: Node


def plan_modules(env: Any, name: str, folder: Node, plan: ModulePlan) -> Modules:
    """Compile the sources below ``folder``: kbuild runs on a staged copy that is kept for the next time."""
    items = [item for item in walk(folder) if item.node is not None]
    names = [item.relative for item in items]
    stem = f"{name}-{plan.tree.kernel}"
    work = Path(env.Dir(out_path(env, "modules", ".work", stem)).get_abspath())
    jobs = int(SCons.Script.GetOption("num_jobs"))

    def perform(targets: Paths, sources: Paths) -> None:
        build_modules(
            plan.tree,
            dict(zip(names, sources, strict=False)),
            work,
            Outputs(modules=targets[0], symvers=targets[1]),
            request=plan.request,
            extra_symbols=sources[len(names) :],
            jobs=jobs,
            compiler_prefix=plan.compiler.prefix,
        )

    for program in ("make", "strip"):
        session().need(program, "kernel modules")
    facts = {
        "kernel": [plan.tree.kernel, plan.tree.arch, plan.tree.digest],
        "compiler": plan.compiler,
        "request": plan.request,
        "names": names,
    }
    targets = [out_path(env, "modules", f"{stem}.tar"), out_path(env, "modules", f"{stem}.symvers")]
    step = Step("Modules", facts, perform)
    tar, symvers = add_step(env, targets, [*(item.node for item in items), *plan.symbols], step)
    env.Clean(tar, str(work))
    return Modules(tar, symvers)

"""The nodes of a driver's modules: what kbuild makes, in one archive, and the symbols it exports."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import SCons.Node.FS
import SCons.Script
from msgspec import Struct
from SCons.Node import Node

from xspack_tool.ddk.compile_commands import write_compile_commands
from xspack_tool.ddk.kbuild import COMMANDS, build_modules, warning_lines
from xspack_tool.ddk.module_key import TOKEN, ModuleKey
from xspack_tool.ddk.modules import Outputs, modules_in
from xspack_tool.ddk.request import Compiler, KbuildRequest
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.ddk.variant import INFO, Variant, note_object
from xspack_tool.errors import Place, Problem, system_words
from xspack_tool.files import write_whole
from xspack_tool.plan.ahead import loading_for_driver
from xspack_tool.plan.outputs import journal_of, remove_older
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import out_path
from xspack_tool.plan.sources import TreeItem
from xspack_tool.plan.step import Named, Step, add_step

#: So many steps must be left to worker processes in a build that compiles a driver. What steps need is loaded here
#: meanwhile; each process would load it again, on the cores that compile.
_WORTH_LOADING = 40


class SigningPair(Struct, frozen=True):
    """What signs modules. The certificate tells keys apart; the private key is read while building, and
    neither it nor anything made of it goes into a signature or a cache."""

    #: The path of its file, or its URI in a token.
    key: str
    certificate: Node


class ModulePlan(Struct, frozen=True):
    """What a driver is compiled with. ``expected`` are modules that must result."""

    tree: KernelTree
    request: KbuildRequest
    symbols: tuple[Node, ...]
    compiler: Compiler
    expected: tuple[str, ...] = ()
    debuginfo: bool = False
    sign: SigningPair | None = None


class Modules(Struct, frozen=True):
    """The nodes that compiling a driver makes: archives of modules and of their debug data, the symbols."""

    tar: Node
    symvers: Node
    debuginfo: Node | None = None


def claim_modules(env: Any, place: Sequence[str], kernel: str, declared: Place, target: str) -> list[Problem]:
    """A Problem if another declaration compiles a driver of this name for this kernel."""
    node = env.File(out_path(env, "modules", *place[:-1], f"{place[-1]}-{kernel}.tar"))
    return session().claim_output(node, declared, target)


class CompileModules(Step, frozen=True):
    """What kbuild makes, on a staged copy that is kept for the next time. Its inputs ``sources`` are called as in the
    driver's folder."""

    label: ClassVar[str] = "Modules"
    version: ClassVar[int] = 2
    modes: ClassVar[tuple[str, ...]] = ("sources", "symbols", "certificate")
    unkeyed: ClassVar[tuple[str, ...]] = ("tree", "work", "jobs", "private_key")

    #: Kernel, architecture and digest of the kernel build tree.
    kernel: tuple[str, str, str]
    compiler: Compiler
    request: KbuildRequest
    expected: tuple[str, ...]
    debuginfo: bool
    #: Links among the sources: path -> what it leads to.
    links: dict[str, str]
    tree: KernelTree
    work: Path
    jobs: int
    #: Never in a key, nor anything made of it: the certificate tells keys apart.
    private_key: str | None

    def used(self) -> tuple[str, ...]:
        return tools_for(self.private_key)

    def run(self, inputs: Named, outputs: Named) -> None:
        symbols = ("xspack_tool.rules.families.kernel", "symbol_versions", self.tree.symvers)
        with loading_for_driver(bool(session().workers), symbols, *session().ahead):
            result = build_modules(
                self.tree,
                inputs.sources,
                self.work,
                named_outputs(outputs, self.debuginfo),
                request=self.request,
                extra_symbols=inputs.symbols,
                jobs=self.jobs,
                compiler=self.compiler,
                sign_key=signing_key(self.private_key, inputs),
                expected=self.expected,
                links=self.links,
            )
        tell_warnings(outputs.modules.stem, result.log)


def tools_for(private_key: str | None) -> tuple[str, ...]:
    """What finishes modules: strips them and, with a key, signs them."""
    if not private_key:
        return ("strip",)
    return ("strip", "cryptography", *(["openssl"] if private_key.startswith(TOKEN) else []))


def signing_key(private_key: str | None, inputs: Named, digest: str = "") -> ModuleKey | None:
    """The key of a step with the input ``certificate``."""
    certificate: Path | None = next(iter(inputs.certificate), None)
    return ModuleKey(private_key, certificate, digest) if private_key and certificate else None


def named_outputs(outputs: Named, debuginfo: bool) -> Outputs:
    """The outputs of a step that :func:`add_modules` planned."""
    return Outputs(outputs.modules, outputs.symvers, outputs.debuginfo if debuginfo else None)


def tell_warnings(name: str, said: str) -> None:
    """Show what kbuild and the compiler warn of."""
    for line in warning_lines(said):
        sys.stderr.write(f"xspack: {name}: {line}\n")


def plan_modules(env: Any, place: Sequence[str], items: Sequence[TreeItem], plan: ModulePlan) -> Modules:
    """Compile the sources ``items``. ``place`` is the driver's own name below modules/."""
    work = work_of(env, place, plan.tree.kernel)
    for program in ("make", "strip"):
        session().need(program, "kernel modules")
    session().workers.least = _WORTH_LOADING
    if plan.request.prepare:
        session().need("bwrap", "prepare= of a driver")
    step = CompileModules(
        (plan.tree.kernel, plan.tree.arch, plan.tree.digest),
        plan.compiler,
        plan.request,
        plan.expected,
        plan.debuginfo,
        {item.relative: item.link for item in items if item.link},
        tree=plan.tree,
        work=work,
        jobs=int(SCons.Script.GetOption("num_jobs")),
        private_key=plan.sign.key if plan.sign else None,
    )
    inputs = {
        "sources": {item.relative: item.node for item in items if item.node is not None},
        "symbols": plan.symbols,
        "certificate": [plan.sign.certificate] if plan.sign else [],
    }
    return add_modules(env, place, plan.tree.kernel, step, inputs, debuginfo=plan.debuginfo)


def work_of(env: Any, place: Sequence[str], kernel: str) -> Path:
    """The folder that is kept for the next time."""
    *folder, name = place
    return Path(env.Dir(out_path(env, "modules", ".work", *folder, f"{name}-{kernel}")).get_abspath())


def add_modules(
    env: Any, place: Sequence[str], kernel: str, step: Step, inputs: dict[str, Any], *, debuginfo: bool
) -> Modules:
    """Plan a step that compiles, with its outputs ``modules``, ``symvers`` and, if it is asked for, ``debuginfo``."""
    *folder, name = place
    work = work_of(env, place, kernel)
    endings = {"modules": "tar", "symvers": "symvers", **({"debuginfo": "debug.tar"} if debuginfo else {})}
    outputs = {
        what: env.File(out_path(env, "modules", *folder, f"{name}-{kernel}.{end}"))
        for what, end in endings.items()
    }
    made = add_step(env, step, inputs=inputs, outputs=outputs)
    for what, ending in endings.items():
        remove_older(env, outputs[what], f"modules {'/'.join(place)}.{ending}")
    env.Clean(made.modules, str(work))
    journal_of(env).keep(work)
    _join_commands(env, made.modules, work)
    return Modules(made.modules, made.symvers, made.debuginfo if debuginfo else None)


class WriteNote(Step, frozen=True):
    """The object file with the note of a variant, which kbuild links into each module."""

    label: ClassVar[str] = "Note"
    version: ClassVar[int] = 2

    variant: str
    arch: str

    def run(self, inputs: Named, outputs: Named) -> None:
        write_whole(outputs.note, note_object(self.variant, self.arch))


class WriteInfo(Step, frozen=True):
    """info.json of a variant, with the devices that its compiled modules claim."""

    label: ClassVar[str] = "Info"
    uses: ClassVar[tuple[str, ...]] = ("pyelftools", "zstandard")

    variant: Variant

    def run(self, inputs: Named, outputs: Named) -> None:
        modules = sorted(modules_in(inputs.modules), key=lambda module: module.file)
        write_whole(outputs.info, self.variant.info_json(modules))


def plan_note(env: Any, place: Sequence[str], variant: Variant, arch: str) -> Node:
    """The object with the note of a variant."""
    out = out_path(env, "modules", *place[:-1], f"{place[-1]}-note.o")
    node: Node = add_step(env, WriteNote(variant.variant, arch), inputs={}, outputs={"note": out}).note
    return node


def plan_info(env: Any, place: Sequence[str], variant: Variant, modules: Node) -> Node:
    """info.json of the modules in an archive."""
    out = out_path(env, "modules", *place[:-1], f"{place[-1]}-{INFO}")
    inputs = {"modules": modules}
    node: Node = add_step(env, WriteInfo(variant), inputs=inputs, outputs={"info": out}).info
    return node


def _tell_editors(target: Path, parts: list[Path]) -> None:
    """Nobody's build depends on it."""
    try:
        lost = write_compile_commands(target, parts)
    except OSError as error:
        sys.stderr.write(f"xspack: {target.name}: {system_words(error)}\n")
        return
    for part in lost:
        name = os.path.relpath(part, SCons.Node.FS.get_default_fs().Top.get_abspath())
        sys.stderr.write(
            f"xspack: {name}: damaged; editors are told of its driver when it is compiled again\n"
        )


def _join_commands(env: Any, modules: Node, work: Path) -> None:
    """Have editors told how each driver's sources are compiled, in one file below XSPACK_OUT, where clangd looks."""
    target = Path(env.File(out_path(env, COMMANDS)).get_abspath())
    env.Clean(modules, str(target))
    parts = session().compile_commands.setdefault(str(target), [])
    if not parts and not any(map(SCons.Script.GetOption, ("clean", "no_exec", "help"))):
        session().at_end.append(lambda: _tell_editors(target, parts))
    parts.append(work / COMMANDS)

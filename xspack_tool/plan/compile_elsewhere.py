"""The nodes of a driver's modules where a kit elsewhere compiles them: on a machine, in a folder or in an image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from xspack_tool.ddk.kbuild import COMMANDS
from xspack_tool.ddk.modules import finish_modules
from xspack_tool.ddk.remote import Reached, RemoteFacts, compile_remote
from xspack_tool.files import write_whole
from xspack_tool.plan.ddk import Kit, fetched_symvers
from xspack_tool.plan.modules import (
    Modules,
    SigningPair,
    add_modules,
    named_outputs,
    signing_key,
    tell_warnings,
    tools_for,
    work_of,
)
from xspack_tool.plan.session import session
from xspack_tool.plan.source_rpm import SourcePlan, plan_kbuild_rpm
from xspack_tool.plan.step import Named, Step
from xspack_tool.run import work_folder


class CompileElsewhere(Step, frozen=True):
    """What kbuild makes on a kit elsewhere, of a source RPM that holds what is compiled and no more; it is stripped and
    signed here, so that no key travels."""

    label: ClassVar[str] = "Remote"
    modes: ClassVar[tuple[str, ...]] = ("certificate",)
    unkeyed: ClassVar[tuple[str, ...]] = ("remote", "facts", "cache_file", "work", "sources", "private_key")

    #: What the kit is; not where it is.
    kit: dict[str, str]
    debuginfo: bool
    #: Modules that keep their debug data.
    unstripped: tuple[str, ...]
    compiler_prefix: str
    remote: Reached
    facts: RemoteFacts
    cache_file: Path
    work: Path
    #: The user's own files by their names in the driver's folder, for editors.
    sources: dict[str, Path]
    private_key: str | None

    def used(self) -> tuple[str, ...]:
        return tools_for(self.private_key)

    def run(self, inputs: Named, outputs: Named) -> None:
        with work_folder(outputs.modules) as work:
            made = compile_remote(
                self.remote,
                self.facts,
                inputs.source_rpm,
                work.path,
                cache_file=self.cache_file,
                sources=self.sources,
                name=outputs.modules.stem,
                compiler_prefix=self.compiler_prefix,
            )
            finished = finish_modules(
                made.modules,
                work.path / "finished",
                debug=self.debuginfo,
                sign_key=signing_key(self.private_key, inputs, self.facts.signed_by),
                unstripped=self.unstripped,
            )
            named_outputs(outputs, self.debuginfo).write(finished, made.symvers)
        write_whole(self.work / COMMANDS, json.dumps(made.commands))
        tell_warnings(outputs.modules.stem, made.said)


def plan_modules_elsewhere(
    env: Any, place: Sequence[str], plan: SourcePlan, kit: Kit, *, prefix: str, sign: SigningPair | None
) -> Modules:
    """Have the kit compile a driver. ``place`` is the driver's own name below modules/, ``prefix`` ccache or distcc."""
    assert kit.remote is not None and kit.facts is not None  # asked by the caller
    session().need("strip", "kernel modules")
    step = CompileElsewhere(
        kit.signature,
        plan.driver.debug,
        plan.driver.request.unstripped,
        prefix,
        remote=kit.remote,
        facts=kit.facts,
        cache_file=kit.cache_file,
        work=work_of(env, place, kit.kernel),
        sources={
            item.relative: Path(item.node.get_abspath()) for item in plan.items if item.node is not None
        },
        private_key=sign.key if sign else None,
    )
    inputs = {
        "source_rpm": plan_kbuild_rpm(env, place, plan),
        "certificate": [sign.certificate] if sign else [],
    }
    modules = add_modules(env, place, kit.kernel, step, inputs, debuginfo=plan.driver.debug)
    # The rules compare with it, who may run when the machine is off.
    env.Requires(modules.tar, fetched_symvers(env, kit))
    return modules

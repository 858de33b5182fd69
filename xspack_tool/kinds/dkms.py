"""A dkms.conf as the source of a driver's keywords."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, convert, field
from msgspec.structs import replace

from xspack_tool.ddk.dkms import SCHEMA, DkmsConf, excluded, matches, parse_dkms
from xspack_tool.ddk.request import KbuildRequest
from xspack_tool.errors import BadInput, Problem
from xspack_tool.kinds import validators
from xspack_tool.model.canonical import plain
from xspack_tool.plan.read_cache import read_file_cached
from xspack_tool.plan.scons import built_problems
from xspack_tool.plan.session import session
from xspack_tool.plan.sources import is_dir, nodes_of


class DkmsFields(Struct, frozen=True):
    """What a dkms.conf says: as keywords of env.KernelModule, the modules that it promises, and what differs from
    kit to kit."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    said: DkmsConf | None = None
    file: str = ""

    def with_given(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The keywords that the user gives, which have the last word; tables are joined."""
        found = {**self.defaults, **given}
        for name, value in self.defaults.items():
            if isinstance(value, dict) and isinstance(given.get(name), dict):
                found[name] = {**value, **given[name]}
        return found

    @property
    def not_run(self) -> tuple[str, ...]:
        """The file, and its directives whose programs are not run; empty where there are none."""
        return (self.file, *self.said.not_run) if self.said and self.said.not_run else ()

    def request(self, request: KbuildRequest, kernel: str) -> KbuildRequest:
        """What is asked of kbuild, with what the dkms.conf says besides its keywords: make is called at the top of
        the sources, patches are applied, then PRE_BUILD is run, and the modules that it names are packaged."""
        said = self.said
        if said is None:
            return request
        patches = [patch.name for patch in said.patches if matches(patch.kernels, kernel)]
        commands: list[tuple[str, ...]] = [
            ("patch", "-p1", "-s", "-i", f"patches/{name}") for name in patches
        ]
        commands += [said.prepare] if said.prepare else []
        return replace(
            request,
            work_dir="",
            prepare=(*commands, *request.prepare),
            modules=request.modules or (self.modules if said.names_all else ()),
            own_makes=said.own_makes if request.kbuild_dirs == said.kbuild_dirs else (),
            unstripped=said.unstripped,
        )

    def problems(self, kernel: str, arch: str, config: Callable[[str], str | None] | None) -> list[Problem]:
        """Why the dkms.conf is not for a kit, as it says itself."""
        rule = excluded(self.said.exclusive, kernel, arch, config) if self.said else ""
        remedy = "leave this kit out, or give version=, kbuild_dir= and the like instead of dkms="
        return [Problem("dkms", self.file, rule, remedy)] if rule else []


def read_dkms(env: Any, value: Any) -> tuple[DkmsFields, list[Problem]]:
    """The fields of the file that dkms= names; none where it names none. A directive that changes what is built and is
    not supported is reported as a mistake."""
    if value is None or validators.text_problems("", value) or not validators.FILE.holds(value):
        return DkmsFields(), []
    node = nodes_of(env, value)[0]
    session().checks.append(
        lambda: built_problems("dkms", node, "commit it, or give version=, kbuild_dir= and the like")
    )
    if is_dir(node) or not node.exists():
        return DkmsFields(), [Problem("dkms", str(node), "no such file", "name the driver's dkms.conf")]
    try:
        said = convert(read_file_cached(env, node, f"dkms {SCHEMA}", _read), DkmsConf)
    except BadInput as error:
        return DkmsFields(), [
            Problem("dkms", str(node), error.why, "give version=, kbuild_dir= and the like")
        ]
    fields = {
        # A dash would begin the release of an RPM.
        "version": said.version.replace("-", "_"),
        "source": node.dir,
        "kbuild_dir": list(said.kbuild_dirs),
        "make_variables": dict(said.make_variables),
        "kconfig": dict(said.config),
    }
    remedy = "do what it does with prepare=, and give kbuild_dir= and make_variables= instead of dkms="
    problems = [Problem("dkms", str(node), f"its {refused}", remedy) for refused in said.refused]
    modules = tuple(posixpath.basename(module.name) for module in said.modules)
    return DkmsFields(
        {key: value for key, value in fields.items() if value}, modules, said, str(node)
    ), problems


def _read(path: Path) -> Any:
    return plain(parse_dkms(path.read_text(encoding="utf-8", errors="replace"), path))

"""``env.SpecRpm``: RPMs from a spec of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from xspack_tool.errors import Problem, StepError
from xspack_tool.kinds import validators
from xspack_tool.kinds.base import Field, Kind, listed
from xspack_tool.model.package import Identity
from xspack_tool.plan.memo import remembered
from xspack_tool.plan.outputs import remove_older
from xspack_tool.plan.package import Built, broken_package, rpm_nodes
from xspack_tool.plan.profile import out_path, profile_of, source_date_epoch
from xspack_tool.plan.session import session
from xspack_tool.plan.sources import exists, file_problems, nodes_of
from xspack_tool.plan.step import Named, Step, add_step
from xspack_tool.plan.tools import version_of
from xspack_tool.rpm.user_spec import build_spec, query_spec, source_spec_name, write_spec_source


@dataclass(frozen=True)
class BuildSpec(Step):
    """The RPMs that rpmbuild makes of a spec."""

    label: ClassVar[str] = "SpecRpm"
    uses: ClassVar[tuple[str, ...]] = ("rpmbuild",)
    modes: ClassVar[tuple[str, ...]] = ("spec", "sources")

    defines: dict[str, str]
    #: What the spec and its sources are called: rpmbuild looks for them by these.
    names: tuple[str, ...]
    payload: str
    epoch: int | None

    def run(self, inputs: Named, outputs: Named) -> None:
        build_spec(
            inputs.spec,
            inputs.sources,
            tuple(self.defines.items()),
            outputs.rpms,
            payload=self.payload,
            source_date_epoch=self.epoch,
        )


@dataclass(frozen=True)
class WriteSpecSource(Step):
    """The source RPM of a spec."""

    label: ClassVar[str] = "SourceRpm"
    uses: ClassVar[tuple[str, ...]] = ("rpmbuild",)
    modes: ClassVar[tuple[str, ...]] = ("spec", "sources")

    defines: dict[str, str]
    names: tuple[str, ...]
    payload: str
    epoch: int | None

    def run(self, inputs: Named, outputs: Named) -> None:
        write_spec_source(
            inputs.spec,
            inputs.sources,
            tuple(self.defines.items()),
            outputs.rpm,
            payload=self.payload,
            source_date_epoch=self.epoch,
        )


class SpecRpm(Kind):
    """The RPMs that rpmbuild makes of a spec: each sub-package is a node, debuginfo is left out.

    Of macros it knows rpm's own and ``defines``, none of the build machine's; one that is left in a scriptlet is an
    error (rule S8). BuildRequires are not looked up: what is lacking shows when the spec is built.
    """

    FIELDS: ClassVar[Mapping[str, Field]] = {
        "sources": Field("files that the spec names as Source and Patch", None, validators.FILES),
        "defines": Field("macro -> value, for rpmbuild --define", None, validators.PLAIN_TABLE),
        "waive": Field("rule id -> why it does not hold here"),
    }

    def __init__(self, env: Any, name: Any, given: dict[str, Any], place: Any) -> None:
        super().__init__(env, str(name), given, place)
        self.spec = nodes_of(env, name)[0]

    def declare(self) -> Any:
        sources = nodes_of(self.env, listed(self.given["sources"]))
        problems = [*self.problems, *self._problems(sources)]
        made: list[tuple[Identity, tuple[str, ...]]] = []
        session().need("rpmbuild", "RPMs")
        if session().need("rpmspec", "specs") and not problems:
            try:
                made = self._made()
            except StepError as error:
                problems.append(Problem("", self.name, str(error), "correct the spec, or give defines="))
        if problems or not made:
            self.report(problems)
            return broken_package(self.env, Path(self.name).stem)
        return self._plan(made, sources)

    @property
    def _defines(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((str(key), str(value)) for key, value in (self.given["defines"] or {}).items()))

    def _problems(self, sources: list[Any]) -> list[Problem]:
        problems = []
        if self.spec.has_builder() or not exists(self.spec):
            rule = "no such spec; it must be there while the SConstruct is read"
            problems.append(Problem("", self.name, rule, "correct the name"))
        session().checks.append(lambda: self._missing(sources))
        names = [node.name for node in sources]
        for name in sorted({name for name in names if names.count(name) > 1}):
            problems.append(Problem("sources", name, "two sources of one name", "rename one of them"))
        return problems

    def _missing(self, sources: list[Any]) -> list[Problem]:
        found = [problem for node in sources for problem in file_problems("sources", node)]
        return [problem.at(self.place, self.target) for problem in found]

    def _made(self) -> list[tuple[Identity, tuple[str, ...]]]:
        """The RPMs that the spec makes, with the kernels that each requires."""
        path = Path(self.spec.get_abspath())
        state = [
            path.read_text(encoding="utf-8", errors="replace"),
            self._defines,
            version_of(self.env, "rpmbuild"),
        ]
        state = [state[0], [list(pair) for pair in self._defines], state[2]]
        found = remembered(self.env, f"RPMs of {path}", state, lambda: query_spec(path, self._defines))
        return [(Identity(**identity), tuple(kernels)) for identity, kernels in found]

    def _plan(self, made: list[tuple[Identity, tuple[str, ...]]], sources: list[Any]) -> Any:
        waive = self.waived()
        built = [
            Built(identity, self.target, self.place, waive=waive, kernels=kernels)
            for identity, kernels in made
        ]
        step = BuildSpec(
            dict(self._defines),
            (self.spec.name, *(node.name for node in sources)),
            profile_of(self.env).payload,
            source_date_epoch(),
        )
        inputs = {"spec": self.spec, "sources": sources}
        nodes = rpm_nodes(self.env, built, inputs, step, None, self.report)
        source = self._source_rpm(step, inputs)
        for node in nodes:
            node.attributes.xspack_source_rpm = source
        return nodes

    def _source_rpm(self, binary: BuildSpec, inputs: dict[str, Any]) -> Any:
        """The source RPM, written only when something asks for it."""
        path = Path(self.spec.get_abspath())
        state = [path.read_text(encoding="utf-8", errors="replace"), [list(pair) for pair in self._defines]]
        name = remembered(
            self.env,
            f"source of {path}",
            [*state, version_of(self.env, "rpmbuild")],
            lambda: source_spec_name(path, self._defines),
        )
        node = self.env.File(out_path(self.env, "srpms", name))
        if taken := session().claim_output(node, self.place, self.target):
            self.report(taken)
            return node
        step = WriteSpecSource(binary.defines, binary.names, binary.payload, binary.epoch)
        add_step(self.env, step, inputs=inputs, outputs={"rpm": node})
        remove_older(self.env, node, f"source of {self.spec}")
        return node

"""``env.SpecRpm``: RPMs from a spec of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
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
from xspack_tool.plan.step import Paths, Step, add_step
from xspack_tool.plan.tools import version_of
from xspack_tool.rpm.user_spec import build_spec, query_spec, source_spec_name, write_spec_source


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
        defines, epoch = self._defines, source_date_epoch()
        payload = profile_of(self.env).payload

        def perform(targets: Paths, paths: Paths) -> None:
            build_spec(paths[0], paths[1:], defines, targets, payload=payload, source_date_epoch=epoch)

        waive = self.waived()
        built = [
            Built(identity, self.target, self.place, waive=waive, kernels=kernels)
            for identity, kernels in made
        ]
        names = [node.name for node in sources]
        facts = {
            "defines": dict(defines),
            "names": [self.spec.name, *names],
            "payload": payload,
            "epoch": epoch,
            "rpmbuild": version_of(self.env, "rpmbuild"),
        }
        step = Step("SpecRpm", facts, perform, modes=True)
        nodes = rpm_nodes(self.env, built, [self.spec, *sources], step, None, self.report)
        source = self._source_rpm(facts, sources)
        for node in nodes:
            node.attributes.xspack_source_rpm = source
        return nodes

    def _source_rpm(self, facts: dict[str, Any], sources: list[Any]) -> Any:
        """The source RPM, written only when something asks for it."""
        defines, epoch, payload = self._defines, facts["epoch"], facts["payload"]
        path = Path(self.spec.get_abspath())
        state = [path.read_text(encoding="utf-8", errors="replace"), [list(pair) for pair in defines]]
        name = remembered(
            self.env,
            f"source of {path}",
            [*state, facts["rpmbuild"]],
            lambda: source_spec_name(path, defines),
        )

        def perform(targets: Paths, paths: Paths) -> None:
            write_spec_source(
                paths[0], paths[1:], defines, targets[0], payload=payload, source_date_epoch=epoch
            )

        node = self.env.File(out_path(self.env, "srpms", name))
        if taken := session().claim_output(node, self.place, self.target):
            self.report(taken)
            return node
        add_step(self.env, [node], [self.spec, *sources], Step("SourceRpm", facts, perform, modes=True))
        remove_older(self.env, node, f"source of {self.spec}")
        return node

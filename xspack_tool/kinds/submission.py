"""``env.Submission``: what a vendor hands in, so that the product can include its drivers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from msgspec.structs import replace
from SCons.Node import Node
from SCons.Util import flatten

from xspack_tool.errors import Problem
from xspack_tool.kinds import validators
from xspack_tool.kinds.base import Field, Kind, listed
from xspack_tool.model.submission import Fix, rule
from xspack_tool.plan.node_record import pack_of, record_of
from xspack_tool.plan.pack import Packed
from xspack_tool.plan.package import output_node
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import out_path
from xspack_tool.plan.sources import XsPatch, file_problems, nodes_of
from xspack_tool.plan.submission import SubmissionPlan, plan_submission

_PATCHES = validators.Validator(
    "env.XsPatch(..), or a list of them",
    lambda value: all(isinstance(one, XsPatch) or validators.is_source(one) for one in flatten([value])),
    "Sources | XsPatch | Sequence[XsPatch]",
)
_STATEMENT = validators.Validator(
    "a text, or a file that holds it",
    lambda value: validators.TEXT.holds(value) or validators.FILE.holds(value),
    "Source",
)


class Submission(Kind):
    """One archive of packs and all that must come with their drivers."""

    FIELDS: ClassVar[Mapping[str, Field]] = {
        "patches": Field(
            "late fixes: env.XsPatch(file, flaw=.., effect=.., seen_by_customers=..)",
            None,
            _PATCHES,
            example='[env.XsPatch("fix.patch", flaw="..", effect="..", seen_by_customers=False)]',
        ),
        "firmware_statement": Field(
            "where firmware is public and under which licence, or which agreement there is",
            "",
            _STATEMENT,
            example='"in linux-firmware, LICENCE.acme"',
        ),
        "licences": Field(
            "licence texts, where packages bring none", None, validators.FILES, example='["COPYING"]'
        ),
        "target": Field(
            "file to write instead of $XSPACK_OUT/<pack>-<version>-submission.tar",
            None,
            validators.FILE,
            example='"#build/acme-submission.tar"',
        ),
    }
    TAKES_SEVERAL: ClassVar[bool] = True

    def __init__(self, env: Any, packs: Any, given: dict[str, Any], place: Any) -> None:
        nodes = [node for node in nodes_of(env, listed(packs)) if record_of(node).about is None]
        self.isos = [iso for node in nodes for iso in _isos_behind(node)]
        named = self.isos or nodes
        first = (record_of(named[0]).pack_name or named[0]) if named else ""
        super().__init__(env, str(first), given, place)
        faulty = [node for node in nodes if record_of(node).is_broken]
        session().current.needs += faulty
        strange = [node for node in nodes if node not in faulty and not list(_isos_behind(node))]
        for node in strange:
            remedy = "name what env.Pack returns"
            self.problems.append(Problem("", str(node), "a submission must be made of packs", remedy))

    def declare(self) -> Any:
        if not self.isos and not self.problems:
            return []  # of packs that are faulty themselves
        fixes = self._fixes()
        statement = self.given["firmware_statement"]
        if not isinstance(statement, str) or self._names_a_file(statement):
            statement = self._file("firmware_statement", statement)
        licences = nodes_of(self.env, listed(self.given["licences"]))
        for node in licences:
            self._late("licences", node)
        for iso in self.isos:
            self._check(pack_of(iso), bool(statement), bool(licences))
        if self.problems:
            self.report(self.problems)
            return []
        packed: Packed = pack_of(self.isos[0])
        title = f"{self.name} {packed.pack.version} submission"
        node = output_node(
            self.env, self.given["target"] or out_path(self.env, f"{title.replace(' ', '-')}.tar")
        )
        if taken := session().claim_output(node, self.place, self.target):
            self.report(taken)
            return []
        plan = SubmissionPlan(title, self.isos, fixes, licences, statement, self.target)
        return plan_submission(self.env, node, plan)

    def _check(self, packed: Packed, has_statement: bool, has_licences: bool) -> None:
        """What of the guide's rules a pack does not meet, as far as it is known while reading."""
        if packed.inputs.key is None:
            self._lacks(packed.pack.label, 9, "sign the pack: key=")
        for rpm in packed.inputs.packages:
            built, declared = record_of(rpm).rpm, record_of(rpm).declared
            if built is None or declared is None:
                continue  # judged by what is in it, when it is there
            name = built.identity.name
            firmware = any(entry.path.startswith("/lib/firmware/") for entry in declared.package.entries)
            if built.holds_modules and record_of(rpm).source_rpm is None:
                self._lacks(name, 1, "declare it with env.KernelModule")
            if (built.holds_modules or firmware) and not declared.licence_texts and not has_licences:
                number, otherwise = (
                    (1, ", or put COPYING into its sources") if built.holds_modules else (2, "")
                )
                self._lacks(name, number, f"its licence text is missing: give it licenses={otherwise}")
            if firmware and not has_statement:
                self._lacks(
                    name, 2, "say where it is public, or which agreement there is: firmware_statement="
                )

    def _lacks(self, name: str, number: int, remedy: str) -> None:
        problem = Problem("", name, f"{name}: {rule(number)}", remedy)
        if problem not in self.problems:
            self.problems.append(problem)

    def _fixes(self) -> list[tuple[Fix, Node]]:
        fixes = []
        for number, value in enumerate(flatten(listed(self.given["patches"])), 1):
            patch = value if isinstance(value, XsPatch) else XsPatch(value)
            node = nodes_of(self.env, patch.source)[0]
            self._late("patches", node)
            fix = Fix(Path(str(node)).name, patch.flaw, patch.effect, patch.seen)
            self.problems += fix.problems()
            fixes.append((replace(fix, patch=f"{number:02d}-{fix.patch}"), node))
        return fixes

    def _names_a_file(self, statement: str) -> bool:
        """Whether a text is the name of a file; a statement has blanks, or ends with a full stop."""
        return (
            bool(statement)
            and "\n" not in statement
            and not file_problems("", nodes_of(self.env, statement)[0])
        )

    def _file(self, field: str, value: Any) -> Node:
        node: Node = nodes_of(self.env, value)[0]
        self._late(field, node)
        return node

    def _late(self, field: str, node: Node) -> None:
        session().checks.append(
            lambda: [one.at(self.place, self.target) for one in file_problems(field, node)]
        )


def _isos_behind(node: Any) -> list[Any]:
    """The packs that a node is, was installed from, or is an alias of."""
    if record_of(node).pack is not None:
        return [node]
    sources = (source for source in node.sources if record_of(source).about is None)
    return list(dict.fromkeys(iso for source in sources for iso in _isos_behind(source)))

"""``env.PrebuiltRpm``: an RPM that exists already, taken as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from xspack_tool.errors import BadInput, Problem
from xspack_tool.files import copy_whole
from xspack_tool.kinds import validators
from xspack_tool.kinds.base import WAIVE, Field, Kind
from xspack_tool.model.package import Identity
from xspack_tool.plan.node_record import own_record
from xspack_tool.plan.package import PlannedRpm, broken_package, rpm_nodes
from xspack_tool.plan.read_cache import file_sha256, read_file_cached
from xspack_tool.plan.scons import built_problems
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import out_path
from xspack_tool.plan.sources import exists, file_problems, nodes_of
from xspack_tool.plan.step import Named, Step


class TakeRpm(Step, frozen=True):
    """An existing RPM under the name that its header says."""

    label: ClassVar[str] = "Copy"
    shown: ClassVar[str] = "terminal"

    prebuilt: Identity

    def run(self, inputs: Named, outputs: Named) -> None:
        (out,) = outputs.rpms
        copy_whole(inputs.rpm, out)


class PrebuiltRpm(Kind):
    """An existing RPM; its old signature is replaced by the pack's."""

    FIELDS: ClassVar[Mapping[str, Field]] = {
        "sha256": Field(
            "SHA-256 that the file must have, 64 hexadecimal digits",
            None,
            validators.TEXT,
            example='"b33e03a1e3b8e76d7476d9398dd5f20092aa4592033b7f292e918fe2c0002374"',
        ),
        "source_rpm": Field(
            "its source RPM, which a submission needs for a driver",
            None,
            validators.FILE,
            example='"acme-tools-5.2-1.src.rpm"',
        ),
        "target": Field(
            "file to write instead of $XSPACK_OUT/rpms/<nevra>.rpm",
            None,
            validators.FILE,
            example='"#build/agent.rpm"',
        ),
        "waive": WAIVE,
    }

    def __init__(self, env: Any, name: Any, given: dict[str, Any], place: Any) -> None:
        super().__init__(env, str(name), given, place)
        nodes = nodes_of(env, name)
        self.node = nodes[0] if len(nodes) == 1 else None

    def declare(self) -> Any:
        problems = [*self.problems, *self._file_problems()]
        if problems:
            self.report(problems)
            return broken_package(self.env, Path(self.name).name)
        file = self.node
        identity, kernels = self._read()
        waive, folder = self.waived(), self._folder(identity, kernels)
        planned = PlannedRpm(identity, self.target, self.place, waive=waive, kernels=kernels, folder=folder)
        nodes = rpm_nodes(
            self.env, [planned], {"rpm": file}, TakeRpm(identity), self.given["target"], self.report
        )
        for node in nodes:
            own_record(node).source_rpm = self._source_rpm()
        return nodes

    def _read(self) -> tuple[Identity, tuple[str, ...]]:
        """Its name and version, and the kernels that it is for. Raises BadInput."""
        identity, kernels = read_file_cached(self.env, self.node, "identity and kernels", _header)
        return Identity(**identity), tuple(kernels)

    def _folder(self, identity: Identity, kernels: tuple[str, ...]) -> str:
        """A folder below rpms/ for a driver of the same name and version as one before it, for another kernel."""
        place = self.env.File(out_path(self.env, "rpms", identity.file_name)).get_abspath()
        return kernels[0] if kernels and place in session().outputs else ""

    def _source_rpm(self) -> Any:
        if self.given["source_rpm"] is None:
            return None
        node = nodes_of(self.env, self.given["source_rpm"])[0]
        session().checks.append(
            lambda: [one.at(self.place, self.target) for one in file_problems("source_rpm", node)]
        )
        return node

    def _built_problems(self) -> list[Problem]:
        remedy = "declare it with env.SpecRpm, or commit the built file"
        return built_problems("", self.node, remedy)

    def _file_problems(self) -> list[Problem]:
        if self.node is None or not exists(self.node):
            return [Problem("", self.name, "RPM not found", "correct the name, or put the file there")]
        if built := self._built_problems():
            return built
        session().checks.append(self._built_problems)
        want = self.given["sha256"]
        if want is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", want):
            return [
                Problem(
                    "sha256",
                    want,
                    "not a SHA-256",
                    "give its 64 hexadecimal digits, as sha256sum prints them",
                )
            ]
        try:
            self._read()
        except BadInput as error:
            return [Problem("", self.name, error.why, "name a binary RPM")]
        have = file_sha256(self.env, self.node) if want else None
        if want and have != str(want).lower():
            rule = f"the file's SHA-256 is {have}"
            return [Problem("sha256", want, rule, "get the right file, or correct sha256=")]
        return []


def _header(path: Path) -> list[Any]:
    """NEVRA fields, and the kernels that it requires or, where it requires none, has modules for."""
    from xspack_tool.rpm.read import read_rpm
    from xspack_tool.rules.context import kernels_of

    info = read_rpm(path)
    if info.is_source:
        raise BadInput(path, "a source RPM: build it with env.SpecRpm")
    fields = {field: getattr(info, field) for field in ("name", "version", "release", "arch", "epoch")}
    named = (one for one in info.requires if one.name == "kernel-uname-r" and one.operator == "=")
    return [fields, sorted({one.evr for one in named} or kernels_of(info))]

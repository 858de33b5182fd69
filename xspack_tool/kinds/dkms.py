"""A dkms.conf as the source of a driver's facts."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xspack_tool.ddk.dkms import parse_dkms
from xspack_tool.errors import BadInput, Problem
from xspack_tool.kinds import validators
from xspack_tool.model.canonical import plain
from xspack_tool.plan.memo import file_fact
from xspack_tool.plan.sources import is_dir, nodes_of


@dataclass(frozen=True)
class DkmsFacts:
    """What a dkms.conf says, as the keywords of env.KernelModule, and the modules that it promises."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()

    def with_given(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The keywords that the user gives, which have the last word; tables are joined."""
        found = {**self.defaults, **given}
        for name, value in self.defaults.items():
            if isinstance(value, dict) and isinstance(given.get(name), dict):
                found[name] = {**value, **given[name]}
        return found


def dkms_facts(env: Any, value: Any) -> tuple[DkmsFacts, list[Problem]]:
    """The facts of the file that dkms= names; none where it names none. What a dkms.conf wants done to the sources
    before they are compiled is not done, which is a mistake to know of."""
    if value is None or validators.text_problems("", value) or not validators.FILE.holds(value):
        return DkmsFacts(), []
    node = nodes_of(env, value)[0]
    if is_dir(node) or not node.exists():
        return DkmsFacts(), [Problem("dkms", str(node), "no such file", "name the driver's dkms.conf")]
    try:
        said = file_fact(env, node, "dkms", _read)
    except BadInput as error:
        return DkmsFacts(), [Problem("dkms", str(node), error.why, "give version=, kbuild_dir= and the like")]
    facts = {
        "version": said["version"],
        "source": node.dir,
        "kbuild_dir": said["kbuild_dirs"],
        "make_variables": said.get("make_variables"),
        "kconfig": said.get("config"),
    }
    problems = []
    if said.get("not_followed"):
        rule = f"its {', '.join(said['not_followed'])} are not followed"
        remedy = (
            "do what they do in the SConstruct, and give kbuild_dir= and make_variables= instead of dkms="
        )
        problems.append(Problem("dkms", str(node), rule, remedy))
    modules = tuple(posixpath.basename(module["name"]) for module in said["modules"])
    return DkmsFacts({key: value for key, value in facts.items() if value}, modules), problems


def _read(path: Path) -> Any:
    return plain(parse_dkms(path.read_text(encoding="utf-8", errors="replace"), path))

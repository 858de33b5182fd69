"""A pack as declared: what the update document and the two generated RPMs say."""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from xspack_tool.errors import Problem
from xspack_tool.model import syntax
from xspack_tool.model.dependency import Dependency


class Rollup(Struct, frozen=True):
    """An older pack that this one replaces."""

    uuid: str
    label: str


class Pack(Struct, frozen=True):
    """A supplemental pack. ``key`` is the base name of the public key file, empty for an unsigned pack.

    ``driver_disk`` None: what the pack holds decides, see :meth:`holding`.
    """

    label: str
    version: str
    uuid: str
    description: str
    key: str
    requires: tuple[Dependency, ...] = ()
    after_apply: tuple[str, ...] = ()
    rollups: tuple[Rollup, ...] = ()
    enforce_homogeneity: bool = False
    driver_disk: bool | None = None
    has_precheck: bool = False
    has_remove: bool = False
    volume_id: str = ""
    vendor: str = ""

    @property
    def control_name(self) -> str:
        """The name of the control RPM, empty where the pack needs none."""
        needed = self.requires or self.has_precheck or self.has_remove
        return f"control-{self.label}" if needed else ""

    @property
    def update_name(self) -> str:
        """The name of the RPM that stands for the whole pack."""
        return f"update-{self.label}"

    @property
    def groups(self) -> tuple[str, ...]:
        """The comps groups: `update` for xapi, `drivers` for the installer."""
        return ("update", "drivers") if self.driver_disk else ("update",)

    def holding(self, modules: bool) -> Pack:
        """The pack when it is known whether its RPMs hold kernel modules."""
        return replace(self, driver_disk=modules) if self.driver_disk is None else self

    def problems(self) -> list[Problem]:
        """All mistakes in the pack's own words."""
        problems = [
            *syntax.check_label("label", self.label),
            *syntax.check_version("version", self.version),
            *syntax.check_uuid("uuid", self.uuid),
            *syntax.check_one_line("description", self.description),
            *syntax.check_guidance("after_apply", self.after_apply),
            *syntax.check_volume_id("volume_id", self.volume_id),
        ]
        for rollup in self.rollups:
            problems += syntax.check_uuid("rollups", rollup.uuid)
        return problems


def make_volume_id(*words: str, cut: bool = True) -> str:
    """A volume id made of a label and a version; ``cut`` to the length that ISO 9660 allows."""
    made = re.sub(r"[^A-Za-z0-9_]", "_", "_".join(words))
    return made[:32] if cut else made

"""``env.Userspace``: programs, configuration and services of the vendor's."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, ClassVar

from xspack_tool.kinds.base import Field, PackageKind, listed
from xspack_tool.kinds.draft import Draft
from xspack_tool.plan.sources import nodes_of
from xspack_tool.rpm.scriptlets.units import unit_problems, unit_scripts


class Userspace(PackageKind):
    """Programs and their configuration as an RPM."""

    FIELDS: ClassVar[Mapping[str, Field]] = {
        **PackageKind.FIELDS,
        "systemd_units": Field("unit files, enabled when installed"),
        "udev_rules": Field("files for /etc/udev/rules.d"),
        "logrotate": Field("files for /etc/logrotate.d; an ending .logrotate is left away"),
    }

    def fill(self, draft: Draft) -> None:
        units = self._below(draft, "systemd_units", "/usr/lib/systemd/system", role="")
        draft.problems += unit_problems(units)
        if units and not draft.problems:
            for phase, text in unit_scripts(units).items():
                draft.script(phase, text, field="systemd_units")
        self._below(draft, "udev_rules", "/etc/udev/rules.d", role="config")
        self._below(draft, "logrotate", "/etc/logrotate.d", role="config")

    def _below(self, draft: Draft, field: str, folder: str, *, role: Any) -> list[str]:
        """Place each file of a field in its folder; the names they get there."""
        names = []
        for node in nodes_of(self.env, listed(self.given[field])):
            name = posixpath.basename(str(node))
            name = name.removesuffix(".logrotate") if field == "logrotate" else name
            draft.file(f"{folder}/{name}", node, field=field, role=role)
            names.append(name)
        return names

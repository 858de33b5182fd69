"""``modprobe=``: a file of /etc/modprobe.d, for every kind with modules."""

from __future__ import annotations

from typing import Any

from xspack_tool.kinds import validators
from xspack_tool.kinds.base import Field, listed
from xspack_tool.kinds.package_declaration import PackageDeclaration
from xspack_tool.rpm.modprobe import modprobe_problems, modprobe_text

MODPROBE = Field(
    "lines for /etc/modprobe.d/<name>.conf: options, blacklist, softdep, alias, install, remove",
    None,
    validators.TEXTS,
    example='["options acme_nic queues=4"]',
)


def place_modprobe(declaration: PackageDeclaration, value: Any) -> None:
    """Put the lines into their file, which stays as the administrator changes it."""
    lines = listed(value)
    problems = modprobe_problems(lines)
    declaration.problems += problems
    if problems or not lines:
        return
    path = f"/etc/modprobe.d/{declaration.name}.conf"
    declaration.text(path, modprobe_text(lines), field="modprobe", role="config")

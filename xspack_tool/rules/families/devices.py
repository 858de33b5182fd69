"""D2: devices that the release drives already."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from xspack_tool.binary.module import MODULE
from xspack_tool.rpm.info import PayloadFile
from xspack_tool.rpm.modprobe import kept_out
from xspack_tool.rules.context import Member, RpmContext
from xspack_tool.rules.finding import Hit, Skipped
from xspack_tool.rules.registry import Hits, also_on_rpm, member_rule

#: The folders of modprobe.d(5), and the largest size of a file there.
_MODPROBE = re.compile(r"^(?:/etc|(?:/usr)?/lib)/modprobe\.d/[^/]+\.conf$")
_LARGEST = 1 << 16


def _wanted(context: RpmContext, file: PayloadFile) -> bool:
    judged = context.driver_data.inbox is not None and MODULE.search(file.path)
    return bool(judged or _MODPROBE.match(file.path))


@member_rule(
    "D2",
    "I",
    _wanted,
    meaning="a device is supported already by a module of the release",
    remedy="leave it out if the release's own driver is good enough, or blacklist that one with modprobe=",
    bad="acme.ko claims pci 8086:100e, which e1000 of the release drives",
    good="e1000.ko, a newer one than the release's; acme.ko for a device that nothing else drives",
)
def driven_already(context: RpmContext, member: Member) -> Hits:
    if _MODPROBE.match(member.file.path):
        lines = (member.content(_LARGEST) or b"").decode(errors="replace").splitlines()
        for name in kept_out(lines):
            yield Hit(member.file.path, f"keeps {name} out", keeps_out=name)
        return
    inbox = context.driver_data.inbox
    if member.elf is None or inbox is None:
        return
    own = PurePosixPath(member.file.path).name.split(".")[0].replace("-", "_")
    claimed: dict[tuple[str, ...], list[str]] = {}
    for alias in member.elf.modinfo.get("alias", ()):
        drivers = inbox.drivers(alias)
        if drivers and own not in drivers:
            claimed.setdefault(drivers, []).append(alias)
    for drivers, aliases in sorted(claimed.items()):
        others = f" and {len(aliases) - 1} more" if len(aliases) > 1 else ""
        text = f"{', '.join(drivers)} of the release drives {sorted(aliases)[0]}{others}"
        names = tuple(sorted({name.replace("-", "_") for name in drivers}))
        yield Hit(member.file.path, text, unless_kept_out=names)


@also_on_rpm("D2")
def inbox_given(context: RpmContext) -> Hits:
    inbox = context.driver_data.inbox
    if context.modules and (inbox is None or inbox.is_empty):
        yield Skipped("needs the release's modules.alias: set XSPACK_DDK to a kernel that has one")

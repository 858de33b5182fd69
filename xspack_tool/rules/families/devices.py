"""D2: devices that the release drives already."""

from __future__ import annotations

from pathlib import PurePosixPath

from xspack_tool.binary.module import MODULE
from xspack_tool.rpm.info import PayloadFile
from xspack_tool.rules.context import Member, RpmContext
from xspack_tool.rules.finding import Hit, Skipped
from xspack_tool.rules.registry import Hits, also_on_rpm, member_rule


def _wanted(context: RpmContext, file: PayloadFile) -> bool:
    return context.driver_data.inbox is not None and bool(MODULE.search(file.path))


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
    inbox = context.driver_data.inbox
    if member.elf is None or inbox is None:
        return
    own = PurePosixPath(member.file.path).name.split(".")[0].replace("-", "_")
    kept_out = context.driver_data.driver.kept_out if context.driver_data.driver else ()
    claimed: dict[tuple[str, ...], list[str]] = {}
    for alias in member.elf.modinfo.get("alias", ()):
        drivers = tuple(name for name in inbox.drivers(alias) if name not in kept_out)
        if drivers and own not in drivers:
            claimed.setdefault(drivers, []).append(alias)
    for drivers, aliases in sorted(claimed.items()):
        more = f" and {len(aliases) - 1} more" if len(aliases) > 1 else ""
        yield Hit(member.file.path, f"{', '.join(drivers)} of the release drives {sorted(aliases)[0]}{more}")


@also_on_rpm("D2")
def inbox_given(context: RpmContext) -> Hits:
    if context.modules and context.driver_data.inbox is None:
        yield Skipped("needs the release's modules.alias: set XSPACK_DDK to a kernel that has one")

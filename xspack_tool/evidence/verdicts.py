"""What the hosts of a release say of a pack."""

from __future__ import annotations

from xspack_tool.hosts.installer import judge_driver_disk, judge_installer
from xspack_tool.hosts.package_manager import judge_package_manager
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.release import Host
from xspack_tool.hosts.verdict import Verdict
from xspack_tool.hosts.xapi import judge_xapi
from xspack_tool.rules.context import modules_of


def judge_hosts(pack: ParsedPack, host: Host) -> list[Verdict]:
    """What each host says; of a driver disk only where the pack has modules and the group."""
    verdicts = [judge_xapi(pack, host), judge_installer(pack, host), judge_package_manager(pack, host)]
    drivers = any(modules_of(info) for info in pack.infos)
    if drivers and pack.index is not None and pack.index.group("drivers"):
        verdicts.append(judge_driver_disk(pack, host))
    return verdicts

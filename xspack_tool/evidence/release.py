"""A release as the hosts room asks about it: its profile, and its packages where they are at hand; and what its
hosts say of a pack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from xspack_tool.hosts.installer import judge_driver_disk, judge_installer
from xspack_tool.hosts.package_manager import judge_package_manager
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.release import Host
from xspack_tool.hosts.verdict import Verdict
from xspack_tool.hosts.xapi import judge_xapi
from xspack_tool.model.profile import Profile
from xspack_tool.rpm.info import EQUAL, Relation, RpmInfo
from xspack_tool.rules.context import modules_of
from xspack_tool.rules.universe import Owner, Universe

_STAND_IN = "xspack-release"


class KnownRelease:
    """What is known of a release: :class:`xspack_tool.hosts.release.Release`.

    ``base`` is a repository, a folder of RPMs or an installation ISO with its packages. Without it nothing is
    known but what the profile says.
    """

    def __init__(self, profile: Profile, rpms: Iterable[RpmInfo], base: Path | None) -> None:
        self.title, self.manager, self.rpmlib = profile.title, profile.manager, profile.rpmlib
        self._complete = base is not None
        facts = RpmInfo(_STAND_IN, 0, "0", "0", "noarch", provides=tuple(profile_provides(profile)))
        self._known = {one.name: one.evr for one in facts.provides}
        binary = tuple(info for info in rpms if not info.is_source)
        self._universe = Universe(base, (*binary, facts), profile.arch)

    def provides(self, wanted: Relation) -> bool | None:
        """Whether the release, or an RPM of the pack, provides it; None if that is not known."""
        if self._universe.is_provided(wanted):
            return True
        versioned = bool(self._known.get(wanted.name)) or self.versions(wanted.name)
        return False if self._complete or versioned else None

    def versions(self, name: str) -> Sequence[str]:
        """The versions in which the release itself provides the capability ``name``."""
        pack, release = self._universe.providers(Relation(name, 0, ""))
        own = [
            one.evr for info in pack if info.name == _STAND_IN for one in info.provides if one.name == name
        ]
        return [version for version in own if version] + list(release)

    def conflicting(self, conflict: Relation) -> Sequence[str]:
        """The packages of the release and of the pack (as NEVRA) that a Conflicts names."""
        pack, release = self._universe.providers(conflict)
        return [self.title if info.name == _STAND_IN else info.nevra for info in pack] + release

    def owners(self, path: str) -> Sequence[Owner]:
        """The packages of the release that own a path."""
        return self._universe.owners(path)


def profile_provides(profile: Profile) -> list[Relation]:
    """The capabilities of a release as its profile knows them, those of unknown version without one."""
    found = [
        Relation(name, EQUAL if version else 0, version) for name, version in sorted(profile.provides.items())
    ]
    found += [Relation("kernel-uname-r", EQUAL, kernel) for kernel in profile.kernels]
    return found + [Relation(path, 0, "") for path in profile.interpreters]


def judge_hosts(pack: ParsedPack, host: Host) -> list[Verdict]:
    """What each host says; of a driver disk only where the pack has modules and the group."""
    verdicts = [judge_xapi(pack, host), judge_installer(pack, host), judge_package_manager(pack, host)]
    drivers = any(modules_of(info) for info in pack.infos)
    if drivers and pack.index is not None and pack.index.group("drivers"):
        verdicts.append(judge_driver_disk(pack, host))
    return verdicts

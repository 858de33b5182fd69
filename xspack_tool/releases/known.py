"""What is known of a release: its profile, and its packages where they are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from xspack_tool.model.profile import Profile
from xspack_tool.releases.packages import Owner, PackageSet
from xspack_tool.rpm.info import EQUAL, Relation, RpmInfo

_PLACEHOLDER = "xspack-release"


class KnownRelease:
    """What is known of a release: :class:`xspack_tool.hosts.release.Release`.

    ``base`` is a repository, a folder of RPMs or an installation ISO with its packages. Without it nothing is
    known but what the profile says.
    """

    def __init__(self, profile: Profile, rpms: Iterable[RpmInfo], base: Path | None) -> None:
        self.title, self.manager, self.rpmlib = profile.title, profile.manager, profile.rpmlib
        self.driver_disks_alone = profile.driver_disks_alone
        self._complete = base is not None
        placeholder = RpmInfo(_PLACEHOLDER, 0, "0", "0", "noarch", provides=tuple(profile_provides(profile)))
        self._known = {one.name: one.evr for one in placeholder.provides}
        binary = tuple(info for info in rpms if not info.is_source)
        self._packages = PackageSet(base, (*binary, placeholder), profile.arch)

    def provides(self, wanted: Relation) -> bool | None:
        """Whether the release, or an RPM of the pack, provides it; None if that is not known."""
        if self._packages.is_provided(wanted):
            return True
        versioned = bool(self._known.get(wanted.name)) or self.versions(wanted.name)
        return False if self._complete or versioned else None

    def versions(self, name: str) -> Sequence[str]:
        """The versions in which the release itself provides the capability ``name``."""
        pack, release = self._packages.providers(Relation(name, 0, ""))
        own = [
            one.evr for info in pack if info.name == _PLACEHOLDER for one in info.provides if one.name == name
        ]
        return [version for version in own if version] + list(release)

    def conflicting(self, conflict: Relation) -> Sequence[str]:
        """The packages of the release and of the pack (as NEVRA) that a Conflicts names."""
        pack, release = self._packages.providers(conflict)
        return [self.title if info.name == _PLACEHOLDER else info.nevra for info in pack] + release

    def owners(self, path: str) -> Sequence[Owner]:
        """The packages of the release that own a path."""
        return self._packages.owners(path)


def profile_provides(profile: Profile) -> list[Relation]:
    """The capabilities of a release as its profile knows them, those of unknown version without one."""
    found = [
        Relation(name, EQUAL if version else 0, version) for name, version in sorted(profile.provides.items())
    ]
    found += [Relation("kernel-uname-r", EQUAL, kernel) for kernel in profile.kernels]
    return found + [Relation(path, 0, "") for path in profile.interpreters]

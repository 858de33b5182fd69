"""The release in a chroot: its own packages, or one RPM that stands for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xspack_tool.errors import BadInput, Problem, StepError
from xspack_tool.model.dependency import Dependency, parse_dependency
from xspack_tool.model.package import Package
from xspack_tool.model.profile import Profile
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.releases.known import KnownRelease, profile_provides
from xspack_tool.releases.packages import PackageSet
from xspack_tool.repo.fragment import make_fragment
from xspack_tool.repo.repodata import RECORDS, REPOMD_NAME, iso_names, write_repodata
from xspack_tool.rpm.info import LESS, Relation, RpmInfo
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rpm.write import write_rpm
from xspack_tool.sandbox.dnf import Dnf

_NAME = "xspack-release"
_NO_GROUPS = '<?xml version="1.0" encoding="UTF-8"?>\n<comps/>\n'


def install_placeholder(dnf: Dnf, profile: Profile, infos: Sequence[RpmInfo], work: Path) -> list[str]:
    """Install one RPM that provides what the profile's release does, and what else the packs want of a host.

    Returns what was assumed: requirements of which the profile says nothing. Raises StepError.
    """
    release = KnownRelease(profile, infos, None)
    known = profile_provides(profile)
    wanted = [requirement for info in infos for requirement in info.requires if not requirement.is_rpmlib]
    # What no declaration could provide stays missing, as on a host.
    assumed = [
        requirement
        for requirement in dict.fromkeys(wanted)
        if release.provides(requirement) is None and _can_be_declared(requirement)
    ]
    package = Package(
        name=_NAME,
        version="1",
        release="1",
        summary=f"Stands for {profile.title}",
        license="MIT",
        arch="noarch",
        provides=tuple(dict.fromkeys(map(_provision, (*known, *assumed)))),
        automatic_dependencies=False,
    )
    rpm = work / package.file_name
    write_rpm(package, {}, rpm, payload="w2.gzdio", time=0)
    done = dnf.install_local(rpm)
    if not done.good:
        raise StepError(f"the placeholder for {profile.title} cannot be installed\n    {done.words.strip()}")
    # One capability may be required by a package and by its scriptlets.
    return sorted(set(map(str, assumed)))


def _can_be_declared(wanted: Relation) -> bool:
    return not isinstance(parse_dependency("requires", str(_provision(wanted))), Problem)


def _provision(wanted: Relation) -> Dependency:
    """What meets a requirement."""
    if not wanted.operator:
        return Dependency(wanted.name)
    if wanted.flags & LESS and "=" not in wanted.operator:
        return Dependency(wanted.name, "=", "0")
    return Dependency(wanted.name, "=", wanted.evr if "=" in wanted.operator else f"{wanted.evr}.1")


def base_repository(base: Path, work: Path) -> Path:
    """The release's packages as a repository in a folder: an ISO is unpacked, RPMs without an index get one."""
    folder = base
    if not base.is_dir():
        with IsoReader(base) as iso:
            iso.extract(work)
        folder = work
    if (folder / "repodata" / REPOMD_NAME).is_file():
        return folder
    rpms = sorted(folder.rglob("*.rpm"))
    if not rpms:
        raise BadInput(base, "no repository: it holds neither repodata nor RPMs")
    made = work.with_name(f"{work.name}-index")
    made.mkdir()
    fragments = []
    for path in rpms:
        if not read_rpm(path).is_source:
            (made / path.name).symlink_to(path.absolute())
            fragments.append(make_fragment(path, path.name))
    write_repodata(fragments, _NO_GROUPS, made / "repodata", 0)
    places = iso_names(made / "repodata" / REPOMD_NAME)
    for name in RECORDS.values():
        (made / "repodata" / name).rename(made / places[name])
    return made


def fill_from_base(dnf: Dnf, base: Path, infos: Sequence[RpmInfo], profile: Profile) -> None:
    """Install the packages of the release that the packs need. What nobody provides stays missing, as on a host.

    Raises StepError where they cannot be installed.
    """
    package_set = PackageSet(base, infos, profile.arch)
    chosen: set[str] = set()
    for info in infos:
        for wanted in (one for one in info.requires if not one.is_rpmlib):
            pack, release = package_set.providers(wanted)
            if release and not pack:
                chosen.add(release[0])
    if chosen:
        done = dnf.fill(base, sorted(chosen))
        if not done.good:
            raise StepError(f"the packages of {base} cannot be installed\n    {done.words.strip()}")

"""What the host installer says of a pack: as a supplemental pack, and as a driver disk.

Source: host-installer's `repository.py`; the codes are the names of its exceptions. Where the release has dnf, it is
that of Python 3, which installs by dnf.
"""

from __future__ import annotations

from collections.abc import Iterator

from xspack_tool.binary.module import MODULE
from xspack_tool.hosts.package_manager import Fault, group_faults, transaction, unjudged_requirements
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.release import Host
from xspack_tool.hosts.verdict import Rejection, Verdict
from xspack_tool.pack.layout import DOCUMENT
from xspack_tool.repo import REPOMD

_FORMAT, _INSTALL, _NONE, _CHECK = (
    "RepoFormatError",
    "ErrorInstallingPackage",
    "NoRepository",
    "PackageCheckFailed",
)


def judge_installer(pack: ParsedPack, host: Host) -> Verdict:
    """Whether the installer takes the pack as a supplemental pack. It checks no signature."""
    installed = transaction(pack, host.release)
    rejections = [*_as_any(pack, installed.faults), *_no_control(pack, host)]
    is_disk = pack.index is None or pack.index.group("drivers") is not None
    return Verdict(
        "installer",
        tuple(dict.fromkeys(rejections)),
        remarks=tuple(_remarks(pack, host)),
        unjudged=unjudged_requirements(installed),
        declines=host.release.driver_disks_alone and not is_disk,
    )


def judge_driver_disk(pack: ParsedPack, host: Host) -> Verdict:
    """Whether the installer loads the pack's drivers before it installs. It lists the groups to find out."""
    rejections = _as_any(pack, transaction(pack, host.release).faults)
    group = pack.index.group("drivers") if pack.index else None
    rejections += [Rejection(_NONE, fault.why) for fault in group_faults(pack, "drivers")]
    if group is not None and not group.visible:
        rejections.append(Rejection(_NONE, "the group 'drivers' is not uservisible, so it is not listed"))
    return Verdict("driver disk", tuple(dict.fromkeys(rejections)))


def _as_any(pack: ParsedPack, faults: tuple[Fault, ...]) -> list[Rejection]:
    """What is in the way of a pack, whichever of the two it is."""
    return [*_recognised(pack), *_parsed(pack), *_installed(pack, faults)]


def _no_control(pack: ParsedPack, host: Host) -> Iterator[Rejection]:
    """It asks for the package that the attribute ``control`` names, an empty name where there is none: yum goes on, dnf
    ends."""
    if host.release.manager != "dnf" or host.release.driver_disks_alone:
        return
    if pack.document is not None and not pack.document.control:
        why = (
            f"{DOCUMENT} names no control package: the installer of {host.release.title} has dnf install a package "
            "without a name, which it does not find (on releases with yum it goes on); give the pack requires="
        )
        yield Rejection(_INSTALL, why)


def _recognised(pack: ParsedPack) -> Iterator[Rejection]:
    """MainYumRepository is tried first, then UpdateYumRepository, then a plain one."""
    if ".treeinfo" in pack.paths:
        yield Rejection(_FORMAT, "there is a .treeinfo: the installer takes the pack for a main repository")
    if not pack.has_rock_ridge:
        yield Rejection(
            _NONE, "the ISO has no Rock Ridge names: no file is found by the name that it looks for"
        )
    for path in (DOCUMENT, REPOMD):
        if path not in pack.paths:
            yield Rejection(_NONE, f"{path} is missing: no supplemental pack is recognised")


def _parsed(pack: ParsedPack) -> Iterator[Rejection]:
    if DOCUMENT in pack.paths and pack.document is None:
        yield Rejection(_FORMAT, f"Failed to read {DOCUMENT}: {pack.document_fault}")
    if REPOMD in pack.paths and pack.index is None:
        yield Rejection(_FORMAT, f"Failed to read the index: {pack.index_fault}")
    primary = pack.index.record("primary") if pack.index else None
    if pack.index is None or primary is None:
        return
    if primary.compression != "gzip":
        kind = primary.compression or "not compressed"
        yield Rejection(_FORMAT, f"{primary.href} is {kind}: the installer reads gzip only")
    if other := {package.checksum_type for package in pack.index.packages} - {"sha256"}:
        yield Rejection(
            _FORMAT, f"the index has {', '.join(sorted(other))} checksums: the installer compares sha256"
        )


def _installed(pack: ParsedPack, faults: tuple[Fault, ...]) -> Iterator[Rejection]:
    """It installs the control package and ``update-<label>``, and what they require."""
    if pack.document is not None and pack.index is not None:
        names = {package.name for package in pack.index.packages}
        for target in filter(None, (pack.document.control, f"update-{pack.document.label}")):
            if target not in names:
                yield Rejection(_INSTALL, f"the index has no package {target}")
    for fault in faults:
        if fault.kind == "DOWNLOAD":
            yield Rejection(_CHECK, fault.why)
        elif fault.kind == "INDEX":
            if pack.index is not None:
                yield Rejection(_FORMAT, fault.why)
        else:
            yield Rejection(_INSTALL, fault.why)


def _remarks(pack: ParsedPack, host: Host) -> Iterator[str]:
    if pack.index is None or pack.index.group("drivers") is not None:
        return
    if host.release.driver_disks_alone:
        yield (
            f"the installer of {host.release.title} takes driver disks alone, and without a group 'drivers' this is"
            " none; it can be installed on a running host"
        )
    elif any(MODULE.search(file.path) for info in pack.infos for file in info.files):
        yield "it holds kernel modules but no group 'drivers': the installer does not offer it as a driver disk"

"""What yum or dnf demands of a pack, and what stands in the way of its transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from xspack_tool.hosts.parsed import PackRpm, ParsedPack
from xspack_tool.hosts.release import Host, Release
from xspack_tool.hosts.verdict import Rejection, Verdict
from xspack_tool.pack.layout import SIGNED
from xspack_tool.rpm.conflicts import file_difference
from xspack_tool.rpm.info import PAYLOAD_FEATURES, PayloadFile, Relation, RpmInfo

Kind = Literal["INDEX", "DOWNLOAD", "GPG", "REQUIRES", "CONFLICTS", "FILE_CONFLICT", "RPM", "GROUP"]


class Fault(Struct, frozen=True):
    """Something that ends a transaction: ``rpm`` is the RPM to blame, None for the index or the pack as a
    whole; ``relation`` the dependency that fails."""

    kind: Kind
    why: str
    rpm: PackRpm | None = None
    relation: Relation | None = None


class Transaction(Struct, frozen=True):
    """What a package manager finds: faults, and the requirements of which it is not known who meets them."""

    faults: tuple[Fault, ...]
    unknown: tuple[Relation, ...]


def judge_package_manager(pack: ParsedPack, host: Host) -> Verdict:
    """Whether the release's yum or dnf installs ``@update`` from the pack, with signatures checked."""
    found = transaction(pack, host.release)
    faults = [*found.faults, *signature_faults(pack), *group_faults(pack, "update")]
    rejections = tuple(dict.fromkeys(Rejection(fault.kind, fault.why) for fault in faults))
    return Verdict(
        host.release.manager, rejections, unjudged=(*unjudged_key(pack), *unjudged_requirements(found))
    )


def transaction(pack: ParsedPack, release: Release) -> Transaction:
    """All that can be said of installing the whole pack, signatures aside."""
    faults = [*index_faults(pack), *_unreadable(pack, release), *_file_conflicts(pack, release)]
    unknown: list[Relation] = []
    for rpm in pack.rpms:
        if rpm.info is not None and not rpm.info.is_source:
            faults += _conflicts(rpm, rpm.info, pack, release)
            for wanted in dict.fromkeys(rpm.info.requires):
                met = None if wanted.is_rpmlib else release.provides(wanted)
                if met is False:
                    why = f"{rpm.info.nevra} requires {wanted}, which neither host nor pack provides"
                    faults.append(Fault("REQUIRES", why, rpm, wanted))
                elif met is None and not wanted.is_rpmlib:
                    unknown.append(wanted)
    return Transaction(tuple(faults), tuple(dict.fromkeys(unknown)))


def index_faults(pack: ParsedPack) -> Iterator[Fault]:
    """The yum index: what of it cannot be read, and which RPMs are not as it says."""
    if pack.index is None:
        yield Fault("INDEX", pack.index_fault)
        return
    for record in pack.index.records:
        if record.fault and record.type in ("primary", "filelists", "group", "group_gz"):
            yield Fault("INDEX", f"{record.href}, the {record.type} index, {record.fault}")
    indexed = {package.href: package for package in pack.index.packages}
    rpms = {rpm.path: rpm for rpm in pack.rpms}
    elsewhere = {rpm.info.name: path for path, rpm in rpms.items() if rpm.info and path not in indexed}
    for href, package in indexed.items():
        rpm = rpms.get(href)
        if rpm is None:
            hint = f"; there is {elsewhere[package.name]}" if package.name in elsewhere else ""
            yield Fault("DOWNLOAD", f"the index names {href}, which is not on the ISO{hint}")
        elif rpm.size != package.size:
            why = f"{href} has {rpm.size} bytes, the index says {package.size}"
            yield Fault("DOWNLOAD", why, rpm)
        elif rpm.sha256 and package.checksum_type == "sha256" and rpm.sha256 != package.checksum:
            yield Fault(
                "DOWNLOAD", f"{href} does not have the SHA-256 that the index says: it is damaged", rpm
            )
    for path in rpms.keys() - indexed.keys():
        info = rpms[path].info
        if info is None or not info.is_source:
            yield Fault("DOWNLOAD", f"{path} is not in the index, so no host finds it", rpms[path])


def signature_faults(pack: ParsedPack) -> Iterator[Fault]:
    """What gpgcheck=1 and repo_gpgcheck=1 refuse, as far as it is known without a key."""
    if f"{SIGNED[1]}.asc" not in pack.paths:
        yield Fault("GPG", f"{SIGNED[1]}.asc is missing: the index is not signed")
    elif (status := pack.signatures.get(SIGNED[1])) and not status.fingerprint:
        yield Fault("GPG", f"{SIGNED[1]}.asc is not a signature of the index by {pack.key_name}")
    for rpm in pack.rpms:
        if rpm.signature in ("unsigned", "bad", "other key") and rpm.info and not rpm.info.is_source:
            yield Fault("GPG", f"{rpm.name} is {_SIGNATURE_WORDS[rpm.signature]}", rpm)


_SIGNATURE_WORDS = {
    "unsigned": "not signed",
    "bad": "damaged: its signature is not one of its header",
    "other key": "signed by another key",
}


def group_faults(pack: ParsedPack, id: str) -> Iterator[Fault]:
    """What is wrong with a group that a host asks for."""
    if pack.index is None or pack.document is None:
        return
    group, wanted = pack.index.group(id), f"update-{pack.document.label}"
    if group is None:
        yield Fault("GROUP", f"the index has no group {id!r}")
    elif not group.packages:
        yield Fault("GROUP", f"the group {id!r} lists no package")
    elif wanted not in group.packages:
        yield Fault("GROUP", f"the group {id!r} does not list {wanted}")


def unjudged_key(pack: ParsedPack) -> tuple[str, ...]:
    """The words for a pack whose key was not given."""
    return () if pack.key else ("signatures: name the public key with --key",)


def unjudged_requirements(found: Transaction) -> tuple[str, ...]:
    """The words for requirements that only the release's packages can tell about."""
    if not found.unknown:
        return ()
    names = sorted({str(relation) for relation in found.unknown})
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return (f"requirements: {', '.join(names[:8])}{more}: name the release's packages with --base",)


def _unreadable(pack: ParsedPack, release: Release) -> Iterator[Fault]:
    """RPMs that nobody reads, and those that the release's rpm does not."""
    for rpm in pack.rpms:
        if rpm.info is None:
            yield Fault("RPM", f"{rpm.name}: {rpm.fault}", rpm)
        elif release.rpmlib and not rpm.info.is_source:
            named = {wanted.name for wanted in rpm.info.requires if wanted.is_rpmlib}
            if feature := PAYLOAD_FEATURES.get(rpm.info.payload_compressor):
                named.add(feature)
            for feature in sorted(named - set(release.rpmlib)):
                why = f"{rpm.info.nevra} needs {feature}, which the rpm of {release.title} does not have"
                yield Fault("RPM", why, rpm, Relation(feature, 0, ""))


def _conflicts(rpm: PackRpm, info: RpmInfo, pack: ParsedPack, release: Release) -> Iterator[Fault]:
    for wanted in dict.fromkeys(info.conflicts):
        for other in release.conflicting(wanted):
            if other != info.nevra:
                yield Fault(
                    "CONFLICTS", f"{info.nevra} conflicts with {wanted}: {other} is there", rpm, wanted
                )


def _file_conflicts(pack: ParsedPack, release: Release) -> Iterator[Fault]:
    """Paths that two packages own with different content: within the pack, and against the release."""
    owners: dict[str, tuple[RpmInfo, PayloadFile]] = {}
    replaced = {info.name for info in pack.infos}
    replaced |= {old.name for info in pack.infos for old in info.obsoletes}
    for rpm in pack.rpms:
        for file in _installed(rpm.info):
            first, other = owners.setdefault(file.path, (rpm.info, file))  # type: ignore[arg-type]
            if other is not file and (difference := file_difference(file, other)):
                why = f"{file.path} is in {first.nevra} and in {rpm.name}, with {difference}"
                yield Fault("FILE_CONFLICT", why, rpm)
            for owner in () if file.is_dir else release.owners(file.path):
                if owner.file and owner.name not in replaced and file_difference(file, owner.file):
                    why = f"{file.path} of {rpm.name} is in {owner.nevra} of the release"
                    yield Fault("FILE_CONFLICT", why, rpm)


def _installed(info: RpmInfo | None) -> Iterable[PayloadFile]:
    return info.files if info is not None and not info.is_source else ()

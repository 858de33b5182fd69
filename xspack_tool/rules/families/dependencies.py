"""D1, P5, B3: what the pack needs, whose paths it takes, and what it was built of, against the release."""

from __future__ import annotations

from collections.abc import Iterator

from xspack_tool.releases.packages import PackageSet, relation, split_source
from xspack_tool.rpm.conflicts import file_difference
from xspack_tool.rpm.info import PayloadFile, RpmInfo
from xspack_tool.rules.context import PackContext
from xspack_tool.rules.finding import Hit, Skipped
from xspack_tool.rules.registry import Hits, pack_rule

NEEDS_BASE = "needs the packages of the release: set XSPACK_BASE_REPO to its repository or installation ISO"


@pack_rule(
    "D1",
    "E",
    meaning="a requirement that neither the pack nor the release provides, or a conflict with one of them",
    remedy="add the package that provides it to the pack, or drop the requirement",
    bad="Requires: libacme.so.1, which nobody provides",
    good="Requires: libacme.so.1, which acme-libs in the same pack provides",
)
def closure(context: PackContext) -> Hits:
    package_set = context.package_set
    if package_set is None:
        yield Skipped(NEEDS_BASE)
        return
    for info in context.rpms:
        for wanted in sorted(set(info.requires), key=str):
            if wanted.is_rpmlib or package_set.is_provided(wanted):
                continue
            if not (wanted.name == "kernel-uname-r" and _is_one_of_several(info, context)):
                yield Hit(
                    "Requires", f"{wanted}: neither the pack nor the release provides it", rpm=info.file_name
                )
        yield from _conflicts(info, package_set)
    for dependency in context.pack.requires:
        if not package_set.is_provided(relation(dependency)):
            yield Hit("requires", f"{dependency}: the release does not provide it")


def _is_one_of_several(info: RpmInfo, context: PackContext) -> bool:
    """Whether other RPMs of the pack are the same driver for other kernels: a host takes the one that fits it. They
    provide one capability with one version, besides what all drivers do."""
    own = {str(one) for one in info.provides if one.operator and one.name != info.name}
    return any(own & {str(one) for one in other.provides} for other in context.drivers if other is not info)


def _conflicts(info: RpmInfo, package_set: PackageSet) -> Iterator[Hit]:
    for wanted in info.conflicts:
        pack, release = package_set.providers(wanted)
        for other in pack:
            if other is not info:
                text = f"{wanted}: {other.file_name} in the same pack provides it"
                yield Hit("Conflicts", text, rpm=info.file_name, remedy="leave one of the two out")
        if release:
            text = f"{wanted}: the release has {', '.join(release)}; hosts with it refuse the pack"
            yield Hit(
                "Conflicts",
                text,
                "W",
                rpm=info.file_name,
                remedy="say in the pack's notes which hosts it is for",
            )


@pack_rule(
    "P5",
    "E",
    meaning="one path is owned by two RPMs of the pack, or by one of the release, with different content",
    remedy="install it elsewhere, or in one of the RPMs alone",
    bad="/usr/bin/acme in acme-agent and in acme-tools",
    good="/usr/bin/acme in acme-agent alone; a folder, or the same file with the same mode, in both",
)
def one_owner(context: PackContext) -> Hits:
    owners: dict[str, tuple[RpmInfo, PayloadFile]] = {}
    for info in context.rpms:
        for file in info.files:
            if file.path not in owners:
                owners[file.path] = (info, file)
                continue
            first, other = owners[file.path]
            if difference := file_difference(file, other):
                yield Hit(
                    file.path,
                    f"also in {first.file_name}, with {difference}",
                    rpm=info.file_name,
                )
    if context.package_set is None:
        yield Skipped(NEEDS_BASE)
        return
    for info in context.rpms:
        yield from _taken(info, context.package_set)


def _taken(info: RpmInfo, package_set: PackageSet) -> Iterator[Hit]:
    """Paths of the release's packages, unless the RPM takes the place of the package itself."""
    replaced = {info.name, *(relation.name for relation in info.obsoletes)}
    for file in info.files:
        if file.is_dir:
            continue
        for owner in package_set.owners(file.path):
            if owner.name in replaced:
                continue
            if owner.file is None:
                text = f"{owner.nevra} of the release owns it; that RPM is not at hand to compare"
                yield Hit(file.path, text, "W", rpm=info.file_name)
            elif difference := file_difference(file, owner.file):
                text = f"{owner.nevra} of the release owns it, with {difference}"
                yield Hit(file.path, text, rpm=info.file_name)


@pack_rule(
    "B3",
    "W",
    meaning="a sub-package of something that the release builds itself, from another release of it",
    remedy="take the sub-package that was built with the release's own packages (the vendor's binpkg ISO)",
    bad="net-snmp-utils-5.7.2-1.el7 where the release has net-snmp-5.7.2-1.xs7",
    good="net-snmp-utils-5.7.2-1.xs7 where the release has net-snmp-5.7.2-1.xs7",
)
def same_build(context: PackContext) -> Hits:
    package_set = context.package_set
    if package_set is None:
        yield Skipped(NEEDS_BASE)
        return
    for info in context.rpms:
        source = split_source(info.source_rpm)
        known = package_set.sources.get(source[0], set()) if source else set()
        if source and known and source[1] not in known and info.name not in package_set.names:
            has = ", ".join(f"{source[0]}-{evr}" for evr in sorted(known))
            yield Hit(
                "Source RPM", f"built of {source[0]}-{source[1]}; the release has {has}", rpm=info.file_name
            )

"""V and X1: versions against the releases that the pack is for, and against its own last release."""

from __future__ import annotations

from collections.abc import Iterator

from xspack_tool.model.dependency import OPERATORS, Dependency
from xspack_tool.releases.packages import compare_evr, relation, satisfies
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rules.context import PackContext, kernels_of
from xspack_tool.rules.finding import Hit, Skipped
from xspack_tool.rules.registry import Hits, pack_rule

_RELEASE_VERSIONS = ("product-version", "platform-version")
NEEDS_BASELINE = "needs the last release of the pack: set XSPACK_BASELINE to its folder, repository or ISO"
_APPLIED = "/var/update/applied/"


@pack_rule(
    "V1",
    "E",
    meaning="a pack for several releases does not require the lowest of them with >=",
    remedy='write requires=["product-version >= <the lowest release>"]',
    bad='requires=["product-version > 8.1"]',
    good='requires=["product-version >= 8.2.0"]',
)
def lowest_release(context: PackContext) -> Hits:
    stated = [one for one in context.pack.requires if one.name in _RELEASE_VERSIONS]
    for name in _RELEASE_VERSIONS:
        wanted = [one for one in stated if one.name == name]
        operators = {one.operator for one in wanted}
        if ">" in operators and not operators & {"=", ">="}:
            text = " and ".join(map(str, wanted))
            yield Hit("requires", f"{text} admits several releases and does not name the lowest")
    yield from _for_all(context, stated)


def _for_all(context: PackContext, stated: list[Dependency]) -> Iterator[Hit]:
    """What a pack that was declared for several releases must require."""
    if len(context.releases) < 2:
        return
    names = ", ".join(sorted(profile.title for profile in context.releases))
    if not stated:
        yield Hit(
            "requires", f"the pack is for {names} and requires none of product-version, platform-version"
        )
    for dependency in stated:
        versions = [profile.provides.get(dependency.name, "") for profile in context.releases]
        lowest = min((version for version in versions if version), key=_ordered, default="")
        if lowest and dependency.operator != ">=":
            yield Hit("requires", f"{dependency} in a pack for {names}; the lowest is {lowest}")
        elif lowest and compare_evr(dependency.evr, lowest):
            yield Hit(
                "requires",
                f"{dependency} in a pack for {names}; the lowest is {lowest}, not {dependency.evr}",
            )


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


@pack_rule(
    "V2",
    "E",
    meaning="an RPM changed and its version did not rise, or its version fell; hosts would keep the old one",
    remedy="raise version or release",
    bad="acme-nic-2.1-1 with other content than the acme-nic-2.1-1 that was released",
    good="acme-nic-2.1-2; or the same content; or the first driver for a new kernel",
)
def rising(context: PackContext) -> Hits:
    if context.baseline is None:
        yield Skipped(NEEDS_BASELINE)
        return
    for info in context.rpms:
        earlier = [old for old in context.earlier if old.name == info.name and _same_kernel(info, old)]
        newest = None
        for old in earlier:
            if newest is None or compare_evr(old.evr, newest.evr) > 0:
                newest = old
        if newest is None:
            continue
        order = compare_evr(info.evr, newest.evr)
        if order < 0:
            yield Hit(
                "version", f"{info.evr} is lower than {newest.evr} of the last release", rpm=info.file_name
            )
        elif order == 0 and (changed := _changes(info, newest)):
            text = f"{', '.join(changed)} changed since the last release, its version is still {info.evr}"
            yield Hit("version", text, rpm=info.file_name)


def _same_kernel(info: RpmInfo, old: RpmInfo) -> bool:
    """A driver for another kernel has a version history of its own."""
    mine, its = set(kernels_of(info)), set(kernels_of(old))
    return bool(mine & its) or mine == its


def _changes(info: RpmInfo, old: RpmInfo) -> list[str]:
    """What differs between two RPMs, in words: at most three paths, then parts of the header."""
    before, after = _contents(old), _contents(info)
    paths = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    found = paths[:3] + ([f"{len(paths) - 3} more files"] if len(paths) > 3 else [])
    for part in ("scripts", "requires", "provides", "conflicts", "obsoletes"):
        if set(getattr(info, part)) != set(getattr(old, part)):
            found.append(part)
    return found


def _contents(info: RpmInfo) -> dict[str, tuple[object, ...]]:
    return {
        file.path: (
            file.mode,
            file.owner,
            file.group,
            file.flags,
            file.link,
            file.digest,
            file.size * file.is_file,
        )
        for file in info.files
    }


@pack_rule(
    "V3",
    "I",
    meaning="a pack with a single driver has another version than the driver",
    remedy="give the pack the driver's version",
    bad="pack 1.0 with acme-nic-2.1-1",
    good="pack 2.1 with acme-nic-2.1-1",
)
def version_of_driver(context: PackContext) -> Hits:
    if (
        len({info.name for info in context.drivers}) == 1
        and context.drivers[0].version != context.pack.version
    ):
        driver = context.drivers[0]
        yield Hit(
            "version", f"the pack is {context.pack.version}, its only driver {driver.name} {driver.version}"
        )


@pack_rule(
    "V4",
    "E",
    meaning="a base requirement that no host, or not the release of XSPACK_TARGET, can meet",
    remedy="require product-version or platform-version with >= and a version that the release has",
    bad='requires=["product-build = 1234"]',
    good='requires=["product-version >= 8.2.0"]',
)
def can_be_met(context: PackContext) -> Hits:
    known = {name: version for name, version in context.profile.provides.items() if version}
    for dependency in context.pack.requires:
        if dependency.operator and dependency.operator not in OPERATORS:
            yield Hit(
                "requires",
                f"{dependency}: unknown operator {dependency.operator!r}; use one of {' '.join(OPERATORS)}",
            )
        elif dependency.name == "product-build":
            yield Hit("requires", f"{dependency}: hosts provide product-build as the constant 0x")
        elif dependency.name in known and not satisfies(known, relation(dependency)):
            yield Hit(
                "requires",
                f"{dependency}: {context.profile.title} has {dependency.name} {known[dependency.name]}",
            )


@pack_rule(
    "X1",
    "E",
    meaning="a uuid that was used for another pack or version; or a second uuid for one version of a pack",
    remedy="give each version of a pack one uuid of its own: python3 -c 'import uuid; print(uuid.uuid4())'",
    bad="acme-suite 5.3 with the uuid of acme-suite 5.2: hosts keep the old metadata",
    good="acme-suite 5.3 with a new uuid; acme-suite 5.2 built again with its own",
)
def own_uuid(context: PackContext) -> Hits:
    if context.baseline is None:
        yield Skipped(NEEDS_BASELINE)
        return
    pack = context.pack
    for label, version, uuid in sorted(_packs(context.earlier)):
        if uuid == pack.uuid and (label, version) != (pack.label, pack.version):
            yield Hit("uuid", f"{uuid} is the uuid of {label} {version}")
        elif uuid != pack.uuid and (label, version) == (pack.label, pack.version):
            yield Hit("uuid", f"{pack.uuid} for {label} {version}, which was released as {uuid}")


def _packs(rpms: tuple[RpmInfo, ...]) -> set[tuple[str, str, str]]:
    """Label, version and uuid of each pack, from its update RPM, which owns the applied record."""
    return {
        (info.name.removeprefix("update-"), info.version, file.path.removeprefix(_APPLIED))
        for info in rpms
        if info.name.startswith("update-")
        for file in info.files
        if file.path.startswith(_APPLIED) and not file.is_dir
    }

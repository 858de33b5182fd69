"""A finished pack as the rules see one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from xspack_tool.errors import BadInput
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.pack import Pack, make_volume_id
from xspack_tool.model.profile import Profile
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rules.context import IndexRecord, PackContext

_NO_PACK = Pack(label="", version="", uuid="", description="", key="")


def pack_model(pack: ParsedPack) -> Pack:
    """What must have been declared for this pack; empty where it has no update document that can be read."""
    document = pack.document
    if document is None:
        return replace(_NO_PACK, label=pack.path.stem)
    info = pack.control.info if pack.control else None
    wanted = [one for one in info.requires if not (one.is_rpmlib or one.name.startswith("/"))] if info else []
    return Pack(
        label=document.label,
        version=document.version,
        uuid=document.uuid,
        description=document.description,
        key=document.key,
        requires=tuple(Dependency(one.name, one.operator, one.evr) for one in dict.fromkeys(wanted)),
        after_apply=document.after_apply,
        rollups=document.rollups,
        enforce_homogeneity=document.enforce_homogeneity,
        driver_disk=pack.index is not None and pack.index.group("drivers") is not None,
        has_precheck=pack.script("precheck") is not None,
        has_remove=pack.script("remove") is not None,
        volume_id=make_volume_id(document.label),  # hosts do not read that of the ISO
        vendor=info.vendor if info else "",
    )


def source_names(places: Sequence[Path] | None) -> frozenset[str] | None:
    """The file names of the source RPMs that are named, or lie in folders that are; None where none is named. Raises
    BadInput for what is none."""
    if not places:
        return None
    names: set[str] = set()
    for place in places:
        files = sorted(place.rglob("*.src.rpm")) if place.is_dir() else [place]
        if not files:
            raise BadInput(place, "no source RPM in it")
        for file in files:
            info = read_rpm(file)
            if not info.is_source:
                raise BadInput(file, "no source RPM")
            names.add(f"{info.name}-{info.version}-{info.release}.src.rpm")
    return frozenset(names)


def pack_context(
    pack: ParsedPack,
    profile: Profile,
    base: Path | None,
    baseline: Path | None,
    now: int,
    named: frozenset[str] | None = None,
    built: frozenset[str] | None = None,
) -> PackContext:
    """Everything that the rules judge a pack by. ``now`` is seconds since 1970, ``named`` are the source RPMs that are
    known besides those on the ISO, ``built`` the file names of RPMs that were built of known sources."""
    remove, precheck = pack.script("remove"), pack.script("precheck")
    sources = set(named or ()) | {
        f"{info.name}-{info.version}-{info.release}.src.rpm" for info in pack.infos if info.is_source
    }
    payload = tuple(rpm.info for rpm in pack.payload if rpm.info and not rpm.info.is_source)
    return PackContext(
        pack=pack_model(pack),
        profile=profile,
        rpms=payload,
        with_source=frozenset(
            info.name for info in payload if info.source_rpm in sources or info.file_name in (built or ())
        ),
        sources_known=bool(sources) or named is not None or built is not None,
        key=pack.key,
        key_name=pack.key_name,
        signed=tuple(info for info in pack.infos if not info.is_source),
        now=now,
        base=base,
        baseline=baseline,
        iso_paths=pack.paths,
        index=tuple(
            IndexRecord(record.type, record.href, record.checksum_type)
            for record in (pack.index.records if pack.index else ())
        ),
        remove_script=pack.texts.get(remove.path) if remove else None,
        precheck_script=pack.texts.get(precheck.path) if precheck else None,
    )

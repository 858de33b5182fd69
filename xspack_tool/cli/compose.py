"""A whole pack from RPMs, without SCons: the functions that a build calls step by step, called in a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct, field

from xspack_tool.errors import StepError
from xspack_tool.model.pack import Pack
from xspack_tool.pack.document import render_applied, render_document
from xspack_tool.pack.generated import control_package, update_package
from xspack_tool.pack.iso import master_iso
from xspack_tool.pack.layout import DOCUMENT, Totals, iso_files, rpm_path, totals_of, with_index
from xspack_tool.repo.comps import comps_xml
from xspack_tool.repo.fragment import make_fragment
from xspack_tool.repo.repodata import RECORDS, REPOMD_NAME, iso_names, write_repodata
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rpm.write import write_rpm
from xspack_tool.run import INDEX_LIBRARY, missing_program
from xspack_tool.signing.sign import Signer

#: rpmsign and gpg wait for each other and for the agent: two at a time is what pays.
_SIGNERS = 2

Progress = Callable[[int], None]


class PackParts(Struct, frozen=True):
    """What a pack is made of besides its declaration. ``signer`` None leaves it unsigned, ``comps`` None
    writes the groups that the declaration asks for; ``payload`` is rpm's `_binary_payload`."""

    rpms: Sequence[Path]
    payload: str
    precheck: Path | None = None
    remove: Path | None = None
    comps: str | None = None
    signer: Signer | None = None


class IsoParts(Struct, frozen=True):
    """Everything that goes onto an ISO but the index: RPMs and other files by their path there."""

    document: str
    rpms: Mapping[str, Path]
    comps: str
    volume_id: str
    time: int
    signer: Signer | None
    others: Mapping[str, Path] = field(default_factory=dict)


def compose(
    pack: Pack, parts: PackParts, out: Path, work: Path, progress: Progress = lambda count: None
) -> None:
    """Write the ISO of ``pack`` to ``out``; ``work`` is an empty folder that the caller removes.

    Raises StepError and BadInput; ``out`` appears whole or not at all.
    """
    infos = [read_rpm(path) for path in parts.rpms]
    totals = totals_of(infos)
    names = [path.name for path in parts.rpms]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise StepError(f"{twice[0]} is given twice; name each RPM once")
    generated = generate(pack, parts, infos, totals, work / "generated")
    iso_parts = IsoParts(
        document=render_document(pack, totals.size),
        rpms={rpm_path(path.name): path for path in (*parts.rpms, *generated)},
        comps=comps_xml(pack.groups, pack.update_name) if parts.comps is None else parts.comps,
        volume_id=pack.volume_id,
        time=totals.time,
        signer=parts.signer,
    )
    write_iso(iso_parts, out, work, progress)


def generate(
    pack: Pack, parts: PackParts, infos: Sequence[RpmInfo], totals: Totals, folder: Path
) -> list[Path]:
    """``update-<label>`` and, where the pack needs one, ``control-<label>``, written to ``folder``."""
    folder.mkdir(parents=True)
    update = update_package(
        pack, sorted((info.name, info.evr) for info in infos), render_applied(pack, totals.size)
    )
    made = [folder / update.file_name]
    write_rpm(update, {}, made[0], payload=parts.payload, time=totals.time)
    if pack.control_name:
        control = control_package(pack)
        named = {"precheck": parts.precheck, "remove": parts.remove}
        scripts = {name: script for name, script in named.items() if script is not None}
        made.append(folder / control.file_name)
        write_rpm(control, scripts, made[1], payload=parts.payload, time=totals.time)
    return made


def write_iso(iso_parts: IsoParts, out: Path, work: Path, progress: Progress = lambda count: None) -> None:
    """Sign, index and master. ``progress`` is called for each RPM that is signed and indexed."""
    if lacking := missing_program(INDEX_LIBRARY):
        raise StepError(lacking)
    rpms = _signed(iso_parts, work / "signed", progress)
    repodata, document = work / "repodata", work / DOCUMENT
    fragments = [make_fragment(path, place) for place, path in rpms.items()]
    write_repodata(fragments, iso_parts.comps, repodata, iso_parts.time)
    document.write_text(iso_parts.document, encoding="utf-8")

    def sign(path: Path) -> Path | None:
        if iso_parts.signer is None:
            return None
        signature = path.with_name(f"{path.name}.asc")
        iso_parts.signer.sign_file(path, signature, iso_parts.time)
        return signature

    repomd = repodata / REPOMD_NAME
    files = {**iso_parts.others, **iso_files(document, repomd, rpms, sign)}
    records = {name: repodata / name for name in RECORDS.values()}
    master_iso(with_index(files, records, iso_names(repomd)), out, iso_parts.volume_id, iso_parts.time)


def _signed(iso_parts: IsoParts, folder: Path, progress: Progress) -> dict[str, Path]:
    """The RPMs as they go onto the ISO."""
    signer = iso_parts.signer
    if signer is None:
        return dict(iso_parts.rpms)

    def sign(place: str) -> Path:
        target, source = folder / place, iso_parts.rpms[place]
        signer.sign_rpm(source, target, read_rpm(source).build_time)
        progress(1)
        return target

    with ThreadPoolExecutor(_SIGNERS) as pool:
        return dict(zip(iso_parts.rpms, pool.map(sign, iso_parts.rpms), strict=True))

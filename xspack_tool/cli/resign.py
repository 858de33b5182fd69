"""``xspack resign``: the same pack, signed with another key."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree

from xspack_tool.binary.xml import parse_xml
from xspack_tool.cli.command import Command, UsageError
from xspack_tool.cli.compose import IsoParts, write_iso
from xspack_tool.cli.output import Output
from xspack_tool.cli.progress import progress
from xspack_tool.cli.signers import add_keyring_argument, signer_of_file
from xspack_tool.errors import BadInput
from xspack_tool.hosts.package_manager import index_faults
from xspack_tool.hosts.parsed import PackRpm, ParsedPack, applied_path
from xspack_tool.hosts.reading import hash_rpms, open_pack
from xspack_tool.model.changelog import ChangelogEntry
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.pack import make_volume_id
from xspack_tool.model.package import FileEntry, Package, Script, ScriptPart
from xspack_tool.pack.iso import master_iso
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.pack.layout import DOCUMENT
from xspack_tool.rpm.info import RPMLIB, PayloadFile, Relation, RpmInfo
from xspack_tool.rpm.payload import payload
from xspack_tool.rpm.write import write_rpm
from xspack_tool.signing.sign import Signer
from xspack_tool.signing.verify import verify_rpm

#: rpm's `_binary_payload` for each compression of a payload.
_PAYLOADS = {
    "gzip": "w9.gzdio",
    "bzip2": "w9.bzdio",
    "xz": "w2.xzdio",
    "lzma": "w2.lzdio",
    "zstd": "w3.zstdio",
}
#: The volume id of a folder that is seen as an ISO for a while.
_NO_VOLUME = "XSPACK_FOLDER"
_SCRIPTS = ("pretrans", "pre", "post", "preun", "postun", "posttrans")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", type=Path, metavar="ISO|DIR", help="a pack, or a folder made by xspack unpack"
    )
    parser.add_argument("--key", type=Path, metavar="F", required=True, help="public key file of the new key")
    parser.add_argument("-o", "--output", type=Path, metavar="ISO", required=True, help="file to write")
    add_keyring_argument(parser)


def _run(args: argparse.Namespace, out: Output) -> int:
    _check_output(args.source, args.output)
    signer = signer_of_file(args.key, args.gnupghome)
    with tempfile.TemporaryDirectory(prefix="xspack-resign-") as scratch:
        work = Path(scratch)
        iso = _mastered(args.source, work / "in.iso") if args.source.is_dir() else args.source
        pack = _sound(open_pack(iso), is_folder=args.source.is_dir())
        with progress("signing", len(pack.rpms)) as tell:
            write_iso(_iso_parts(pack, signer, args.key.name, work), args.output, work, tell)
    out.line(f"{args.output}: {len(pack.rpms)} RPMs, update.xml and index signed with {args.key.name}")
    return 0


COMMAND = Command(
    "resign",
    "sign a pack again, with another key",
    _arguments,
    _run,
    reports=False,
    examples=("xspack resign acme-1.0.iso --key RPM-GPG-KEY-Acme -o signed.iso",),
)


def _check_output(source: Path, output: Path) -> None:
    """The input is never written over, by whatever name it is called."""
    if output.exists() and (source.is_file() and os.path.samefile(source, output)):
        raise UsageError(f"{output} is the pack to sign; name another file")
    if source.is_dir() and source.resolve() in output.resolve().parents:
        raise UsageError(f"{output} is in the folder to sign; name a file elsewhere")


def _mastered(folder: Path, iso: Path) -> Path:
    """An unpacked pack as an ISO again."""
    files = {
        str(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    if DOCUMENT not in files:
        raise BadInput(folder, f"holds no {DOCUMENT}: it is no unpacked pack")
    master_iso(files, iso, _NO_VOLUME, 0)
    return iso


def _sound(pack: ParsedPack, *, is_folder: bool) -> ParsedPack:
    """The pack, if there is nothing in it for which nobody should vouch. Raises BadInput."""
    if pack.document is None:
        raise BadInput(pack.path, f"{DOCUMENT}: {pack.document_fault}")
    if pack.index is None:
        raise BadInput(pack.path, pack.index_fault)
    if unreadable := [rpm for rpm in pack.rpms if rpm.info is None]:
        raise BadInput(pack.path, f"{unreadable[0].path}: {unreadable[0].fault}")
    if not is_folder and (
        faults := [fault for fault in index_faults(hash_rpms(pack)) if fault.kind == "DOWNLOAD"]
    ):
        raise BadInput(pack.path, faults[0].why)
    return pack


def _iso_parts(pack: ParsedPack, signer: Signer, key_name: str, work: Path) -> IsoParts:
    """Everything of the pack with the new key's name where it is named; RPMs are unpacked to ``work``."""
    assert pack.document is not None and pack.index is not None  # _sound() saw to it
    folder = work / "iso"
    with IsoReader(pack.path) as iso:
        iso.extract(folder)
        document = _renamed(iso.read(DOCUMENT), key_name)
        made = make_volume_id(pack.document.label, pack.document.version)
        volume = made if iso.volume_id == _NO_VOLUME else iso.volume_id
    rpms = {rpm.path: folder / rpm.path for rpm in pack.rpms}
    for path in rpms.values():
        if any(verdict == "BAD" for _, verdict in verify_rpm(None, path).checks):
            raise BadInput(path.name, "damaged: rpm finds another digest than its header says")
    if pack.update is not None and _names_key(pack, key_name):
        rpms[pack.update.path] = _update_again(pack, pack.update, folder, key_name, work / "update")
    kept = (DOCUMENT, f"{DOCUMENT}.asc", *rpms)
    others = {
        entry.path: folder / entry.path
        for entry in pack.entries
        if entry.kind == "file" and entry.path not in kept and not entry.path.startswith("repodata/")
    }
    time = max((info.build_time for info in pack.infos), default=0)
    return IsoParts(document, rpms, pack.index.comps, volume, time, signer, others)


def _renamed(document: bytes | str, key_name: str) -> str:
    """The update document with another key's name."""
    root = parse_xml(document, DOCUMENT)
    root.set("key", key_name)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _names_key(pack: ParsedPack, key_name: str) -> bool:
    """Whether the applied record names a key, as older build-updates wrote it, and another one."""
    record = pack.texts.get(applied_path(pack.document)) if pack.document else None
    return record is not None and parse_xml(record, "applied record").get("key", key_name) != key_name


def _update_again(pack: ParsedPack, rpm: PackRpm, folder: Path, key_name: str, work: Path) -> Path:
    """``update-<label>`` with the new key's name in the applied record, and else as it was."""
    assert pack.document is not None and rpm.info is not None  # only such are asked for
    work.mkdir()
    contents: dict[str, Path] = {}
    record = applied_path(pack.document)
    entries = [_entry(file) for file in rpm.info.files if not file.is_file]
    for names, content in payload(folder / rpm.path):
        data = content.read()
        for file in names:
            place = contents[file.path] = work / str(len(contents))
            place.write_bytes(_renamed(data, key_name).encode() if file.path == record else data)
            entries.append(_entry(file))
    write_rpm(
        _package(rpm.info, entries),
        contents,
        work / rpm.name,
        payload=_PAYLOADS[rpm.info.payload_compressor],
        time=rpm.info.build_time,
    )
    return work / rpm.name


def _entry(file: PayloadFile) -> FileEntry:
    return FileEntry(
        file.path,
        "dir" if file.is_dir else "link" if file.is_link else "file",
        mode=file.mode & 0o7777,
        owner=file.owner,
        group=file.group,
        link=file.link,
        role="ghost" if file.is_ghost else "config" if file.is_config else "",
        source=file.path if file.is_file else "",
    )


def _package(info: RpmInfo, entries: list[FileEntry]) -> Package:
    """The declaration of an RPM that was generated for a pack."""
    return Package(
        name=info.name,
        version=info.version,
        release=info.release,
        epoch=info.epoch,
        arch=info.arch,
        summary=info.summary,
        license=info.license,
        description=info.description,
        vendor=info.vendor,
        packager=info.packager,
        url=info.url,
        entries=tuple(entries),
        requires=_dependencies(relation for relation in info.requires if not relation.flags & RPMLIB),
        provides=_dependencies(relation for relation in info.provides if relation.name != info.name),
        conflicts=_dependencies(info.conflicts),
        obsoletes=_dependencies(info.obsoletes),
        scripts=tuple(
            Script(script.phase, (ScriptPart(script.text),), script.interpreter)
            for script in info.scripts
            if script.phase in _SCRIPTS
        ),
        changelog=tuple(
            ChangelogEntry(datetime.fromtimestamp(when, timezone.utc).date(), who, text)
            for when, who, text in info.changelog
        ),
        automatic_dependencies=False,
    )


def _dependencies(relations: Iterable[Relation]) -> tuple[Dependency, ...]:
    return tuple(Dependency(one.name, one.operator, one.evr) for one in dict.fromkeys(relations))

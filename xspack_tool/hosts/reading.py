"""Reading a finished pack, within bounds: it may come from anyone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from xspack_tool.errors import BadInput, HostileInput
from xspack_tool.hosts.index import Index, read_index
from xspack_tool.hosts.parsed import PackRpm, ParsedPack
from xspack_tool.hosts.signatures import read_signers, with_signatures
from xspack_tool.pack.document import Document, parse_document
from xspack_tool.pack.generated import SCRIPTS
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.pack.layout import DOCUMENT
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rpm.payload import payload_of
from xspack_tool.rpm.read import read_info
from xspack_tool.signing.keys import read_public_key

#: The bounds of a pack: RPMs, and what all their headers together may hold of files, relations and the like.
_MAX_RPMS, _MAX_ITEMS = 1000, 120_000
_MAX_SCRIPT = 1 << 20
#: What all payloads may unpack to: this many times the image, and so many bytes besides.
_TIMES_PAYLOAD, _FREE_PAYLOAD = 100, 2 << 30
_BLOCK = 1 << 20

#: Told how many bytes of RPMs were read.
Progress = Callable[[int], None]


def open_pack(source: Path | IsoReader, keyfile: Path | None = None) -> ParsedPack:
    """Read a pack, all but the payloads, from an ISO or one that is open. With ``keyfile`` its signatures are checked
    by a gpg that knows this key alone.

    Raises BadInput, one line, for what is no ISO, or plays tricks; everything else that may be wrong with a
    pack is told in the result.
    """
    key = read_public_key(keyfile) if keyfile else None
    with _opened(source) as iso:
        document, document_fault = _document(iso)
        index, index_fault = _index(iso)
        pack = ParsedPack(
            path=iso.path,
            volume_id=iso.volume_id,
            has_rock_ridge=iso.has_rock_ridge,
            entries=iso.entries,
            document=document,
            document_fault=document_fault,
            index=index,
            index_fault=index_fault,
            rpms=tuple(_rpms(iso)),
            key=key,
            key_name=keyfile.name if keyfile else "",
            signers=read_signers(iso),
        )
        pack = replace(pack, texts=_texts(iso, pack))
        return with_signatures(iso, pack, keyfile) if keyfile else pack


def hash_rpms(
    pack: ParsedPack, progress: Progress = lambda count: None, source: IsoReader | None = None
) -> ParsedPack:
    """The pack with the SHA-256 of each RPM: everything is read once, block by block."""
    with _opened(source or pack.path) as iso:
        return replace(
            pack, rpms=tuple(replace(rpm, sha256=iso.digest(rpm.path, progress)) for rpm in pack.rpms)
        )


def payloads(
    pack: ParsedPack, wanted: Callable[[RpmInfo], bool] = lambda info: True, source: IsoReader | None = None
) -> Iterator[tuple[PackRpm, BinaryIO]]:
    """Each wanted RPM of the pack, and its file on the ISO, opened. Raises BadInput where all payloads together
    claim to unpack to many times the image."""
    total = sum(info.installed_size for info in pack.infos)
    claimed = sum(file.size for info in pack.infos for file in info.files if file.is_file)
    limit = _TIMES_PAYLOAD * pack.path.stat().st_size + _FREE_PAYLOAD
    if max(total, claimed) > limit:
        raise HostileInput(
            pack.path, f"claims to unpack to {max(total, claimed) >> 30} GiB, many times its size"
        )
    with _opened(source or pack.path) as iso:
        for rpm in pack.rpms:
            if rpm.info is not None and wanted(rpm.info):
                with iso.open(rpm.path) as file:
                    yield rpm, file


def _opened(source: Path | IsoReader) -> AbstractContextManager[IsoReader]:
    """An ISO, opened here and closed at the end, or left open by who opened it."""
    return IsoReader(source) if isinstance(source, Path) else nullcontext(source)


def _document(iso: IsoReader) -> tuple[Document | None, str]:
    if DOCUMENT not in iso:
        return None, "missing"
    try:
        return parse_document(iso.read(DOCUMENT), DOCUMENT), ""
    except HostileInput as trick:
        raise HostileInput(iso.path, str(trick)) from None
    except BadInput as bad:
        return None, bad.why


def _index(iso: IsoReader) -> tuple[Index | None, str]:
    try:
        return read_index(iso), ""
    except HostileInput:
        raise
    except BadInput as bad:
        return None, str(bad).removeprefix(f"{iso.path}: ")


def _rpms(iso: IsoReader) -> Iterator[PackRpm]:
    paths = [entry for entry in iso.entries if entry.kind == "file" and entry.path.endswith(".rpm")]
    if len(paths) > _MAX_RPMS:
        raise HostileInput(iso.path, f"holds {len(paths)} RPMs, more than xspack reads ({_MAX_RPMS})")
    items = 0
    for entry in paths:
        try:
            with iso.open(entry.path) as file:
                info, offset = read_info(file, entry.path)
        except HostileInput as trick:
            raise HostileInput(iso.path, str(trick)) from None
        except BadInput as bad:
            yield PackRpm(entry.path, entry.size, fault=bad.why)
            continue
        items += sum(map(len, (info.files, info.requires, info.provides, info.conflicts, info.changelog)))
        if items > _MAX_ITEMS:
            raise HostileInput(iso.path, f"its RPMs list more than {_MAX_ITEMS} files and dependencies")
        signature = "unknown" if info.signed_by else "unsigned"
        yield PackRpm(entry.path, entry.size, info, signature=signature, offset=offset)


def _texts(iso: IsoReader, pack: ParsedPack) -> dict[str, str]:
    """The small text files below /var/update of the two generated RPMs."""
    texts: dict[str, str] = {}
    for rpm in (pack.update, pack.control):
        if rpm is None or rpm.info is None:
            continue
        wanted = {
            file.path for file in rpm.info.files if file.path.startswith(f"{SCRIPTS}/") and file.is_file
        }
        if not wanted or sum(file.size for file in rpm.info.files if file.is_file) > 64 * _MAX_SCRIPT:
            continue
        with iso.open(rpm.path) as file:
            texts |= _small_files(file, rpm, wanted)
    return texts


def _small_files(file: BinaryIO, rpm: PackRpm, wanted: set[str]) -> dict[str, str]:
    found = {}
    try:
        for names, content in payload_of(file, rpm.info, rpm.offset, rpm.path) if rpm.info else ():
            for name in names:
                if name.path in wanted and name.size <= _MAX_SCRIPT:
                    found[name.path] = content.read().decode("utf-8", "replace")
    except BadInput:
        pass  # a payload that cannot be unpacked is a finding of X2
    return found

"""A finished pack, opened once: everything that the hosts judge it by, as one frozen value."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from xspack_tool.errors import BadInput
from xspack_tool.hosts.index import Index, read_index
from xspack_tool.pack.document import Document, parse_document
from xspack_tool.pack.generated import APPLIED, SCRIPTS
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.pack.iso_tree import IsoEntry
from xspack_tool.rpm.header import read_headers
from xspack_tool.rpm.info import PayloadFile, RpmInfo
from xspack_tool.rpm.payload import payload_of
from xspack_tool.rpm.read import read_info
from xspack_tool.signing.keys import PublicKey, read_public_key
from xspack_tool.signing.verify import SignatureStatus, host_keyring, verify_rpm

DOCUMENT = "update.xml"
SIGNED = (DOCUMENT, "repodata/repomd.xml")
#: The bounds of a pack: RPMs, and what all their headers together may hold of files, relations and the like.
_MAX_RPMS, _MAX_ITEMS = 1000, 400_000
#: Several names may share one content, but reading all files must not cost many times the image.
_TIMES_IMAGE = 4
_MAX_SCRIPT = 1 << 20
#: What all payloads may unpack to: this many times the image, and so many bytes besides.
_TIMES_PAYLOAD, _FREE_PAYLOAD = 100, 2 << 30
_BLOCK = 1 << 20

#: Told how many bytes of RPMs were read.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class PackRpm:
    """An RPM of a pack, ``path`` being its place there and ``size`` its length in bytes.

    ``fault`` says why it cannot be read (``info`` is None then). ``signature`` is one of ``unsigned``, and
    where a key was given ``good``, ``bad`` (damaged) or ``other key``, else ``unknown``. ``sha256`` is empty
    until :func:`hash_rpms` has read it all.
    """

    path: str
    size: int
    info: RpmInfo | None = None
    fault: str = ""
    signature: str = "unknown"
    sha256: str = ""

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class OpenedPack:
    """What is in an ISO. A part that is missing or damaged is None, and its fault says why.

    ``signatures`` has what gpg said of the signed files, where a key was given; ``signers`` the key ids that
    the signature files themselves name. ``texts`` are the contents of the applied record and of the
    pack's scripts, by their path on a host.
    """

    path: Path
    volume_id: str
    has_rock_ridge: bool
    entries: tuple[IsoEntry, ...]
    document: Document | None
    document_fault: str
    index: Index | None
    index_fault: str
    rpms: tuple[PackRpm, ...]
    key: PublicKey | None = None
    key_name: str = ""
    signatures: Mapping[str, SignatureStatus] = field(default_factory=dict)
    signers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def infos(self) -> tuple[RpmInfo, ...]:
        """The headers of all RPMs that can be read."""
        return tuple(rpm.info for rpm in self.rpms if rpm.info)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path on the ISO."""
        return tuple(entry.path for entry in self.entries)

    @property
    def update(self) -> PackRpm | None:
        """``update-<label>``."""
        return self._named(f"update-{self.document.label}") if self.document else None

    @property
    def control(self) -> PackRpm | None:
        """The control RPM that the document names, or would name."""
        if self.document is None:
            return None
        return self._named(self.document.control or f"control-{self.document.label}")

    @property
    def payload(self) -> tuple[PackRpm, ...]:
        """The RPMs besides the two that are made for every pack."""
        own = (self.update, self.control)
        return tuple(rpm for rpm in self.rpms if rpm.info and rpm not in own)

    def script(self, name: str) -> PayloadFile | None:
        """``precheck`` or ``remove`` as the control RPM holds it."""
        if self.document is None or self.control is None or self.control.info is None:
            return None
        path = f"{SCRIPTS}/{self.document.uuid}/{name}"
        return next((file for file in self.control.info.files if file.path == path), None)

    def _named(self, name: str) -> PackRpm | None:
        return next((rpm for rpm in self.rpms if rpm.info and rpm.info.name == name), None)


def open_pack(path: Path, keyfile: Path | None = None) -> OpenedPack:
    """Read a pack, all but the payloads. With ``keyfile`` its signatures are checked by a gpg that knows this
    key alone.

    Raises BadInput, one line, for what is no ISO, or plays tricks; everything else that may be wrong with a
    pack is told in the result.
    """
    key = read_public_key(keyfile) if keyfile else None
    with IsoReader(path) as iso:
        if sum(entry.size for entry in iso.entries) > _TIMES_IMAGE * path.stat().st_size:
            raise BadInput(path, "its files overlap: they are many times its size")
        document, document_fault = _document(iso)
        index, index_fault = _index(iso)
        pack = OpenedPack(
            path=path,
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
            signers=_signers(iso),
        )
        pack = replace(pack, texts=_texts(iso, pack))
        return _with_signatures(iso, pack, keyfile) if keyfile else pack


def hash_rpms(pack: OpenedPack, progress: Progress = lambda count: None) -> OpenedPack:
    """The pack with the SHA-256 of each RPM: everything is read once, block by block."""
    with IsoReader(pack.path) as iso:
        return replace(
            pack, rpms=tuple(replace(rpm, sha256=_sha256(iso, rpm, progress)) for rpm in pack.rpms)
        )


def payloads(
    pack: OpenedPack, wanted: Callable[[RpmInfo], bool] = lambda info: True
) -> Iterator[tuple[PackRpm, BinaryIO]]:
    """Each wanted RPM of the pack, and its file on the ISO, opened. Raises BadInput where all payloads together
    claim to unpack to many times the image."""
    total = sum(info.installed_size for info in pack.infos)
    claimed = sum(file.size for info in pack.infos for file in info.files if file.is_file)
    limit = _TIMES_PAYLOAD * pack.path.stat().st_size + _FREE_PAYLOAD
    if max(total, claimed) > limit:
        raise BadInput(pack.path, f"claims to unpack to {max(total, claimed) >> 30} GiB, many times its size")
    with IsoReader(pack.path) as iso:
        for rpm in pack.rpms:
            if rpm.info is not None and wanted(rpm.info):
                with iso.open(rpm.path) as file:
                    yield rpm, file


def _document(iso: IsoReader) -> tuple[Document | None, str]:
    if DOCUMENT not in iso:
        return None, "missing"
    try:
        return parse_document(iso.read(DOCUMENT), DOCUMENT), ""
    except BadInput as bad:
        return None, bad.why


def _index(iso: IsoReader) -> tuple[Index | None, str]:
    try:
        return read_index(iso), ""
    except BadInput as bad:
        return None, str(bad).removeprefix(f"{iso.path}: ")


def _rpms(iso: IsoReader) -> Iterator[PackRpm]:
    paths = [entry for entry in iso.entries if entry.kind == "file" and entry.path.endswith(".rpm")]
    if len(paths) > _MAX_RPMS:
        raise BadInput(iso.path, f"holds {len(paths)} RPMs, more than xspack reads ({_MAX_RPMS})")
    items = 0
    for entry in paths:
        try:
            with iso.open(entry.path) as file:
                info, _ = read_info(file, entry.path)
        except BadInput as bad:
            yield PackRpm(entry.path, entry.size, fault=bad.why)
            continue
        items += sum(map(len, (info.files, info.requires, info.provides, info.conflicts, info.changelog)))
        if items > _MAX_ITEMS:
            raise BadInput(iso.path, f"its RPMs list more than {_MAX_ITEMS} files and dependencies")
        signature = "unknown" if info.signed_by else "unsigned"
        yield PackRpm(entry.path, entry.size, info, signature=signature)


def _sha256(iso: IsoReader, rpm: PackRpm, progress: Progress) -> str:
    found = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    with iso.open(rpm.path) as file:
        while count := file.readinto(buffer):  # type: ignore[attr-defined]  # BufferedReader has it
            found.update(buffer[:count])
            progress(count)
    return found.hexdigest()


def _signers(iso: IsoReader) -> dict[str, tuple[str, ...]]:
    from xspack_tool.rpm.openpgp import armoured_key_ids

    found = {}
    for path in SIGNED:
        if f"{path}.asc" in iso:
            with iso.open(f"{path}.asc") as file:
                found[path] = tuple(armoured_key_ids(file.read(1 << 16)))
    return found


def _texts(iso: IsoReader, pack: OpenedPack) -> dict[str, str]:
    """The small text files below /var/update of the two generated RPMs."""
    found: dict[str, str] = {}
    for rpm in (pack.update, pack.control):
        if rpm is None or rpm.info is None:
            continue
        wanted = {
            file.path for file in rpm.info.files if file.path.startswith(f"{SCRIPTS}/") and file.is_file
        }
        if not wanted or sum(file.size for file in rpm.info.files if file.is_file) > 64 * _MAX_SCRIPT:
            continue
        with iso.open(rpm.path) as file:
            found |= _small_files(file, rpm, wanted)
    return found


def _small_files(file: BinaryIO, rpm: PackRpm, wanted: set[str]) -> dict[str, str]:
    found = {}
    try:
        info, offset = read_info(file, rpm.path)
        for names, content in payload_of(file, info, offset, rpm.path):
            for name in names:
                if name.path in wanted and name.size <= _MAX_SCRIPT:
                    found[name.path] = content.read().decode("utf-8", "replace")
    except BadInput:
        pass  # what cannot be unpacked is judged as a whole, by whoever unpacks it
    return found


def applied_path(document: Document) -> str:
    """Where a host keeps the record that the pack was applied."""
    return f"{APPLIED}/{document.uuid}"


def _with_signatures(iso: IsoReader, pack: OpenedPack, keyfile: Path) -> OpenedPack:
    """The pack with what a host that has this one key sees in the signatures of documents and RPMs."""
    signatures: dict[str, SignatureStatus] = {}
    with tempfile.TemporaryDirectory(prefix="xspack-verify-") as scratch, host_keyring(keyfile) as check:
        data, signature = Path(scratch, "data"), Path(scratch, "signature")

        def judge(content: bytes, signed: bytes) -> SignatureStatus:
            data.write_bytes(content)
            signature.write_bytes(signed)
            return check(data, signature)

        for path in SIGNED:
            if path in iso and f"{path}.asc" in iso:
                with iso.open(path) as file, iso.open(f"{path}.asc") as signed:
                    signatures[path] = judge(file.read(_BLOCK), signed.read(1 << 16))
        rpms = tuple(replace(rpm, signature=_rpm_signature(iso, rpm, judge, keyfile)) for rpm in pack.rpms)
    return replace(pack, signatures=signatures, rpms=rpms)


def _rpm_signature(
    iso: IsoReader, rpm: PackRpm, judge: Callable[[bytes, bytes], SignatureStatus], keyfile: Path
) -> str:
    """As yum does: the signature over the header. What is behind it, the signed index vouches for."""
    if rpm.info is None or not rpm.info.signed_by:
        return rpm.signature
    with iso.open(rpm.path) as file:
        headers = read_headers(file, rpm.path)
        signature = headers.values.get("rsaheader")
        file.seek(headers.header_offset)
        header = file.read(headers.payload_offset - headers.header_offset)
    if not signature:
        return _whole_signature(iso, rpm, keyfile)
    status = judge(header, bytes(signature))
    if "VALIDSIG" in status.tokens:  # rpm asks neither for trust nor for the key's expiry
        return "good"
    return "bad" if "BADSIG" in status.tokens else "other key"


def _whole_signature(iso: IsoReader, rpm: PackRpm, keyfile: Path) -> str:
    """For an RPM that has a signature over header and payload alone: rpm itself is asked."""
    with tempfile.NamedTemporaryFile(prefix="xspack-verify-", suffix=".rpm") as copy:
        with iso.open(rpm.path) as file:
            while block := file.read(_BLOCK):
                copy.write(block)
        copy.flush()
        status = verify_rpm(keyfile, Path(copy.name))
    if status.accepted:
        return "good"
    return "bad" if any(verdict == "BAD" for _, verdict in status.checks) else "other key"

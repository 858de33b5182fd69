"""The signatures of a pack as a host sees them that has one key."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from xspack_tool.hosts.parsed import PackRpm, ParsedPack
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.pack.layout import SIGNED
from xspack_tool.rpm.header import read_headers
from xspack_tool.rpm.openpgp import armoured_key_ids
from xspack_tool.signing.verify import SignatureStatus, host_keyring, verify_rpm

_BLOCK = 1 << 20


def read_signers(iso: IsoReader) -> dict[str, tuple[str, ...]]:
    """The key ids that the signature files name, by the file they belong to."""
    found = {}
    for path in SIGNED:
        if f"{path}.asc" in iso:
            with iso.open(f"{path}.asc") as file:
                found[path] = tuple(armoured_key_ids(file.read(1 << 16)))
    return found


def with_signatures(iso: IsoReader, pack: ParsedPack, keyfile: Path) -> ParsedPack:
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

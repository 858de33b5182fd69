"""The signature of a kernel module: what the kernel's scripts/sign-file.c appends, read and verified as its
kernel/module/signing.c and crypto/asymmetric_keys/pkcs7_*.c do."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from msgspec import Struct

from xspack_tool.errors import BadInput

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

#: struct module_signature of the kernel's include/linux/module_signature.h, and what stands behind it.
TRAILER, PKCS7, MARK = struct.Struct(">BBBBB3xI"), 2, b"~Module signature appended~\n"
_LARGEST, _MOST_SIGNERS, _BLOCK = 64 * 1024, 8, 256 * 1024
_LARGEST_FILE = 4 << 20
#: By the content of an OBJECT IDENTIFIER (the kernel's include/linux/oid_registry.h).
_HASHES = {
    bytes.fromhex(oid): name
    for oid, name in (
        ("2a864886f70d0204", "md4"),
        ("2a864886f70d0205", "md5"),
        ("2b0e03021a", "sha1"),
        ("608648016503040204", "sha224"),
        ("608648016503040201", "sha256"),
        ("608648016503040202", "sha384"),
        ("608648016503040203", "sha512"),
        ("608648016503040208", "sha3-256"),
        ("608648016503040209", "sha3-384"),
        ("60864801650304020a", "sha3-512"),
    )
}
_DATA, _SIGNED_DATA = bytes.fromhex("2a864886f70d010701"), bytes.fromhex("2a864886f70d010702")
_COMMON_NAME = bytes.fromhex("550403")
_SEQUENCE, _SET, _INTEGER, _BYTES, _OID, _OF_ATTRIBUTES, _OF_KEY_ID = 0x30, 0x31, 2, 4, 6, 0xA0, 0x80

#: Whether a signature is that of a content: by a certificate that is known, by none of those, or by none at all.
Verdict = Literal["good", "broken", "unknown"]


class Signer(Struct, frozen=True):
    """One signature over a module. It names its certificate by issuer and serial number, or by its subject key id;
    ``digest`` is that of the content before the signature, empty where the hash is none of ours."""

    name: str
    key_id: str
    hash: str
    digest: bytes
    value: bytes
    issuer: bytes = b""


class Signature(Struct, frozen=True):
    """What is appended to a module: ``fault`` says why no kernel takes it, empty where it is well-formed."""

    signers: tuple[Signer, ...] = ()
    fault: str = ""


def read_signature(file: BinaryIO) -> Signature | None:
    """The signature at the end of a module; None where there is none. The content is read once, in blocks."""
    size = file.seek(0, os.SEEK_END)
    tail = TRAILER.size + len(MARK)
    if size < tail:
        return None
    file.seek(size - tail)
    end = file.read(tail)
    if not end.endswith(MARK):
        return None
    kind, length = end[2], TRAILER.unpack_from(end)[-1]
    begin = size - tail - length
    if kind != PKCS7 or any(end[:2]) or any(end[3:8]):
        return Signature(fault="no kernel reads this kind of signature")
    if not 0 < length <= _LARGEST or begin <= 0:
        return Signature(fault="it is damaged: its length is invalid")
    file.seek(begin)
    try:
        signers = tuple(_signers(file.read(length)))
    except (ValueError, IndexError):
        return Signature(fault="it is damaged: not PKCS #7")
    except BadInput as bad:
        return Signature(fault=bad.why)
    names = {signer.hash for signer in signers if _python_name(signer.hash) in hashlib.algorithms_guaranteed}
    sums = {name: hashlib.new(_python_name(name), usedforsecurity=False) for name in names}
    file.seek(0)
    left = begin
    while left and (block := file.read(min(left, _BLOCK))):
        left -= len(block)
        for digest in sums.values():
            digest.update(block)
    digests = {name: digest.digest() for name, digest in sums.items()}
    return Signature(
        tuple(
            Signer(
                signer.name,
                signer.key_id,
                signer.hash,
                digests.get(signer.hash, b""),
                signer.value,
                signer.issuer,
            )
            for signer in signers
        )
    )


def read_certificates(path: Path) -> list[Certificate]:
    """The certificates (X.509) in a file: several in PEM, or one in DER. Raises BadInput where there is none."""
    try:
        with open(path, "rb") as file:
            return certificates_in(file.read(_LARGEST_FILE), path)
    except OSError as error:
        raise BadInput(path, error.strerror or "cannot be read") from None


def certificates_in(content: bytes, name: object) -> list[Certificate]:
    """The same of a file's content; ``name`` is for messages."""
    from cryptography import x509

    try:
        if b"-----BEGIN" in content:
            certificates = x509.load_pem_x509_certificates(content)
        else:
            certificates = [x509.load_der_x509_certificate(content)]
        for certificate in certificates:
            certificate.issuer, certificate.extensions  # noqa: B018  # read when they are asked for
        return certificates
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise BadInput(name, "not a certificate (X.509 in PEM or DER)") from None


def verify(signer: Signer, known: Iterable[Certificate]) -> Verdict:
    """Whether the content is what was signed, by the certificate that the signature names."""
    mine = [one for one in known if _is_of(signer, one)]
    if not mine:
        return "unknown"
    return "good" if any(_fits(signer, one) for one in mine) else "broken"


def _is_of(signer: Signer, certificate: Certificate) -> bool:
    from cryptography import x509

    if signer.issuer:
        number = f"{certificate.serial_number:X}"
        return signer.issuer == certificate.issuer.public_bytes() and _plain(signer.key_id) == number
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return False
    return _pairs(extension.value.digest) == signer.key_id


def _fits(signer: Signer, certificate: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    kind = getattr(hashes, _python_name(signer.hash).upper(), None)
    if kind is None or not signer.digest:
        return False
    algorithm = Prehashed(kind())
    try:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signer.value, signer.digest, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.value, signer.digest, ec.ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _python_name(hash_name: str) -> str:
    return hash_name.replace("-", "_")


def _signers(der: bytes) -> Iterator[Signer]:
    """The SignerInfos of a CMS message (RFC 5652, 5.1 and 5.3), in DER."""
    (whole,) = _items(der)
    kind, explicit = _items(_content(whole, _SEQUENCE))
    if _content(kind, _OID) != _SIGNED_DATA:
        raise ValueError
    (inner,) = _items(explicit[1])
    _, _, content, *_, infos = _items(_content(inner, _SEQUENCE))
    of_content, *_ = _items(_content(content, _SEQUENCE))
    if _content(of_content, _OID) != _DATA:
        raise BadInput("", "it is not over plain data, as kernels want it")
    signers = _items(_content(infos, _SET))
    if not 0 < len(signers) <= _MOST_SIGNERS:
        raise ValueError
    for info in signers:
        _, identity, algorithm, *rest = _items(_content(info, _SEQUENCE))
        if rest[0][0] == _OF_ATTRIBUTES:
            raise BadInput("", "it is over attributes, which kernels refuse")
        _, value = rest[:2]
        hash_name = _content(_items(_content(algorithm, _SEQUENCE))[0], _OID)
        name, key_id, issuer = _identity(identity)
        yield Signer(
            name,
            key_id,
            _HASHES.get(hash_name, f"OID {hash_name.hex()}"),
            b"",
            _content(value, _BYTES),
            issuer,
        )


def _identity(item: tuple[int, bytes]) -> tuple[str, str, bytes]:
    """Name, key id and issuer: as modinfo shows them, the key id is the serial number where there is an issuer."""
    tag, content = item
    if tag == _OF_KEY_ID:
        return "", _pairs(content), b""
    issuer, serial = _items(_content(item, _SEQUENCE))
    name = ""
    for part in _items(_content(issuer, _SEQUENCE)):
        for pair in _items(_content(part, _SET)):
            oid, text = _items(_content(pair, _SEQUENCE))
            if _content(oid, _OID) == _COMMON_NAME:
                name = text[1].decode("utf-8", "backslashreplace")
    number = _content(serial, _INTEGER)
    return name, _pairs(number.lstrip(b"\0") or number[-1:]), _der(issuer)


def _pairs(data: bytes) -> str:
    return data.hex(":").upper()


def _plain(key_id: str) -> str:
    return key_id.replace(":", "").lstrip("0") or "0"


def _content(item: tuple[int, bytes], tag: int) -> bytes:
    if item[0] != tag:
        raise ValueError
    return item[1]


def _items(data: bytes) -> list[tuple[int, bytes]]:
    """The items of DER one after the other, as tags and contents. Raises ValueError, IndexError."""
    items, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length > 0x80:
            count = length - 0x80
            if count > 4:
                raise ValueError
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        elif length == 0x80:
            raise ValueError
        if at + length > len(data):
            raise ValueError
        items.append((tag, data[at : at + length]))
        at += length
    return items


def _der(item: tuple[int, bytes]) -> bytes:
    tag, content = item
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes(-(-size.bit_length() // 8), "big")
    return bytes([tag, 0x80 + len(length)]) + length + content

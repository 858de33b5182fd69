"""OpenPGP signatures (RFC 4880): the key ids in them (5.2), what is signed (5.2.4), and their ASCII armour (6.2)."""

from __future__ import annotations

import base64

from msgspec import Struct

_PUBLIC_KEY, _RSA, _DOCUMENT = 6, (1, 3), 0
_SIGNATURE, _ISSUER, _ISSUER_FINGERPRINT = 2, 16, 33
#: The four kinds of a user id's certification (5.2.1), and hashes (9.4).
_CERTIFICATIONS = range(0x10, 0x14)
_HASHES = {1: "MD5", 2: "SHA1", 3: "RIPEMD160", 8: "SHA256", 9: "SHA384", 10: "SHA512", 11: "SHA224"}


class RsaSignature(Struct, frozen=True):
    """A signature of version 4 on a document: the hash's name, what is hashed after the document, and the number."""

    hash: str
    after: bytes
    number: bytes


def rsa_key(content: bytes) -> tuple[int, int] | None:
    """The modulus and the exponent of the first key in a key file; None where that is no RSA key of version 4."""
    packets = _dearmoured(content, b"PUBLIC KEY BLOCK")
    tag, body, _ = _packet(packets) if packets else (0, b"", b"")
    if tag != _PUBLIC_KEY or body[:1] != b"\x04" or body[5:6] not in (b"\x01", b"\x03"):
        return None
    modulus, rest = _number(body[6:])
    exponent, _ = _number(rest)
    return int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")


def rsa_signature(text: bytes) -> RsaSignature | None:
    """The one signature in a detached signature as gpg writes it; None where that is another kind, or more than one."""
    packets = _dearmoured(text, b"SIGNATURE")
    if not packets or armoured_signature(packets).encode("ascii") != text:
        return None
    tag, body, rest = _packet(packets)
    if (
        tag != _SIGNATURE
        or rest
        or len(body) < 10
        or body[:2] != bytes((4, _DOCUMENT))
        or body[2] not in _RSA
    ):
        return None
    begin = body[: 6 + int.from_bytes(body[4:6], "big")]
    unhashed = int.from_bytes(body[len(begin) : len(begin) + 2], "big")
    number, _ = _number(body[len(begin) + 4 + unhashed :])
    return RsaSignature(_HASHES.get(body[3], ""), begin + b"\x04\xff" + len(begin).to_bytes(4, "big"), number)


def _number(data: bytes) -> tuple[bytes, bytes]:
    """A multiprecision integer (3.2), and what follows."""
    end = 2 + (int.from_bytes(data[:2], "big") + 7) // 8
    return data[2:end], data[end:]


def key_ids(packets: bytes) -> list[str]:
    """The key ids (16 hexadecimal digits, upper case) of all signature packets."""
    found = []
    while packets:
        tag, body, packets = _packet(packets)
        if tag == _SIGNATURE and (issuer := _issuer(body)):
            found.append(issuer.hex().upper())
    return found


def certified_by(content: bytes, key_id: str) -> tuple[str, ...]:
    """The hashes of the certifications that a key gave to user ids: of a key file, armoured or not."""
    hashes = []
    packets = _dearmoured(content, b"PUBLIC KEY BLOCK")
    while packets:
        tag, body, packets = _packet(packets)
        if tag != _SIGNATURE or len(body) < 19 or _issuer(body).hex().upper() != key_id:
            continue
        kind, number = (body[1], body[3]) if body[:1] == b"\x04" else (body[2], body[16])
        if kind in _CERTIFICATIONS:
            hashes.append(_HASHES.get(number, f"hash {number}"))
    return tuple(dict.fromkeys(hashes))


def _packet(data: bytes) -> tuple[int, bytes, bytes]:
    """The first packet's tag and body, and what follows it."""
    first, rest = data[0], data[1:]
    if not first & 0x80:
        return 0, b"", b""
    if first & 0x40:
        size, rest = _length(rest)
        tag = first & 0x3F
    else:
        tag, width = (first >> 2) & 0x0F, 1 << (first & 3)
        if width == 8:
            return tag, rest, b""
        size, rest = int.from_bytes(rest[:width], "big"), rest[width:]
    return tag, rest[:size], rest[size:]


def _length(data: bytes) -> tuple[int, bytes]:
    """A length of the new format, and what follows; a partial length takes all."""
    if not data:
        return 0, b""
    if data[0] < 192:
        return data[0], data[1:]
    if data[0] < 224:
        return ((data[0] - 192) << 8) + int.from_bytes(data[1:2], "big") + 192, data[2:]
    if data[0] == 255:
        return int.from_bytes(data[1:5], "big"), data[5:]
    return len(data) - 1, data[1:]


def _issuer(body: bytes) -> bytes:
    """The key id in one signature packet, empty if it names none."""
    if body[:1] == b"\x03":
        return body[7:15] if len(body) >= 15 else b""
    if body[:1] != b"\x04":
        return b""
    hashed = int.from_bytes(body[4:6], "big")
    after = 6 + hashed
    unhashed = int.from_bytes(body[after : after + 2], "big")
    for area in (body[6:after], body[after + 2 : after + 2 + unhashed]):
        while area:
            size, area = _length(area)
            packet, area = area[:size], area[size:]
            kind = packet[0] & 0x7F if packet else 0
            if kind == _ISSUER and len(packet) == 9:
                return packet[1:]
            if kind == _ISSUER_FINGERPRINT and len(packet) == 22:
                return packet[-8:]
    return b""


def armoured_key_ids(text: bytes) -> list[str]:
    """The key ids in an ASCII-armoured signature (RFC 4880, 6.2); a binary one is taken as it is."""
    return key_ids(_dearmoured(text, b"SIGNATURE"))


def _dearmoured(text: bytes, what: bytes) -> bytes:
    """The packets in an armoured text, empty where it is damaged; a binary one is taken as it is."""
    begin = text.find(b"-----BEGIN PGP " + what + b"-----")
    if begin < 0:
        return text
    lines = text[begin:].replace(b"\r", b"").split(b"\n")[1:]
    body = lines[lines.index(b"") + 1 :] if b"" in lines else []
    ends = (number for number, line in enumerate(body) if line[:1] in (b"=", b"-"))
    encoded = b"".join(body[: next(ends, len(body))])
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        return b""


def armoured_signature(packet: bytes) -> str:
    """A detached signature in ASCII, as gpg writes it."""
    text = base64.b64encode(packet).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    check = base64.b64encode(_crc24(packet).to_bytes(3, "big")).decode("ascii")
    return "\n".join(
        ("-----BEGIN PGP SIGNATURE-----", "", *lines, f"={check}", "-----END PGP SIGNATURE-----", "")
    )


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc

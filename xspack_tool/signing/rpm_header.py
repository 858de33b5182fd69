"""The signature of an RPM's header in its place, with the bytes of rpm 4.18's rpmsign and gpg 2.2."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from msgspec import Struct

from xspack_tool.errors import BadInput
from xspack_tool.rpm.header import BIN, INT32, INT64, STRING, Header, RpmParts
from xspack_tool.rpm.header_write import SIGNATURES, HeaderWriter, Value, padded

_RSA_HEADER, _RESERVED = 268, 1008
#: What the signature header of an RPM has that nobody signed; of others rpmsign takes care.
_UNSIGNED = dict.fromkeys((269, 273), STRING) | dict.fromkeys((1000, 1007), INT32)
_UNSIGNED |= dict.fromkeys((270, 271), INT64) | dict.fromkeys((1004, _RESERVED), BIN)


class UnusualRpmError(Exception):
    """An RPM that rpmsign has to sign."""


class RsaKey(Struct, frozen=True):
    """What of a key stands in its signatures, and how a digest is signed."""

    fingerprint: str
    sign: Callable[[bytes], int]

    def signature(self, data: bytes, time: int) -> bytes:
        """An OpenPGP signature packet (RFC 4880, 5.2.3): version 4, RSA, SHA-256; the issuer's fingerprint and the
        time are signed with it, the issuer's key id is not."""
        issuer = bytes.fromhex(self.fingerprint)
        hashed = _subpacket(33, b"\x04" + issuer) + _subpacket(2, struct.pack("!I", time))
        begin = bytes([4, 0, 1, 8]) + struct.pack("!H", len(hashed)) + hashed
        digest = hashlib.sha256(data + begin + b"\x04\xff" + struct.pack("!I", len(begin))).digest()
        number = self.sign(digest)
        unhashed = _subpacket(16, issuer[-8:])
        body = begin + struct.pack("!H", len(unhashed)) + unhashed + digest[:2]
        body += struct.pack("!H", number.bit_length()) + number.to_bytes(
            (number.bit_length() + 7) // 8, "big"
        )
        return (
            b"\x88" + bytes([len(body)]) if len(body) < 256 else b"\x89" + struct.pack("!H", len(body))
        ) + body


def _subpacket(kind: int, body: bytes) -> bytes:
    return bytes([len(body) + 1, kind]) + body


def signed_begin(file: BinaryIO, name: str, key: RsaKey, time: int) -> bytes:
    """An unsigned RPM's lead, signature header with the signature, and header; ``file`` then stands at its payload.

    Raises UnusualRpmError for one that is signed, has anything else in its signature header, or is damaged.
    """
    try:
        rpm = RpmParts(file, name)
    except BadInput as why:
        raise UnusualRpmError(str(why)) from None
    writer = HeaderWriter()
    for tag, kind, value in _unsigned(rpm.signature):
        writer.put(tag, kind, value)
    before = writer.size()
    writer.put(_RSA_HEADER, BIN, key.signature(rpm.main.as_read, time))
    room = _room(writer)
    growth = writer.size() - before
    if growth >= room:
        raise UnusualRpmError("no room for a signature")
    writer.put(_RESERVED, BIN, bytes(room - growth))
    return rpm.lead + padded(writer) + rpm.main.as_read


def _room(writer: HeaderWriter) -> int:
    """How many bytes are kept free."""
    return writer.tags[_RESERVED][1] if _RESERVED in writer.tags else 0


def _unsigned(signature: Header) -> Iterator[tuple[int, int, Value]]:
    """The tags of a signature header with their values."""
    for tag, kind, offset, count in signature.entries:
        if tag == SIGNATURES:
            continue
        if _UNSIGNED.get(tag) != kind or (kind != BIN and count != 1):
            raise UnusualRpmError(f"tag {tag} in the signature header")
        yield tag, kind, _value(signature, tag, kind, offset, count)


def _value(signature: Header, tag: int, kind: int, offset: int, count: int) -> Value:
    store = signature.store
    if kind == BIN:
        return store[offset : offset + count]
    return store[offset : store.index(b"\0", offset)] if kind == STRING else signature.number(tag)

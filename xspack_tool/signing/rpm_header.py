"""The signature of an RPM's header in its place, with the bytes of rpm 4.18's rpmsign and gpg 2.2."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import BinaryIO

from msgspec import Struct

from xspack_tool.rpm.header import BIN, INT32, INT64, LEAD_SIZE, MAX_ENTRIES, MAX_STORE, STRING
from xspack_tool.rpm.header_write import SIGNATURES, HeaderWriter, Value, padded

_INTRO = struct.Struct("!4sIII")
_ENTRY = struct.Struct("!IIII")
_MAGIC = b"\x8e\xad\xe8\x01"
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


def signed_begin(file: BinaryIO, key: RsaKey, time: int) -> bytes:
    """An unsigned RPM's lead, signature header with the signature, and header; ``file`` then stands at its payload.

    Raises UnusualRpmError for one that is signed, or has anything else in its signature header.
    """
    lead = file.read(LEAD_SIZE)
    writer = HeaderWriter({tag: (kind, values) for tag, kind, values in _entries(_read_header(file))})
    file.seek(-file.tell() % 8, 1)
    header = _read_header(file)
    before = writer.size()
    writer.put(_RSA_HEADER, BIN, key.signature(header, time))
    room = writer.tags[_RESERVED][1][0] if _RESERVED in writer.tags else b""
    growth = writer.size() - before
    if not isinstance(room, bytes) or growth >= len(room):
        raise UnusualRpmError("no room for a signature")
    writer.put(_RESERVED, BIN, bytes(len(room) - growth))
    return lead + padded(writer) + header


def _read_header(file: BinaryIO) -> bytes:
    intro = file.read(_INTRO.size)
    if len(intro) < _INTRO.size:
        raise UnusualRpmError("truncated")
    magic, _, count, size = _INTRO.unpack(intro)
    if magic != _MAGIC or count > MAX_ENTRIES or size > MAX_STORE:
        raise UnusualRpmError("an odd header")
    body = file.read(count * _ENTRY.size + size)
    if len(body) < count * _ENTRY.size + size:
        raise UnusualRpmError("truncated")
    return intro + body


def _entries(header: bytes) -> list[tuple[int, int, tuple[Value, ...]]]:
    count = _INTRO.unpack_from(header)[2]
    store = header[_INTRO.size + count * _ENTRY.size :]
    entries: list[tuple[int, int, tuple[Value, ...]]] = []
    for number in range(count):
        tag, kind, offset, length = _ENTRY.unpack_from(header, _INTRO.size + number * _ENTRY.size)
        if tag == SIGNATURES:
            continue
        if _UNSIGNED.get(tag) != kind or (kind != BIN and length != 1):
            raise UnusualRpmError(f"tag {tag} in the signature header")
        entries.append((tag, kind, (_value(store, kind, offset, length),)))
    return entries


def _value(store: bytes, kind: int, offset: int, length: int) -> Value:
    try:
        if kind == BIN:
            return store[offset : offset + length]
        if kind == STRING:
            return store[offset : store.index(b"\0", offset)]
        return int(struct.unpack_from("!I" if kind == INT32 else "!Q", store, offset)[0])
    except (struct.error, ValueError):
        raise UnusualRpmError("a damaged signature header") from None

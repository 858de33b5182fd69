"""Changes one file as damage and malice do: a function of the file and of a seed alone."""

from __future__ import annotations

import random
import re
import struct

#: Numbers at which readers go wrong.
_NUMBERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 62,
    (1 << 64) - 1,
)
_TEXTS = (
    b"\x1b]0;owned\x07",
    b"\x1b[2J",
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{ZERO WIDTH SPACE}".encode(),
    b"\xff\xfe\x80",
    b"\0",
    b"../../../etc/passwd",
    b"%(touch owned)%{lua:os.exit()}",
    b"$(touch owned)`touch owned`",
    b"<script>alert(1)</script><img src=x onerror=alert(1)>",
    b'" onload="alert(1)',
    b"\x9b31mred\xc2\x9b31m",
    b"::error file=x::owned\n::add-mask::x",
    b"&a;<!ENTITY a SYSTEM 'file:///etc/passwd'>",
    b"]]><![CDATA[",
    b"-1",
    b"9" * 40,
    b"1e999",
    b"A" * 5000,
    b"[" * 3000,
    b"{}",
    b"null",
    b"\r\n",
)
_WORD = re.compile(rb"[A-Za-z0-9_./:-]+")


def mutated(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """``data`` with one to eight changes; ``others`` are files of its kind, parts of which it may get."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        if not changed:
            break
        rng.choice(_CHANGES)(changed, rng, others)
    return bytes(changed)


def _place(data: bytearray, rng: random.Random) -> int:
    """Somewhere in it, rather at the beginning, and seldom in a run of zeros."""
    for _ in range(8):
        at = int(len(data) * rng.random() ** rng.choice((1, 1, 3)))
        if data[at]:
            break
    return at


def _flip(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _byte(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    data[_place(data, rng)] = rng.randrange(256)


def _number(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    form = rng.choice((">H", "<H", ">I", "<I", ">Q", "<Q"))
    size = struct.calcsize(form)
    at = _place(data, rng)
    if at + size <= len(data):
        value = rng.choice(_NUMBERS) + rng.choice((0, 0, -1, 1))
        struct.pack_into(form, data, at, value % (1 << 8 * size))


def _near(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """A number a little larger or smaller."""
    at = _place(data, rng)
    data[at] = (data[at] + rng.randint(-3, 3)) % 256


def _cut(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    del data[_place(data, rng) :]


def _drop(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 4, 16, rng.randint(1, 4096)))]


def _repeat(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    at = _place(data, rng)
    part = data[at : at + rng.choice((4, 16, 200))]
    data[at:at] = part * rng.choice((1, 2, 1000 if len(data) < 1 << 16 else 3))


def _insert(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    at = _place(data, rng)
    data[at:at] = rng.randbytes(rng.choice((1, 4, 100)))


def _zeros(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    at = _place(data, rng)
    count = min(rng.choice((4, 64, 2048)), len(data) - at)
    data[at : at + count] = bytes(count)


def _swap(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    size = rng.choice((4, 16, 64))
    one, two = sorted((_place(data, rng), _place(data, rng)))
    if one + size <= two and two + size <= len(data):
        data[one : one + size], data[two : two + size] = data[two : two + size], data[one : one + size]


def _splice(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    other, at = rng.choice(others), _place(data, rng)
    begin = rng.randrange(len(other))
    part = other[begin : begin + rng.choice((16, 256, 4096))]
    data[at : at + len(part)] = part


def _word(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """A word in the place of another, or hostile text in it."""
    if found := _WORD.search(data, _place(data, rng)):
        begin, end = found.span()
        text = rng.choice((*_TEXTS, str(rng.choice(_NUMBERS)).encode()))
        if rng.random() < 0.3:  # of the same length: offsets behind it still hold
            text = (text * ((end - begin) // len(text) + 1))[: end - begin]
        data[begin:end] = text


_CHANGES = (
    _flip,
    _byte,
    _number,
    _number,
    _near,
    _cut,
    _drop,
    _repeat,
    _insert,
    _zeros,
    _swap,
    _splice,
    _word,
    _word,
)

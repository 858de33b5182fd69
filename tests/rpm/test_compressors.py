"""xz in process: the bytes of xz itself, as rpm calls liblzma."""

from __future__ import annotations

import random
import subprocess

import pytest
from support import need

from xspack_tool.rpm.compressors import compressor, read_payload

SIZE = 6 << 20  # a block of level 2


def compressed(payload: str, data: bytes) -> bytes:
    made: list[bytes] = []
    engine = compressor(read_payload(payload), made.append)
    for at in range(0, len(data), 1 << 18):
        engine.write(data[at : at + (1 << 18)])
    engine.close()
    return b"".join(made)


def by_xz(level: int, threads: int, data: bytes) -> bytes:
    words = ["xz", f"-{level}", f"-T{threads}", "--check=sha256", "-c"]
    return subprocess.run(words, input=data, capture_output=True, check=True).stdout


def content(size: int, kind: str) -> bytes:
    if kind == "random":
        return random.Random(3).randbytes(size)
    piece = b"".join(b"%d the quick brown fox\n" % (number * 7919 % 10007) for number in range(20_000))
    return (piece * (size // len(piece) + 1))[:size]


@pytest.mark.parametrize("kind", ["text", "random"])
@pytest.mark.parametrize("size", [1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE + 5])
def test_blocks(size: int, kind: str) -> None:
    need("xz")
    data = content(size, kind)
    assert compressed("w2T2.xzdio", data) == by_xz(2, 2, data)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_levels(level: int) -> None:
    need("xz")
    data = content(3 << 20, "text")
    assert compressed(f"w{level}T2.xzdio", data) == by_xz(level, 2, data)
    assert compressed(f"w{level}.xzdio", data) == by_xz(level, 1, data)

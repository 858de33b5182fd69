"""An xz stream is whole, or its index tells that it is not."""

from __future__ import annotations

import io
import lzma
import random
import subprocess

import pytest
from support import need

from xspack_tool.rpm.xz_index import is_whole

CONTENT = random.Random(7).randbytes(40_000) + b"text " * 40_000
LEAD = b"what stands before the payload"


def streams() -> dict[str, bytes]:
    """One block, as rpm writes a small payload; many, as two threads do; none."""
    need("xz")
    several = subprocess.run(
        ["xz", "-2", "-T2", "--block-size=16384", "-c"], input=CONTENT, capture_output=True, check=True
    ).stdout
    return {"one": lzma.compress(CONTENT, preset=2), "several": several, "none": lzma.compress(b"")}


@pytest.mark.parametrize("which", ["one", "several", "none"])
def test_whole(which: str) -> None:
    stream = streams()[which]
    assert is_whole(io.BytesIO(LEAD + stream), len(LEAD))
    assert not is_whole(io.BytesIO(LEAD + stream + b"\0"), len(LEAD))


@pytest.mark.parametrize("which", ["one", "several"])
def test_cut_at_the_end_or_in_between(which: str) -> None:
    stream = streams()[which]
    cuts = [*range(40), *range(len(stream) - 200, len(stream)), *range(0, len(stream), 997)]
    assert not [end for end in cuts if is_whole(io.BytesIO(LEAD + stream[:end]), len(LEAD))]
    holes = (stream[:at] + stream[at + size :] for at in range(12, len(stream), 4096) for size in (4, 4096))
    assert not [hole for hole in holes if is_whole(io.BytesIO(LEAD + hole), len(LEAD))]


def test_a_damaged_end_is_no_end() -> None:
    stream = streams()["several"]
    for at in range(len(stream) - 60, len(stream)):
        damaged = bytearray(stream)
        damaged[at] ^= 0x41
        assert not is_whole(io.BytesIO(LEAD + damaged), len(LEAD)), at

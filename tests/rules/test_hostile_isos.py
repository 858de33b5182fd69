"""A base repository or a baseline on an ISO that somebody else made: read, or refused in one line."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sentences
from hostile_iso import TIME, overlapping, patched
from support import need

from xspack_tool.errors import BadInput
from xspack_tool.pack.iso import master_iso
from xspack_tool.releases.packages import PackageSet
from xspack_tool.releases.trees import read_rpms


@pytest.fixture(autouse=True)
def _in_bounds() -> Iterator[None]:
    """No image may cost much memory or time."""
    start = time.process_time()
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20
    assert time.process_time() - start < 30


@pytest.fixture(scope="module")
def good(forged: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A release with one package and its index."""
    need("createrepo_c")
    folder = tmp_path_factory.mktemp("good")
    (folder / "tree/Packages").mkdir(parents=True)
    shutil.copy(forged(name="bash", files={"/usr/bin/bash": b"bash"}), folder / "tree/Packages/bash.rpm")
    words = ["createrepo_c", "--quiet", "--simple-md-filenames", str(folder / "tree")]
    subprocess.run(words, check=True)
    files = {
        path.relative_to(folder / "tree").as_posix(): path
        for path in (folder / "tree").rglob("*")
        if path.is_file()
    }
    master_iso(files, folder / "good.iso", "GOOD", TIME)
    return (folder / "good.iso").read_bytes()


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[bytes], str]:
    """What both ways to read a release say of an image: the same line."""

    def read(image: bytes) -> str:
        iso = tmp_path / "bad.iso"
        iso.write_bytes(image)
        with pytest.raises(BadInput) as baseline:
            list(read_rpms(iso))
        with pytest.raises(BadInput) as base:
            PackageSet(iso, (), "x86_64")
        assert str(baseline.value) == str(base.value)
        assert "\n" not in str(base.value)
        assert str(base.value).startswith(f"{iso}: ")
        return str(base.value).removeprefix(f"{iso}: ")

    return read


def test_a_good_one_is_read(good: bytes, tmp_path: Path) -> None:
    (tmp_path / "good.iso").write_bytes(good)
    assert [path for path, _ in read_rpms(tmp_path / "good.iso")] == ["Packages/bash.rpm"]
    assert PackageSet(tmp_path / "good.iso", (), "x86_64").names == {"bash"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "bash.rpm", "rename": "../a.rpm"}, "the name '../a.rpm' is none of a file"),
        ({"name": "bash.rpm", "rename": "a\n\x1b[.rpm"[:8]}, "the name 'a\\n\\x1b[.rpm' is none of a file"),
        (
            {"name": "bash.rpm", "length": 0xFFFFFFFF},
            "the content of 'Packages/bash.rpm' is outside of the image, which may be truncated",
        ),
        (
            {"name": "repomd.xml", "extent": 0x7FFFFFFF},
            "the content of 'repodata/repomd.xml' is outside of the image, which may be truncated",
        ),
        (
            {"name": "Packages", "length": 0xFFFFF800},
            "is not a readable ISO image: more than 8 MiB of directories",
        ),
        ({"name": "Packages", "extent": 0x7FFFFFFF}, "is not a readable ISO image: damaged (KeyError)"),
    ],
)
def test_tricks(good: bytes, refused: Callable[[bytes], str], change: dict[str, str], why: str) -> None:
    assert refused(patched(good, **change)) == why  # type: ignore[arg-type]


def test_directories_that_loop(good: bytes, refused: Callable[[bytes], str]) -> None:
    root = struct.unpack_from("<I", good, 16 * 2048 + 156 + 2)[0]
    looped = patched(good, "Packages", extent=root, length=2048)
    assert refused(looped).startswith("is not a readable ISO image: ")


@pytest.mark.parametrize("kept", [0, 2047, 34000, 40000, -2048])
def test_truncated_images(good: bytes, refused: Callable[[bytes], str], kept: int) -> None:
    reasons = ("is not a readable ISO image", "is truncated: its descriptor", "the content of ")
    assert refused(good[:kept]).startswith(reasons)


def test_one_rpm_under_many_names(refused: Callable[[bytes], str], tmp_path: Path) -> None:
    """Each would be read, and its header kept."""
    assert refused(overlapping(tmp_path)) == sentences.OVERLAP


def test_names_that_are_cut_off(refused: Callable[[bytes], str], tmp_path: Path) -> None:
    need("genisoimage")
    (tmp_path / "file").write_bytes(b"content")
    iso = tmp_path / "plain.iso"
    subprocess.run(["genisoimage", "-quiet", "-o", iso, tmp_path / "file"], check=True)
    assert refused(iso.read_bytes()) == "an ISO without Rock Ridge names"


def test_a_huge_index(tmp_path: Path) -> None:
    with open(tmp_path / "repomd.xml", "wb") as file:
        file.write(b"<repomd>" + b"<data/>" * 20)
        file.truncate(256 << 20)
    iso = tmp_path / "big.iso"
    master_iso({"repodata/repomd.xml": tmp_path / "repomd.xml"}, iso, "BIG", TIME)
    with pytest.raises(BadInput) as caught:
        PackageSet(iso, (), "x86_64")
    assert str(caught.value) == f"{iso}: repodata/repomd.xml: larger than 1 MiB"


def test_damage_anywhere_is_one_line_or_no_harm(good: bytes, tmp_path: Path) -> None:
    chance = random.Random(20260101)
    iso, refusals = tmp_path / "f.iso", 0
    for _ in range(100):
        image = bytearray(good)
        for _ in range(chance.randrange(1, 12)):
            # Descriptors and directories begin at block 16.
            image[chance.randrange(16 * 2048, 32 * 2048)] = chance.choice(
                (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))
            )
        iso.write_bytes(image)
        try:
            list(read_rpms(iso))
            PackageSet(iso, (), "x86_64")
        except BadInput as bad:
            refusals += 1
            assert "\n" not in str(bad) and len(str(bad)) < 400
    assert 10 < refusals < 100

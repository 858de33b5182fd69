"""ISOs that somebody else made, with tricks in them: refused in one line, or read without harm."""

import random
import struct
import subprocess
import time
import tracemalloc

import pytest
import sentences
from hostile_iso import overlapping, patched
from support import need

from xspack_tool.errors import BadInput, HostileInput
from xspack_tool.pack.iso import master_iso
from xspack_tool.pack.iso_read import IsoReader


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    files = {}
    for name, size in (
        ("update.xml", 300),
        ("other__xml", 300),
        ("Packages/a.rpm", 200_000),
        ("Packages/b.rpm", 9),
    ):
        (folder / name.replace("/", "-")).write_bytes(b"x" * size)
        files[name] = folder / name.replace("/", "-")
    master_iso(files, folder / "good.iso", "GOOD", 1577836800)
    return (folder / "good.iso").read_bytes()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "update.xml", "rename": "../../evil"}, "the name '../../evil' is none of a file"),
        ({"name": "update.xml", "rename": "/etc/shado"}, "the name '/etc/shado' is none of a file"),
        ({"name": "update.xml", "rename": "evil\n\x1b[31m"}, "the name 'evil\\n\\x1b[31m' is none of a file"),
        (
            {"name": "update.xml", "rename": "\xff\xfeevil.xml"[:10]},
            "the name b'\\xff\\xfeevil.xml' is not UTF-8",
        ),
        ({"name": "update.xml", "rename": "other__xml"}, "'other__xml' is there twice"),
        (
            {"name": "update.xml", "extent": 0x7FFFFFFF},
            "the content of 'update.xml' is outside of the image, which may be truncated",
        ),
        (
            {"name": "a.rpm", "length": 0xFFFFFFFF},
            "the content of 'Packages/a.rpm' is outside of the image, which may be truncated",
        ),
        (
            {"name": "Packages", "length": 0xFFFFF800},
            "is not a readable ISO image: more than 8 MiB of directories",
        ),
        (
            {"name": "Packages", "extent": 0x7FFFFFFF},
            "is not a readable ISO image: damaged (KeyError)",
        ),
        ({"name": "b.rpm", "flags": 2}, "is not a readable ISO image: "),
    ],
)
def test_tricks_are_refused(good, change, why, tmp_path):
    iso = tmp_path / "bad.iso"
    iso.write_bytes(patched(good, **change))
    with pytest.raises(BadInput) as caught:
        IsoReader(iso)
    message = str(caught.value)
    assert message == f"{iso}: {why}" or (why.endswith(": ") and message.startswith(f"{iso}: {why}"))
    assert "\n" not in message


def test_directories_that_loop(good, tmp_path):
    root = struct.unpack_from("<I", good, 16 * 2048 + 156 + 2)[0]
    (tmp_path / "loop.iso").write_bytes(patched(good, "Packages", extent=root, length=2048))
    start = time.process_time()
    with pytest.raises(BadInput) as caught:
        IsoReader(tmp_path / "loop.iso")
    assert str(caught.value).startswith(f"{tmp_path}/loop.iso: is not a readable ISO image: ")
    assert time.process_time() - start < 2


@pytest.mark.parametrize("kept", [0, 1, 2047, 32768, 34000, 40000, 60_000, -2048])
def test_truncated_images(good, kept, tmp_path):
    iso = tmp_path / "cut.iso"
    iso.write_bytes(good[:kept])
    with pytest.raises(BadInput) as caught:
        IsoReader(iso)
    message = str(caught.value)
    reasons = ("is not a readable ISO image", "is truncated: its descriptor", "the content of ")
    assert any(message.startswith(f"{iso}: {reason}") for reason in reasons) and "\n" not in message


def test_what_is_no_image(tmp_path):
    with pytest.raises(BadInput) as caught:
        IsoReader(tmp_path / "no.iso")
    assert str(caught.value) == f"{tmp_path}/no.iso: No such file or directory"
    with pytest.raises(BadInput) as caught:
        IsoReader(tmp_path)
    assert str(caught.value) == f"{tmp_path}: Is a directory"


def test_files_that_overlap_are_not_read(tmp_path):
    (tmp_path / "a.iso").write_bytes(overlapping(tmp_path))
    with pytest.raises(HostileInput) as caught:
        IsoReader(tmp_path / "a.iso")
    assert str(caught.value) == f"{tmp_path}/a.iso: {sentences.OVERLAP}"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "a/../../../x", "x/../y"])
def test_links_that_lead_out(target, tmp_path):
    need("genisoimage")
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a/link").symlink_to(target)
    subprocess.run(["genisoimage", "-quiet", "-R", "-o", tmp_path / "l.iso", tree], check=True)
    with pytest.raises(BadInput) as caught:
        IsoReader(tmp_path / "l.iso")
    why = f"the link 'a/link' leads out of the image: {target!r}"
    assert str(caught.value) == f"{tmp_path}/l.iso: {why}"


def test_an_image_of_genisoimage_is_read(tmp_path):
    need("genisoimage")
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a/link").symlink_to("../file")
    (tree / "file").write_bytes(b"content")
    subprocess.run(["genisoimage", "-quiet", "-r", "-J", "-o", tmp_path / "l.iso", tree], check=True)
    with IsoReader(tmp_path / "l.iso") as iso:
        assert [(entry.path, entry.kind, entry.size, entry.link) for entry in iso.entries] == [
            ("a", "dir", 0, ""),
            ("a/link", "link", 0, "../file"),
            ("file", "file", 7, ""),
        ]
        iso.extract(tmp_path / "out")
        assert (tmp_path / "out/a/link").read_bytes() == b"content"
        with pytest.raises(BadInput) as caught:
            iso.extract(tmp_path / "out")
        assert str(caught.value) == f"{tmp_path}/out: is not empty"
        with pytest.raises(BadInput) as caught:
            iso.read("file", largest=6)
        assert str(caught.value) == f"{tmp_path}/l.iso: file is larger than 6 bytes"
        for absent in ("nothing", "a"):
            with pytest.raises(BadInput) as caught:
                iso.read(absent)
            assert str(caught.value) == f"{tmp_path}/l.iso: holds no file {absent}"
    plain = ["genisoimage", "-quiet", "-o", tmp_path / "p.iso", tree / "file"]
    subprocess.run(plain, check=True)
    with IsoReader(tmp_path / "p.iso") as iso:
        assert (iso.has_rock_ridge, [entry.path for entry in iso.entries]) == (False, ["FILE"])


def test_damage_anywhere_is_one_line_or_no_harm(good, tmp_path):
    chance = random.Random(20260101)
    iso, start = tmp_path / "f.iso", time.process_time()
    refused = 0
    tracemalloc.start()
    for _ in range(150):
        image = bytearray(good)
        for _ in range(chance.randrange(1, 12)):
            # Descriptors and directories begin at block 16; the content of files is not read.
            image[chance.randrange(16 * 2048, 32 * 2048)] = chance.choice(
                (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))
            )
        iso.write_bytes(image)
        try:
            with IsoReader(iso) as opened:
                for entry in opened.entries:
                    assert not {"", ".", ".."} & set(entry.path.split("/"))
                    if entry.kind == "file":
                        assert len(opened.read(entry.path)) == entry.size
        except BadInput as bad:
            refused += 1
            assert "\n" not in str(bad) and len(str(bad)) < 400
    assert 10 < refused < 150
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
    assert time.process_time() - start < 30

"""ISOs as we make them, read by isoinfo and by the kernel."""

import hashlib
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import need

from xspack_tool.errors import BadInput, StepError
from xspack_tool.pack.iso import master_iso
from xspack_tool.pack.iso_clock import fixed_clock
from xspack_tool.pack.iso_read import IsoReader

TIME = 1577836800
LONG = "a-rather-long-name-of-a-package-5.2.1234-1.el7"


@pytest.fixture
def files(tmp_path):
    source = tmp_path / "sources"
    source.mkdir()
    names = [
        "update.xml",
        "update.xml.asc",
        f"repodata/{'0a' * 32}-primary.xml.gz",
        f"repodata/{'0a' * 32}-filelists.xml.gz",
        f"Packages/{LONG}.x86_64.rpm",
        f"Packages/{LONG}.noarch.rpm",
        f"Packages/{'n' * 200}.rpm",
        "Packages/x.y/UPPER and blank",
        "Packages/empty",
    ]
    for number, name in enumerate(names):
        content = b"" if name.endswith("empty") else name.encode() * (number * 997 + 1)
        (source / str(number)).write_bytes(content)
        (source / str(number)).chmod(0o600)
    return {name: source / str(number) for number, name in enumerate(names)}


def sums(files):
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


@pytest.mark.parametrize("options", [["-udf"], ["-J", "-udf"], ["-J"], []])
def test_images_of_genisoimage(tmp_path, options):
    """With UDF besides, and whatever it puts at the end of the image."""
    need("genisoimage")
    (tmp_path / "d/Packages").mkdir(parents=True)
    (tmp_path / "d/update.xml").write_text("<update/>")
    (tmp_path / f"d/Packages/{LONG}.rpm").write_bytes(b"x" * 30_000)
    image = tmp_path / "a.iso"
    argv = ["genisoimage", "-quiet", "-R", *options, "-o", image, tmp_path / "d"]
    subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)
    with IsoReader(image) as iso:
        assert [entry.path for entry in iso.entries] == ["Packages", f"Packages/{LONG}.rpm", "update.xml"]
        assert iso.read(f"Packages/{LONG}.rpm") == b"x" * 30_000
    with open(image, "r+b") as cut:
        cut.truncate(image.stat().st_size // 2)
    with pytest.raises(BadInput, match=r"truncated|exceeds the size"):
        IsoReader(image)


def test_the_same_files_give_the_same_bytes(files, tmp_path, monkeypatch):
    master_iso(files, tmp_path / "a.iso", "ACME", TIME)
    for number, (name, path) in enumerate(reversed(files.items())):
        os.utime(path, (number, number))
        assert name
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        master_iso(dict(reversed(files.items())), tmp_path / "b.iso", "ACME", TIME)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (tmp_path / "a.iso").read_bytes() == (tmp_path / "b.iso").read_bytes()
    master_iso(files, tmp_path / "b.iso", "ACME", TIME + 86400)
    assert (tmp_path / "a.iso").read_bytes() != (tmp_path / "b.iso").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"sources", "a.iso", "b.iso"}


def test_threads_have_clocks_of_their_own(files, tmp_path):
    def master(number):
        out = tmp_path / f"{number}.iso"
        master_iso(files, out, "ACME", TIME + number % 2 * 1000)
        return hashlib.sha256(out.read_bytes()).hexdigest()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(master, range(8)))
    assert len(set(found)) == 2 and len({*found[::2]}) == 1
    # Outside of mastering pycdlib sees the real clock.
    import pycdlib.headervd

    assert time.time() <= pycdlib.headervd.time.time() <= time.time()
    with fixed_clock(5):
        assert pycdlib.headervd.time.time() == 5.0
        assert pycdlib.dates.time.localtime().tm_year == 1970


def test_what_isoinfo_shows(files, tmp_path):
    need("isoinfo")
    iso = tmp_path / "a.iso"
    master_iso(files, iso, "ACME_5_2", TIME)

    def isoinfo(*words):
        return subprocess.run(
            ["isoinfo", "-i", iso, *words], capture_output=True, text=True, check=True
        ).stdout

    assert "Volume id: ACME_5_2\n" in isoinfo("-d")
    assert "Rock Ridge signatures version 1 found" in isoinfo("-d")
    listed = [line for line in isoinfo("-R", "-l").splitlines() if re.match("[d-]r", line)]
    rights = {line.split()[0] for line in listed if not line.endswith(" . ") and not line.endswith(" .. ")}
    assert rights == {"-rw-r--r--", "drwxr-xr-x"}
    assert {tuple(line.split()[2:4]) for line in listed} == {("0", "0")}
    assert all("Jan  1 2020" in line for line in listed)
    assert {line.lstrip("/") for line in isoinfo("-R", "-f").splitlines()} == {
        *files,
        "Packages",
        "Packages/x.y",
        "repodata",
    }
    for name, path in files.items():
        content = subprocess.run(
            ["isoinfo", "-i", iso, "-R", "-x", f"/{name}"], capture_output=True, check=True
        )
        assert content.stdout == path.read_bytes()
    # The poorer names of ISO 9660 itself: of its characters, and none twice.
    plain = isoinfo("-f").splitlines()
    assert len(set(plain)) == len(plain) and not [name for name in plain if re.search(r"[^A-Z0-9_./;]", name)]


def test_the_kernel_mounts_it_as_the_host_does(files, tmp_path):
    need("mount")
    iso, mount = tmp_path / "a.iso", tmp_path / "mnt"
    mount.mkdir()
    master_iso(files, iso, "ACME", TIME)
    done = subprocess.run(
        ["mount", "-t", "iso9660", "-o", "loop,ro", iso, mount], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting needs root and a loop device")
    try:
        found = {str(path.relative_to(mount)): path for path in mount.rglob("*") if path.is_file()}
        assert sums(found) == sums(files)
        assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o644}
        assert {int(path.stat().st_mtime) for path in mount.rglob("*")} == {TIME}
    finally:
        subprocess.run(["umount", mount], check=True)


def test_it_reads_back(files, tmp_path):
    master_iso(files, tmp_path / "a.iso", "ACME", TIME)
    with IsoReader(tmp_path / "a.iso") as iso:
        assert (iso.volume_id, iso.has_rock_ridge) == ("ACME", True)
        assert {entry.path: entry.size for entry in iso.entries if entry.kind == "file"} == {
            name: path.stat().st_size for name, path in files.items()
        }
        assert [entry.path for entry in iso.entries] == sorted(entry.path for entry in iso.entries)
        assert {name: hashlib.sha256(iso.read(name)).hexdigest() for name in files} == sums(files)
        with iso.open("update.xml.asc") as one, iso.open("update.xml") as other:
            assert (one.read(6), other.read(6), one.read(4)) == (b"update", b"update", b".xml")
            one.seek(-4, os.SEEK_END)
            assert one.read() == b".asc"
        iso.extract(tmp_path / "out")
    found = {str(p.relative_to(tmp_path / "out")): p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert sums(found) == sums(files)


def test_digests_of_what_is_on_it(files, tmp_path):
    master_iso(files, tmp_path / "x.iso", "X", TIME)
    said: list[int] = []
    with IsoReader(tmp_path / "x.iso") as iso:
        assert {name: iso.digest(name, said.append) for name in files} == sums(files)
        assert sum(said) == sum(path.stat().st_size for path in files.values())
        with pytest.raises(BadInput, match="holds no file no/such"):
            iso.digest("no/such")
        os.truncate(tmp_path / "x.iso", 100_000)
        with pytest.raises(BadInput, match="ends within Packages/"):
            for name in sorted(files):
                iso.digest(name)


def test_a_thousand_files_take_little_of_a_processor(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 3000)
    start = time.process_time()
    master_iso(
        {f"Packages/{LONG}-{n}.rpm": tmp_path / "f" for n in range(1000)}, tmp_path / "a.iso", "A", TIME
    )
    assert time.process_time() - start < 2
    with IsoReader(tmp_path / "a.iso") as iso:
        assert len(iso.entries) == 1001


@pytest.mark.parametrize("path", ["/x", "../x", "a//b", "a/./b", "", "a/", "1/2/3/4/5/6/7/8", "é" * 125])
def test_bad_paths(path, tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(StepError) as caught:
        master_iso({path: tmp_path / "f"}, tmp_path / "a.iso", "A", TIME)
    rule = "a path in an ISO is relative, has no '..', at most 7 names and 248 bytes a name"
    assert str(caught.value) == f"{path!r}: {rule}"
    assert not (tmp_path / "a.iso").exists()


def test_a_failure_leaves_the_old_one(files, tmp_path):
    master_iso(files, tmp_path / "a.iso", "ACME", TIME)
    before = (tmp_path / "a.iso").read_bytes()
    with pytest.raises(StepError) as caught:
        master_iso({**files, "gone": tmp_path / "gone"}, tmp_path / "a.iso", "ACME", TIME)
    assert str(caught.value) == "writing a.iso: No such file or directory"
    assert (tmp_path / "a.iso").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"sources", "a.iso"}

"""Files made to do harm: one line, status 1, within 512 MB and 30 s, and nothing is written elsewhere."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest
from pack_maker import PACK, PackMaker, package, xspack
from support import ROOT, need, processor_time

from xspack_tool.cli.modules import modules_of_file
from xspack_tool.errors import BadInput
from xspack_tool.evidence.changes import pack_changes
from xspack_tool.hosts.installer import judge_installer
from xspack_tool.hosts.package_manager import judge_package_manager
from xspack_tool.hosts.reading import hash_rpms, open_pack
from xspack_tool.hosts.release import Host
from xspack_tool.hosts.xapi import judge_xapi
from xspack_tool.releases import load_profile
from xspack_tool.releases.known import KnownRelease

#: The commands that look into a pack.
LOOKING = ("info", "verify", "devices", "diff", "resign", "try")
SECONDS, MEMORY = 30, 512 << 10


#: The command, and at its end the most memory it had. The kernel's own account of a finished child (ru_maxrss) will not
#: do: it begins with what the parent had.
COMMAND = """
import atexit, re, sys
from pathlib import Path
from xspack_tool.cli import main
status = Path("/proc/self/status")
atexit.register(lambda: Path(sys.argv[1]).write_text(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]))
sys.exit(main(sys.argv[2:]))
"""


def run(command: str, iso: Path, folder: Path, key: Path) -> tuple[int, str]:
    """A command in a process of its own: its status, and what it said; held to the bounds."""
    more = {"diff": [iso], "resign": ["--key", key, "-o", folder / "out.iso"]}
    peak = folder.parent / f".{folder.name}.peak"
    argv = [sys.executable, "-c", COMMAND, peak, command, iso, *more.get(command, [])]
    begin = processor_time()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "said").open("w+") as said:
        words = [str(word) for word in argv]
        done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=said, env=env, cwd=folder)
        said.seek(0)
        text = said.read()
    assert processor_time() - begin < SECONDS
    assert int(peak.read_text()) < MEMORY
    return done.returncode, text


def bomb(size: int) -> bytes:
    """gzip of an index that goes on with blanks for ``size`` bytes: the same block again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(b'<metadata><package type="rpm">') + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(b"</package></metadata>") + packer.flush()
    tail = struct.pack("<II", 0, 0)
    return b"\x1f\x8b\x08\x00\0\0\0\0\0\xff" + head + block * (size >> 20) + end + tail


def primary(folder: Path, content: bytes) -> None:
    next(folder.glob("repodata/*primary.xml.gz")).write_bytes(content)


def nested(folder: Path) -> None:
    """An index of millions of elements in one another."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    primary(folder, packer.compress(b"<a>" * (8 << 20)) + packer.flush())


ENTITIES = """<!DOCTYPE update [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><update>&c;</update>"""
EXTERNAL = '<!DOCTYPE update [<!ENTITY x SYSTEM "file:///etc/passwd">]><update>&x;</update>'

TRICKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "bomb": (lambda folder: primary(folder, bomb(4 << 30)), "-primary.xml.gz: unpacks to more than 32 MiB"),
    "nested": (nested, "-primary.xml.gz: has an entry of more than"),
    "entities": (
        lambda folder: (folder / "update.xml").write_text(ENTITIES),
        ": update.xml: declares a document type or entities, which are not allowed here",
    ),
    "external": (
        lambda folder: (folder / "update.xml").write_text(EXTERNAL),
        ": update.xml: declares a document type or entities, which are not allowed here",
    ),
    "entities in the index": (
        lambda folder: (folder / "repodata/repomd.xml").write_text(ENTITIES),
        ": repodata/repomd.xml: declares a document type or entities, which are not allowed here",
    ),
    "payload": (
        lambda folder: patched(folder, size=0xFFFFFFFF),
        ": claims to unpack to 4 GiB, many times its size",
    ),
    "path": (
        lambda folder: patched(folder, directory=b"/opt/../../../x/"),
        ": Packages/acme-agent-5.2-1.noarch.rpm: its path '/opt/../../../x/file' is not a plain one",
    ),
}
#: What only the commands that open payloads run into.
OPENS_PAYLOADS = ("verify", "devices", "try")


def patched(folder: Path, *, size: int | None = None, directory: bytes = b"") -> None:
    """The pack's RPM with another SIZE or another folder in its header."""
    rpm = folder / "Packages/acme-agent-5.2-1.noarch.rpm"
    data = bytearray(rpm.read_bytes())
    main = data.index(b"\x8e\xad\xe8", 100)
    count = struct.unpack_from("!I", data, main + 8)[0]
    store = main + 16 + 16 * count
    for at in range(main + 16, store, 16):
        tag, _, offset, _ = struct.unpack_from("!IIII", data, at)
        if tag == 1009 and size is not None:
            struct.pack_into("!I", data, store + offset, size)
    if directory:
        assert data.count(b"/opt/acme-agent/\0") == 1
        data = data.replace(b"/opt/acme-agent/", directory)
    rpm.write_bytes(data)


@pytest.fixture(scope="module")
def good(make_pack: PackMaker) -> Path:
    return make_pack()


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_end_in_one_line(
    make_pack: PackMaker, good: Path, trick: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, why = TRICKS[trick]
    iso = make_pack.changed(good, lambda folder: change(folder) and None)
    monkeypatch.setenv("XSPACK_GNUPGHOME", str(make_pack.key.home))
    # The dear ones are tried with one command, the others with all that look into a pack.
    commands = OPENS_PAYLOADS if trick == "payload" else ("info",) if trick in ("bomb", "nested") else LOOKING
    for command in commands:
        status, said = run(command, iso, tmp_path, make_pack.key.file)
        assert (status, said.count("\n")) == (1, 1), said
        assert said.startswith(f"xspack: {iso}")
        assert why in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["said"]


def records(image: bytes, at: int = 156 + 16 * 2048) -> list[tuple[int, bytes]]:
    """(offset of the directory record, its Rock Ridge name) of the files and folders in the root."""
    extent, length = struct.unpack_from("<I", image, at + 2)[0], struct.unpack_from("<I", image, at + 10)[0]
    found, offset = [], extent * 2048
    while offset < extent * 2048 + length and image[offset]:
        record = image[offset : offset + image[offset]]
        if b"NM" in record:
            begin = record.index(b"NM") + 5
            found.append((offset, record[begin : begin + record[begin - 3] - 5]))
        offset += image[offset]
    return found


def climbing(image: bytearray) -> None:
    """A file that is called ../../evil."""
    at = next(offset for offset, name in records(bytes(image)) if name == b"update.xml")
    begin = image.index(b"NM", at) + 5
    image[begin : begin + 10] = b"../../evil"


def cyclic(image: bytearray) -> None:
    """The folder Packages is the root again."""
    at = next(offset for offset, name in records(bytes(image)) if name == b"Packages")
    root = 156 + 16 * 2048
    image[at + 2 : at + 18] = image[root + 2 : root + 18]


def cut(image: bytearray) -> None:
    del image[len(image) // 2 :]


@pytest.mark.parametrize("change", [climbing, cyclic, cut])
def test_isos_that_no_command_reads(
    good: Path, make_pack: PackMaker, change: Callable[[bytearray], None], tmp_path: Path
) -> None:
    image = bytearray(good.read_bytes())
    change(image)
    (tmp_path / "in").mkdir()
    iso = tmp_path / "in/evil.iso"
    iso.write_bytes(image)
    key = make_pack.key
    more = {
        "diff": [good],
        "unpack": [tmp_path / "out"],
        "resign": ["--key", key.file, "--gnupghome", key.home, "-o", tmp_path / "out.iso"],
    }
    for command in ("info", "verify", "devices", "diff", "unpack", "resign", "try"):
        said = xspack(command, iso, *more.get(command, []))
        assert (said.status, said.out, said.err.count("\n")) == (1, "", 1)
        assert said.err.startswith(f"xspack: {iso}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["evil.iso"]


def test_links_out_of_the_tree(tmp_path: Path) -> None:
    need("genisoimage")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/update.xml").symlink_to("../../../etc/passwd")
    iso = tmp_path / "links.iso"
    subprocess.run(
        ["genisoimage", "-quiet", "-r", "-o", iso, tmp_path / "tree"], check=True, capture_output=True
    )
    said = xspack("unpack", iso, tmp_path / "out")
    assert (said.status, said.err) == (
        1,
        f"xspack: {iso}: the link 'update.xml' leads out of the image: '../../../etc/passwd'\n",
    )
    assert not (tmp_path / "out").exists()


def test_unpacking_over_files_is_refused(good: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    said = xspack("unpack", good, tmp_path / "out")
    assert (said.status, said.err) == (
        1,
        f"xspack: {tmp_path / 'out'}: is there already; name a new folder\n",
    )
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]


def test_what_is_on_a_terminal_is_harmless(make_pack: PackMaker) -> None:
    """Escape sequences in an RPM's texts."""
    iso = make_pack(PACK, [package(summary="\N{RIGHT-TO-LEFT OVERRIDE}evil")])
    assert "\\u202eevil" in xspack("info", iso).out


def everything(iso: Path) -> None:
    """All that commands do with a pack, short of starting programs."""
    pack = hash_rpms(open_pack(iso))
    host = Host(KnownRelease(load_profile("xenserver-8"), pack.infos, None))
    for judge in (judge_xapi, judge_installer, judge_package_manager):
        judge(pack, host)
    assert not pack_changes(pack, pack, (), ()).any


@hypothesis.settings(max_examples=150)
@hypothesis.given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0, 1),
)
def test_damaged_isos_crash_nothing(
    fuzzed: tuple[bytes, Path], changes: list[tuple[float, int]], kept: float
) -> None:
    image, place = bytearray(fuzzed[0]), fuzzed[1]
    content = [at for at in range(len(image)) if image[at]]  # zeros are of no interest
    for where, value in changes:
        image[content[int(where * len(content))]] = value
    place.write_bytes(image if kept > 0.1 else image[: int(len(image) * kept * 10)])
    try:
        everything(place)
    except BadInput as bad:
        assert str(bad).count("\n") == 0


@pytest.fixture(scope="module")
def fuzzed(good: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    return good.read_bytes(), tmp_path_factory.mktemp("fuzz") / "fuzz.iso"


@hypothesis.settings(max_examples=150)
@hypothesis.given(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=16))
def test_damaged_files_crash_no_list_of_devices(
    driver: tuple[bytes, Path], where: float, more: bytes
) -> None:
    image = bytearray(driver[0])
    begin = int(where * len(image))
    image[begin : begin + len(more)] = more
    driver[1].write_bytes(image)
    try:
        list(modules_of_file(driver[1]))
    except BadInput as bad:
        assert str(bad).count("\n") == 0


@pytest.fixture(scope="module")
def driver(make_pack: PackMaker, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """An RPM with what looks like a module."""
    rpm = make_pack.rpm(package("acme-nic", {"/lib/modules/4.19.0+1/updates/acme.ko": "\x7fELF no module\n"}))
    return rpm.read_bytes(), tmp_path_factory.mktemp("fuzz") / "fuzz.rpm"

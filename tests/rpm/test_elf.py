"""ELF files in process: what rpm's own elfdeps prints."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import lacks, need

from xspack_tool.errors import StepError
from xspack_tool.rpm import elf
from xspack_tool.rpm.relations import UnusualError

ELFDEPS = Path("/usr/lib/rpm/elfdeps")


def found(path: Path) -> tuple[list[bytes], list[bytes]]:
    data = path.read_bytes()
    executable = bool(path.stat().st_mode & 0o111)
    return elf.dependencies(lambda at, size: data[at : at + size], os.fsencode(path.name), executable)


def said(path: Path) -> tuple[list[bytes], list[bytes]]:
    """What elfdeps prints."""
    provides, requires = (
        subprocess.run([ELFDEPS, option], input=os.fsencode(path) + b"\n", capture_output=True).stdout
        for option in ("--provides", "--requires")
    )
    return provides.splitlines(), requires.splitlines()


def is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == elf.MAGIC


def elf_files() -> Iterator[Path]:
    """A sample of the programs and libraries of this machine; all below /usr with LONG_TESTS=1."""
    if os.environ.get("LONG_TESTS") == "1":
        places = (Path(folder, name) for folder, _, names in os.walk("/usr") for name in names)
        yield from filter(is_elf, places)
        return
    for folder in ("/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"):
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        chosen = random.Random(1).sample(names, min(40, len(names)))
        yield from filter(is_elf, (Path(folder, name) for name in chosen))


def test_the_files_of_this_machine() -> None:
    if not ELFDEPS.exists():
        lacks("rpm's elfdeps is needed: apt-get install rpm")
    different, count = {}, 0
    for path in elf_files():
        count += 1
        try:
            mine = found(path)
        except UnusualError:  # left to rpmbuild
            continue
        if mine != (theirs := said(path)):
            different[path] = (mine, theirs)
    assert different == {}
    assert count > 10


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    need("gcc")
    folder = tmp_path_factory.mktemp("elf")
    (folder / "a.c").write_text('#include <stdio.h>\nint acme(void) { return puts("x"); }\n')
    (folder / "a.map").write_text("ACME_1.0 { global: acme; };\n")
    words = [
        "gcc",
        "-shared",
        "-fPIC",
        "-Wl,-soname,liba.so.1,--version-script=a.map",
        "-o",
        "liba.so.1",
        "a.c",
    ]
    subprocess.run(words, cwd=folder, check=True)
    return (folder / "liba.so.1").read_bytes()


def ask(data: bytes) -> tuple[list[bytes], list[bytes]]:
    return elf.dependencies(lambda at, size: data[at : at + size], b"liba.so.1", True)


def test_a_truncated_file_is_left_to_rpmbuild(library: bytes) -> None:
    """Wherever it ends: its section headers are the last of it."""
    assert ask(library)[0][-1] == b"liba.so.1()(64bit)"
    for end in (4, 5, 16, 40, 63, 64, 500, len(library) // 2, len(library) - 1):
        with pytest.raises(UnusualError):
            ask(library[:end])


def test_damaged_files_cost_no_time_and_no_traceback(library: bytes) -> None:
    rand = random.Random(2)
    ends = set()
    for _ in range(3000):
        data = bytearray(library)
        for _ in range(rand.choice((1, 2, 8))):
            places = (rand.randrange(64), rand.randrange(len(data)), len(data) - rand.randrange(1, 1900))
            data[rand.choice(places)] = rand.choice((0, 1, 0x7F, 0xFF, rand.randrange(256)))
        try:
            ask(bytes(data))
            ends.add("read")
        except UnusualError:
            ends.add("left to rpmbuild")
        except StepError:
            ends.add("refused")
    assert {"read", "left to rpmbuild"} <= ends


def test_a_table_of_versions_without_end_is_refused(library: bytes) -> None:
    """Entries that name themselves as the next, four thousand million of them."""
    data = bytearray(library)
    at = int.from_bytes(data[40:48], "little")
    count = int.from_bytes(data[60:62], "little")
    for number in range(count):
        header = at + 64 * number
        if int.from_bytes(data[header + 4 : header + 8], "little") == 0x6FFFFFFE:
            data[header + 44 : header + 48] = b"\xff\xff\xff\xff"  # sh_info: the number of entries
            offset = int.from_bytes(data[header + 24 : header + 32], "little")
            data[offset + 12 : offset + 16] = bytes(4)  # vn_next: this very entry
    with pytest.raises(StepError, match="more versions of symbols than any library has"):
        ask(bytes(data))

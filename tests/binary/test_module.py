"""What modules say of themselves: real ones, compared with kmod's modinfo, and hostile files."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from elftools.elf.elffile import ELFFile

from xspack_tool.binary import module as modinfo
from xspack_tool.binary.module import parse_module, read_module
from xspack_tool.cli.modules import modules_of_file
from xspack_tool.ddk.inbox import read_inbox
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.errors import BadInput
from xspack_tool.model.changelog import CONSTANT_TIME
from xspack_tool.model.package import FileEntry, Package
from xspack_tool.releases import load_profile
from xspack_tool.rpm.write import write_rpm
from xspack_tool.rules.engine import check_rpm

ALIASES = [
    "pci:v00001AF4d00001000sv*sd*bc*sc*i*",
    "pci:v00008086d000010D3sv00001028sd00000001bc02sc00i*",
]


@pytest.fixture(scope="module")
def module(module_of: Callable[[str], Path]) -> Path:
    """A compiled driver with ids, firmware and imported symbols."""
    return module_of("acme")


def test_against_kmod(module: Path, tree: KernelTree) -> None:
    info = read_module(module)
    assert info.name == "acme"
    assert info.kernel == tree.kernel
    assert sorted(info.aliases) == ALIASES
    assert info.firmware == ("acme/nic.bin",)
    assert (info.license, info.version, info.depends) == ("GPL v2", "2.1", ())
    if shutil.which("modinfo"):
        for key in ("vermagic", "srcversion", "name", "license", "version"):
            said = subprocess.run(["modinfo", "-F", key, module], capture_output=True, text=True, check=True)
            assert getattr(info, key).strip() == said.stdout.strip(), key


def test_symbol_crcs_are_the_kernels(module: Path, tree: KernelTree) -> None:
    lines = (line.split("\t") for line in tree.symvers.read_text().splitlines())
    known = {line[1]: int(line[0], 16) for line in lines}
    versions = read_module(module).versions
    assert {"module_layout", "_printk"} <= set(versions)
    assert versions == {name: known[name] for name in versions}


def squeezed(kind: str, content: bytes) -> bytes:
    """Compressed as a module with this ending is."""
    ways = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
    return zstandard.ZstdCompressor().compress(content) if kind == "zst" else ways[kind](content)


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2", "zst"])
def test_compressed(module: Path, tmp_path: Path, kind: str) -> None:
    """By its content, whatever its name says, also out of a stream that cannot seek."""
    plain, content = read_module(module), squeezed(kind, module.read_bytes())
    for name in (f"acme.ko.{kind}", "acme.ko"):
        path = tmp_path / name
        path.write_bytes(content)
        assert read_module(path).fields == plain.fields
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as pipe:
        assert pipe.stdout is not None and not pipe.stdout.seekable()
        assert parse_module("acme.ko", pipe.stdout).versions == plain.versions


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2", "zst"])
def test_every_command_reads_it(module: Path, tmp_path: Path, kind: str) -> None:
    """As a file, in a folder of the release's own, and in an RPM."""
    path = tmp_path / f"acme.ko.{kind}"
    path.write_bytes(squeezed(kind, module.read_bytes()))
    assert read_inbox(tmp_path).drivers(ALIASES[0]) == ("acme",)
    place = f"/lib/modules/6/updates/{path.name}"
    package = Package("acme", "1", "1", "s", "MIT", entries=(FileEntry(place, "file", source="module"),))
    rpm = tmp_path / "acme.rpm"
    write_rpm(package, {"module": path}, rpm, payload="w2.xzdio", time=CONSTANT_TIME)
    assert [sorted(info.aliases) for info in modules_of_file(rpm)] == [ALIASES]
    found = [finding.rule for finding in check_rpm(rpm, load_profile("xenserver-8"))]
    assert "K3" in found  # its vermagic is another kernel's


def refused(path: Path) -> str:
    with pytest.raises(BadInput) as failure:
        read_module(path)
    assert failure.value.file == str(path)
    return failure.value.why


def test_hostile(module: Path, tmp_path: Path) -> None:
    content = module.read_bytes()
    cases = {
        "empty.ko": (b"", "not an ELF file, or damaged"),
        "text.ko": (b"#!/bin/sh\n" * 100, "not an ELF file, or damaged"),
        "cut.ko": (content[:1000], "not an ELF file, or damaged"),
        "program.ko": (Path("/bin/true").read_bytes(), "an ELF file, but not a kernel module"),
        "cut.ko.xz": (lzma.compress(content)[:-100], "truncated: it ends too early"),
        "cut.ko.gz": (gzip.compress(content)[:-100], "truncated: it ends too early"),
        "lie.ko.gz": (gzip.compress(b"#!/bin/sh\n" * 100), "not an ELF file, or damaged"),
        "lie.ko.xz": (b"070701" * 100, "not an ELF file, or damaged"),
    }
    for name, (data, why) in cases.items():
        (tmp_path / name).write_bytes(data)
        assert refused(tmp_path / name) == why, name
    assert refused(tmp_path / "gone.ko") == "cannot be read: No such file or directory"


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modinfo, "MAX_MODULE", 2**20)
    bomb = tmp_path / "bomb.ko.gz"
    bomb.write_bytes(gzip.compress(bytes(2**21)))
    assert refused(bomb) == "unpacks to more than 1 MiB"


def test_a_section_that_claims_too_much(module: Path, tmp_path: Path) -> None:
    """A section header that claims 1 TiB (as .bss would) is refused before anything is read."""
    content = bytearray(module.read_bytes())
    with module.open("rb") as file:
        elf = ELFFile(file)
        number = elf.get_section_index(".modinfo")
        offset = elf["e_shoff"] + number * elf["e_shentsize"]
    content[offset + 4 : offset + 8] = (8).to_bytes(4, "little")  # sh_type: SHT_NOBITS
    content[offset + 32 : offset + 40] = (2**40).to_bytes(8, "little")  # sh_size
    huge = tmp_path / "huge.ko"
    huge.write_bytes(content)
    assert refused(huge) == "a section of more than 16 MiB"


def test_every_damaged_byte_is_bad_input_or_read(module: Path, tmp_path: Path) -> None:
    content = module.read_bytes()
    path = tmp_path / "acme.ko"
    for position in [*range(64), *range(len(content) - 2000, len(content), 37)]:
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            assert read_module(path).file == "acme.ko"
        except BadInput as bad:
            assert bad.file == str(path)

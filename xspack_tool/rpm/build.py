"""An RPM from a declaration, in process: the bytes that rpmbuild 4.18 would write, on every machine.

No folder is filled, and a payload of any size goes through in pieces. Order as in rpm's build/pack.c (writeRPM).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from xspack_tool.files import whole
from xspack_tool.model.package import Package
from xspack_tool.rpm.automatic import classify
from xspack_tool.rpm.compressors import compressor, read_payload
from xspack_tool.rpm.contents import BLOCK, File, collect
from xspack_tool.rpm.cpio_write import write_archive
from xspack_tool.rpm.header import LEAD_SIZE
from xspack_tool.rpm.header_write import Sums, lead, signature_header
from xspack_tool.rpm.package_header import LARGE, OURS, PackageHeader, Writer
from xspack_tool.rpm.relations import UnusualError

#: From this payload size on, xz compresses in blocks, by as many threads as there are; rpmbuild by two, always, for
#: the bytes depend on the number's being one or more.
BLOCKS_FROM = 16 << 20
#: What comes before the header, whatever the sums are.
_BEFORE = LEAD_SIZE + len(signature_header(Sums("0" * 64, "0" * 40, bytes(16), 0, 0)))


def payload_option(payload: str, size: int) -> str:
    """rpm's `_binary_payload` for so many bytes: ``w2.xzdio`` becomes ``w2T2.xzdio`` for a large one."""
    level, _, way = payload.partition(".")
    return f"{level}T2.{way}" if way == "xzdio" and size >= BLOCKS_FROM else payload


def build_rpm(
    package: Package,
    contents: Mapping[str, Path],
    scripts: dict[str, str],
    out: Path,
    *,
    payload: str,
    time: int,
    writer: Writer = OURS,
) -> None:
    """Write the RPM to ``out``. ``contents`` are its files by name, ``scripts`` the texts of its scriptlets.

    Raises UnusualError for what is left to rpmbuild, StepError for what can be in no RPM; ``out`` appears whole or
    not at all.
    """
    if not 0 <= time <= LARGE:
        raise UnusualError(f"the time {time}")
    files = collect(package.entries, contents)
    payload = payload_option(payload, sum(file.size for file in files if file.is_file))
    classify(files, writer.class_of)
    header = PackageHeader(package, files, scripts, payload, time, writer)
    with whole(out) as beside, beside.open("w+b") as file:
        _write(file, package, header, files, time)


def _write(file: BinaryIO, package: Package, header: PackageHeader, files: Sequence[File], time: int) -> None:
    """The payload behind the room of what comes before it, and then that."""
    file.seek(_BEFORE + header.size)
    packed, plain = hashlib.sha256(), hashlib.sha256()

    def sink(data: bytes) -> None:
        packed.update(data)
        file.write(data)

    engine = compressor(read_payload(header.payload), sink)

    def take(data: bytes) -> None:
        plain.update(data)
        engine.write(data)

    pieces = _Pieces(take)
    archive = write_archive(files, time, header.is_large, pieces.write)
    pieces.flush()
    engine.close()
    made = header.finish(packed.hexdigest(), plain.hexdigest())
    md5, size = hashlib.md5(made, usedforsecurity=False), len(made)
    file.seek(_BEFORE + len(made))
    while block := file.read(BLOCK):
        md5.update(block)
        size += len(block)
    sha1 = hashlib.sha1(made, usedforsecurity=False).hexdigest()
    sums = Sums(hashlib.sha256(made).hexdigest(), sha1, md5.digest(), size, archive)
    file.seek(0)
    name = f"{package.name}-{package.identity.evr}"
    file.write(lead(name, package.arch) + signature_header(sums) + made)


class _Pieces:
    """Puts small pieces together, so that digests and the compressor are called less often."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.take, self.held, self.length = write, list[bytes](), 0

    def write(self, data: bytes) -> None:
        self.held.append(data)
        self.length += len(data)
        if self.length >= BLOCK:
            self.flush()

    def flush(self) -> None:
        self.take(b"".join(self.held))
        self.held, self.length = [], 0

"""On a full disk an RPM is written whole or not at all, though rpmbuild itself says that all is well."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import lacks, need, need_root

from xspack_tool.errors import StepError
from xspack_tool.model.package import FileEntry, Package
from xspack_tool.rpm.write import write_rpm

PAGE = 4096
PACKAGE = Package(
    "x", "1", "1", "x", "MIT", arch="noarch", entries=(FileEntry("/opt/x", "file", source="x"),)
)


_FULL = "[Errno 28] No space left on device"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    need_root()
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        lacks("the right to mount is needed")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(("rpmbuild", "pages"), [(True, range(26, 62, 3)), (False, range(2, 38, 3))])
def test_whole_or_not_at_all(small_disk: Path, tmp_path: Path, rpmbuild: bool, pages: range) -> None:
    if rpmbuild:
        need("rpmbuild")
    source = tmp_path / "x"
    source.write_bytes(random.Random(1).randbytes(100_000))
    good = tmp_path / PACKAGE.file_name
    write_rpm(PACKAGE, {"x": source}, good, payload="w2.xzdio", time=1_700_000_000, rpmbuild=rpmbuild)
    out = small_disk / PACKAGE.file_name
    said = set()
    for free in pages:
        for left in small_disk.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        room = os.statvfs(small_disk)
        (small_disk / "other").write_bytes(bytes((room.f_bavail - free) * PAGE))
        try:
            write_rpm(PACKAGE, {"x": source}, out, payload="w2.xzdio", time=1_700_000_000, rpmbuild=rpmbuild)
        except (StepError, OSError) as error:
            said.add(str(error).split(" (")[0].removesuffix(f": '{out}'"))
            assert not out.exists(), free
        else:
            assert out.read_bytes() == good.read_bytes(), free
    assert (f"rpmbuild wrote a part of {PACKAGE.file_name} only" if rpmbuild else _FULL) in said
    assert out.exists()

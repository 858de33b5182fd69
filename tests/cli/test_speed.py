"""verify keeps up with sha256sum: it reads everything once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pack_maker import PACK, TIME, PackMaker
from support import ROOT, need, processor_time

from xspack_tool.model.package import FileEntry, Package
from xspack_tool.rpm.write import write_rpm

SIZE = 192 << 20
#: Seconds for the start of Python, of gpg, and for noise.
START = 2.0


def test_verify_runs_at_half_the_speed_of_sha256sum(make_pack: PackMaker, tmp_path: Path) -> None:
    need("sha256sum")
    blob = tmp_path / "blob"
    with blob.open("wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))
    package = Package(
        name="acme-firmware",
        version="1",
        release="1",
        summary="Acme firmware",
        license="Redistributable",
        entries=(FileEntry("/opt/acme/blob", "file", mode=0o644, source="blob"),),
        automatic_dependencies=False,
    )
    write_rpm(package, {"blob": blob}, tmp_path / package.file_name, payload="w0.gzdio", time=TIME)
    iso = make_pack(PACK, [tmp_path / package.file_name])
    hashing = timed("sha256sum", iso)
    verifying = timed(sys.executable, "-m", "xspack_tool.cli", "verify", iso, "--key", make_pack.key.file)
    iso.unlink()
    assert verifying <= 2 * hashing + START


def timed(*argv: str | Path) -> float:
    """Seconds of a processor that a program takes, the better of two runs."""

    def once() -> float:
        begin = processor_time()
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(list(map(str, argv)), check=True, capture_output=True, env=env)
        return processor_time() - begin

    return min(once(), once())

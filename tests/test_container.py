"""The Containerfile: what it names is there, and where podman and a registry are at hand, its image builds packs."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
from support import ROOT, lacks, need

FILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
BASES = ["docker.io/library/debian:12", "docker.io/library/almalinux:9"]


def test_it_is_a_file_of_known_words_that_sets_up_by_bootstrap() -> None:
    joined = FILE.replace("\\\n", " ")
    words = [line.split(maxsplit=1) for line in joined.splitlines() if line and not line.startswith("#")]
    assert [word for word, _ in words] == ["ARG", "FROM", "COPY", "RUN", "ENV", "WORKDIR", "CMD"]
    (run,) = (rest for word, rest in words if word == "RUN")
    assert subprocess.run(["sh", "-n", "-c", run]).returncode == 0
    folder = dict(words)["COPY"].split()[-1]
    assert f"{folder}/bootstrap" in run and f"{folder}/.venv/bin:" in dict(words)["ENV"]
    page = (ROOT / "docs/containers.md").read_text(encoding="utf-8")
    assert all(base in FILE for base in BASES) and BASES[1] in page


def test_nothing_that_was_made_here_gets_into_an_image() -> None:
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8").split()
    made = [line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    wanted = {".git", *(name for name in made if name.startswith(".") and name != ".hypothesis")}
    patterns = [name.removeprefix("**/") for name in ignored]
    assert [name for name in sorted(wanted) if not any(fnmatch(name, pattern) for pattern in patterns)] == []


@pytest.mark.long
@pytest.mark.parametrize("base", BASES)
def test_its_image_builds_a_pack(tmp_path: Path, base: str) -> None:
    need("podman")
    # An image that is here already is taken, also one by `debootstrap` and `podman import`.
    if subprocess.run(["podman", "image", "exists", base]).returncode:
        pulled = subprocess.run(["podman", "pull", "-q", base], capture_output=True, text=True)
        if pulled.returncode:
            lacks(f"{base} cannot be had: {pulled.stderr.strip()}")
    more = tmp_path / "Containerfile"
    use = (
        "RUN xspack new /tmp/acme --vendor Acme && cd /tmp/acme && scons pack && xspack verify build/*.iso\n"
    )
    more.write_text(re.sub(r"^CMD", f"{use}CMD", FILE, flags=re.M))
    words = [
        "podman",
        "build",
        "--isolation=chroot",
        "--network=host",
        "--build-arg",
        f"BASE={base}",
        "-f",
        more,
        ROOT,
    ]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

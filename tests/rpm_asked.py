"""What rpm says of an RPM, and what is in one: ``from rpm_asked import query``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import rpmfile
from support import need


def asked(rpm: Path, *options: str) -> str:
    """What `rpm -qp` prints with these options."""
    argv = ["rpm", "-qp", "--nosignature", *options, rpm]
    env = {**os.environ, "TZ": "UTC"}
    return subprocess.run(argv, capture_output=True, text=True, check=True, env=env).stdout


def query(rpm: Path, form: str) -> list[str]:
    """The lines that a format of a query makes."""
    return asked(rpm, "--queryformat", form).splitlines()


def requires(rpm: Path) -> list[str]:
    """What it requires, but for features of rpm."""
    return [line for line in query(rpm, "[%{REQUIRENEVRS}\n]") if not line.startswith("rpmlib(")]


def payload(rpm: Path) -> dict[str, bytes]:
    """The plain files of an RPM and their content."""
    with rpmfile.open(str(rpm)) as opened:
        files = [member for member in opened.getmembers() if not member.isdir]
        return {file.name.removeprefix("."): opened.extractfile(file).read() for file in files}


def unpack(rpm: Path, folder: Path) -> Path:
    """The folder with the RPM's files in it, as rpm and cpio unpack them."""
    need("rpm2cpio", "cpio")
    folder.mkdir(exist_ok=True)
    archive = subprocess.run(["rpm2cpio", rpm], capture_output=True, check=True).stdout
    subprocess.run(["cpio", "-idm", "--quiet"], input=archive, cwd=folder, check=True)
    return folder

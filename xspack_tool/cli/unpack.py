"""``xspack unpack``: the files of a pack in a folder."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from xspack_tool.cli.command import Command
from xspack_tool.cli.output import Output
from xspack_tool.errors import BadInput
from xspack_tool.pack.iso_read import IsoReader


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("iso", type=Path, metavar="ISO")
    parser.add_argument("folder", type=Path, metavar="DIR", help="new, or empty")


def _run(args: argparse.Namespace, out: Output) -> int:
    with IsoReader(args.iso) as iso:
        unpack(iso, args.folder)
        count = sum(entry.kind == "file" for entry in iso.entries)
    out.line(f"{count} files in {args.folder}")
    return 0


COMMAND = Command(
    "unpack",
    "take a pack apart: its files, in a new folder",
    _arguments,
    _run,
    reports=False,
    examples=("xspack unpack acme-1.0.iso acme",),
)


def unpack(iso: IsoReader, folder: Path) -> None:
    """Unpack everything into ``folder``, which appears whole or not at all. Raises BadInput."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(folder, "is there already; name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        iso.extract(beside)
        beside.chmod(0o755)
        os.replace(beside, folder)  # over an empty folder, too
    finally:
        shutil.rmtree(beside, ignore_errors=True)

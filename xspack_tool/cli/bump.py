"""``xspack bump``: the next version, in the user's own SConstruct."""

from __future__ import annotations

import argparse
import uuid
from datetime import date
from pathlib import Path

from xspack_tool.cli.command import Command, UsageError
from xspack_tool.cli.output import Output
from xspack_tool.files import write_whole
from xspack_tool.model import syntax
from xspack_tool.scaffold.bump import Next, bump
from xspack_tool.scaffold.found import read_text


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", nargs="?", default=Path("SConstruct"), help="file (SConstruct)"
    )
    parser.add_argument("--version", default="", metavar="V", help="the next version (one more than it was)")
    parser.add_argument(
        "--release", action="store_true", help="raise the release of the packages, not their version"
    )
    parser.add_argument("-m", "--note", required=True, metavar="TEXT", help="what changed, for the changelog")
    parser.add_argument(
        "--packager", default="", metavar="WHO", help="'Name <mail>' (who wrote the last entry)"
    )


def _run(args: argparse.Namespace, out: Output) -> int:
    if not args.note.strip():
        raise UsageError("--note must say what changed")
    if args.release and args.version:
        raise UsageError("give --version or --release, not both")
    if args.version and (problems := syntax.check_version("--version", args.version)):
        raise UsageError("; ".join(map(str, problems)))
    following = Next(
        note=args.note,
        packager=args.packager,
        today=date.today().isoformat(),
        new_uuid=lambda: str(uuid.uuid4()),
        version=args.version,
        release=args.release,
    )
    bumped = bump(read_text(args.file, newline=""), following, args.file)
    write_whole(args.file, bumped.text, args.file.stat().st_mode & 0o7777)
    for line in bumped.said:
        out.line(line)
    return 0


COMMAND = Command(
    "bump",
    "the next version: changelog, uuid",
    _arguments,
    _run,
    reports=False,
    examples=("xspack bump -m 'support the 200G card'",),
)

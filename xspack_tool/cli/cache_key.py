"""``xspack cache-key``: a key pair for entries of a shared cache."""

from __future__ import annotations

import argparse
from pathlib import Path

from xspack_tool.cli.command import Command
from xspack_tool.cli.output import Output


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="where the secret key goes; FILE.pub: the public one"
    )


def _run(args: argparse.Namespace, out: Output) -> int:
    from xspack_tool.cache.keys import make_pair, read_trusted

    public = make_pair(args.file)
    (key,) = read_trusted([public])
    out.line(f"{args.file}: the secret key, for those who write: XSPACK_CACHE_SIGN_KEY={args.file}")
    out.line(f"{args.file}.pub: the public key, for those who read: XSPACK_CACHE_TRUST={args.file}.pub")
    out.line(f"fingerprint {key.id}")
    return 0


COMMAND = Command(
    "cache-key",
    "make a key pair for a shared cache",
    _arguments,
    _run,
    reports=False,
    examples=("xspack cache-key ci-cache-key",),
)

"""``xspack completion``: completion of commands and options for shells."""

from __future__ import annotations

import argparse

from xspack_tool.cli.command import Command
from xspack_tool.cli.output import Output

SHELLS = ("bash", "zsh", "tcsh", "fish")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads it")


def _run(args: argparse.Namespace, out: Output) -> int:
    import shtab

    from xspack_tool.cli import make_parser

    out.text(shtab.complete(make_parser(), args.shell))
    return 0


COMMAND = Command(
    "completion",
    "completion for a shell",
    _arguments,
    _run,
    reports=False,
    examples=("xspack completion bash > /etc/bash_completion.d/xspack",),
)

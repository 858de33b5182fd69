"""``xspack``: looks at, judges, tries and changes finished packs. One file per command."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from xspack_tool.errors import DeclarationError, XspackError, system_words
from xspack_tool.run import ask_to_stop, end_children

if TYPE_CHECKING:
    from xspack_tool.cli.command import Command

#: The files of the commands, in the order of the help.
MODULES = (
    "new",
    "bump",
    "info",
    "verify",
    "try_pack",
    "unpack",
    "resign",
    "diff",
    "devices",
    "sbom",
    "report",
    "rules",
    "build_update",
    "cache_key",
    "stubs",
    "completion",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``xspack`` and return its exit status: 0 good, 1 findings or a rejected pack, 2 wrong usage."""
    return run("xspack", make_parser, sys.argv[1:] if argv is None else argv)


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="xspack",
        description="Supplemental packs and driver disks for XenServer and XCP-ng, from the outside.",
        epilog="examples:\n"
        "  xspack new acme-tools --vendor Acme\n"
        "  xspack verify build/acme-tools-1.0.iso --key RPM-GPG-KEY-Acme\n"
        "  xspack verify --help\n\n"
        "exit status: 0 good, 1 findings or a rejected pack, 2 wrong usage",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in map(load, MODULES):
        command.add_to(commands.add_parser(command.name, help=command.help, description=command.help))
    return parser


def build_update_main(argv: Sequence[str] | None = None) -> int:
    """``build-update`` under its own name, for scripts that call it so."""

    def make() -> argparse.ArgumentParser:
        command = load("build_update")
        parser = argparse.ArgumentParser(prog="build-update", description=command.help)
        command.add_to(parser)
        return parser

    return run("build-update", make, sys.argv[1:] if argv is None else argv)


def load(module: str) -> Command:
    """The command in a file of this room."""
    command: Command = importlib.import_module(f"xspack_tool.cli.{module}").COMMAND
    return command


def run(program: str, make: Callable[[], argparse.ArgumentParser], argv: Sequence[str]) -> int:
    """Make the parser, parse, do, and turn whatever goes wrong for the user's part into words and a status."""
    _have_streams()
    came: list[int] = []
    try:
        _end_as_interrupted(came)
        return _run(program, make, argv)
    except BaseException as error:
        # Python, and libraries, make another error of what a signal raised in some places.
        if not came and not isinstance(error, KeyboardInterrupt):
            raise
        end_children()
        return _say(program, *(("terminated", 143) if signal.SIGTERM in came else ("interrupted", 130)))


def _run(program: str, make: Callable[[], argparse.ArgumentParser], argv: Sequence[str]) -> int:
    from xspack_tool.cli.command import UsageError
    from xspack_tool.cli.output import STANDARD_OUTPUT, Output

    try:
        try:
            parser = make()
            if not argv and program == "xspack":
                parser.print_help(sys.stderr)
                return 2
            args = parser.parse_args(argv, argparse.Namespace(argv=list(argv)))
            status: int = args.run(args, Output(sys.stdout, args.color))
        except SystemExit as left:  # argparse: 0 after --help, 2 for wrong usage
            status = left.code if isinstance(left.code, int) else 2
        Output(sys.stdout).flush()
        return status
    except UsageError as error:
        return _say(program, str(error), 2)
    except DeclarationError as error:
        return _say(program, "; ".join(map(str, error.problems)), 2)
    except XspackError as error:
        return _say(program, str(error), 1)
    except BrokenPipeError:
        _write_no_more()
        return 1
    except OSError as error:
        if error.filename == STANDARD_OUTPUT:
            _write_no_more()
        return _say(program, f"{_about(error)}{system_words(error)}", 1)


def _have_streams() -> None:
    """Where the caller closed an output, nobody reads it; and no file that is opened may take its place."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115


def _write_no_more() -> None:
    """Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _about(error: OSError) -> str:
    """The file that an error is about. The system names none where there is no room: outputs are named by who writes
    them, which leaves temporary files."""
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{tempfile.gettempdir()}: "
    return f"{error.filename}: " if error.filename else ""


class _Terminated(BaseException):
    """SIGTERM: programs, folders and mounts are cleaned up as after an error."""


def _end_as_interrupted(came: list[int]) -> None:
    """Have SIGTERM unwind the stack as SIGINT does, and both end the programs that threads wait for. The one that came
    stands in ``came`` then."""

    def end(number: int, frame: object) -> None:
        for which in (signal.SIGINT, signal.SIGTERM):
            signal.signal(which, signal.SIG_IGN)
        came.append(number)
        ask_to_stop()
        raise KeyboardInterrupt if number == signal.SIGINT else _Terminated

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, end)


def _say(program: str, text: str, status: int) -> int:
    from xspack_tool.cli.output import Output

    Output(sys.stderr).line(f"{program}: {text}", "red")
    return status


class _Version(argparse.Action):
    """``--version``; the installed package is asked only when it is wanted."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version")

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> None:
        from importlib.metadata import version

        from xspack_tool.cli.output import Output

        Output(sys.stdout).line(f"xspack {version('xspack')}")
        parser.exit()

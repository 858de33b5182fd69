"""``xspack try``: real transactions with a pack, in a chroot."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from msgspec.structs import asdict

from xspack_tool.cli.command import Command
from xspack_tool.cli.output import Output
from xspack_tool.cli.progress import progress
from xspack_tool.cli.release import add_release_arguments
from xspack_tool.errors import StepError
from xspack_tool.releases import load_profile
from xspack_tool.run import missing_program
from xspack_tool.sandbox.root import become_root
from xspack_tool.sandbox.stages import StageRunner


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("iso", type=Path, metavar="ISO")
    parser.add_argument("--upgrade-from", type=Path, metavar="ISO", help="also apply it over this older pack")
    parser.add_argument(
        "--remove", action="store_true", help="also remove it again, by its own script if it has one"
    )
    parser.add_argument(
        "--key", type=Path, metavar="F", help="public key file: signatures are checked with it"
    )
    add_release_arguments(parser)


def _run(args: argparse.Namespace, out: Output) -> int:
    for program in ("dnf", "rpm"):
        if lacking := missing_program(program):
            raise StepError(f"trying a pack takes real transactions; {lacking}")
    become_root([sys.executable, "-m", "xspack_tool.cli", *args.argv])
    with tempfile.TemporaryDirectory(prefix="xspack-try-") as work:
        runner = StageRunner(Path(work), load_profile(args.target), args.base, args.key)
        count = 2 + 2 * bool(args.upgrade_from) + bool(args.remove)
        with progress("transactions", count) as tell:
            for _ in runner.stages(args.iso, args.upgrade_from, args.remove):
                tell(1)
    if args.json:
        out.json(
            {
                "stages": [asdict(stage) for stage in runner.done],
                "assumed": runner.assumed,
                "good": runner.good,
            }
        )
    else:
        _show(runner, out)
    return 0 if runner.good else 1


COMMAND = Command(
    "try",
    "precheck, apply, upgrade and remove it for real, in a chroot",
    _arguments,
    _run,
    examples=("xspack try acme-1.1.iso --upgrade-from acme-1.0.iso --remove",),
)


def _show(runner: StageRunner, out: Output) -> None:
    for stage in runner.done:
        out.line(f"{stage.name}: {stage.code or 'good'}", "bold red" if stage.code else "bold green")
        for line in stage.why:
            out.line(f"  {line}", "red" if stage.code else "")
        for line in stage.order:
            out.line(f"  {line}")
        for line in stage.calls:
            out.line(f"  called: {line}", "cyan")
        for sign, paths, style in (
            ("+", stage.added, "green"),
            ("~", stage.changed, "yellow"),
            ("-", stage.removed, "red"),
        ):
            for path in paths:
                out.line(f"  {sign} {path}", style)
        for path, fate in stage.config:
            out.line(f"  config {path}: {fate}", "yellow")
    if runner.assumed:
        out.line(f"assumed that the release provides: {', '.join(runner.assumed)}", "cyan")
    if runner.key is None:
        out.line("signatures were not checked: name the public key with --key", "cyan")

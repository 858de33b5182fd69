"""``xspack stubs``: type stubs of ``env.*`` for editors, mypy and pyright."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

from xspack_tool.cli.command import Command, UsageError
from xspack_tool.cli.output import Output
from xspack_tool.files import write_all


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=Path, metavar="DIR", nargs="?", default=Path(), help="top of your tree")
    parser.add_argument(
        "--kinds",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="Python file with kinds of your own, which is run (may be given more than once)",
    )


def _run(args: argparse.Namespace, out: Output) -> int:
    from xspack_tool.kinds.stubs import stub_files  # loads SCons

    stubs = stub_files([kind for file in args.kinds for kind in _kinds_of(file)])
    write_all({args.dir / path: (text, 0o644) for path, text in stubs.items()})
    for path in stubs:
        out.line(str(args.dir / path))
    return 0


COMMAND = Command(
    "stubs",
    "type stubs of env.*, for editors and mypy",
    _arguments,
    _run,
    reports=False,
    examples=(
        "xspack stubs",
        "xspack stubs --kinds site_scons/python_app.py",
    ),
)


def _kinds_of(file: Path) -> list[Any]:
    """The kinds that a file of the user's defines."""
    from xspack_tool.kinds import Kind, PackageKind

    spec = importlib.util.spec_from_file_location(file.stem, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"{file}: no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code raises
        raise UsageError(f"{file}: {type(error).__name__}: {error}") from None
    kinds = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Kind) and value not in (Kind, PackageKind)
    ]
    if not kinds:
        raise UsageError(f"{file}: defines no kind")
    return kinds

"""How a command of ``xspack`` is registered: one file, with one ``COMMAND`` in it."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from msgspec import Struct

from xspack_tool.cli.output import Output


class Command(Struct, frozen=True):
    """A command: its one-line help, its arguments, what it does, and command lines that show it.

    ``run`` returns the exit status: 0, or 1 for findings or a rejected pack. It raises an XspackError for what
    it cannot do, and UsageError for arguments that make no sense together.
    """

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Output], int]
    reports: bool = True
    examples: tuple[str, ...] = ()

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Give the parser this command's arguments; those that report take ``--json``."""
        self.arguments(parser)
        if self.reports:
            parser.add_argument("--json", action="store_true", help="print JSON for programs")
        parser.add_argument(
            "--color",
            choices=("auto", "always", "never"),
            default="auto",
            help="auto: on a terminal, unless NO_COLOR is set or TERM is dumb",
        )
        parser.epilog = "\n".join(["examples:", *(f"  {line}" for line in self.examples)])
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.set_defaults(run=self.run)


class UsageError(Exception):
    """Arguments that make no sense: exit status 2."""

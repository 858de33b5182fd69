"""What commands print: tables and colour on a terminal, plain text in a pipe, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from xspack_tool.errors import colour_wanted, columns, visible

if TYPE_CHECKING:
    from rich.console import Console
_LINES = "\n\t"
#: As messages call it.
STANDARD_OUTPUT = "standard output"


@contextmanager
def _named() -> Iterator[None]:
    """The system names no file where there is no room in it."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or STANDARD_OUTPUT
        raise


class Output:
    """Prints to one stream. rich is loaded on a terminal only."""

    def __init__(self, stream: TextIO, colour: str = "auto") -> None:
        self._stream = stream
        self.rich = colour_wanted(stream, colour)

    def line(self, text: str = "", style: str = "") -> None:
        """One line, in a rich style such as ``bold red`` on a terminal."""
        if self.rich:
            from rich.text import Text

            self._console.print(Text(visible(text, _LINES), style=style), soft_wrap=True)
        else:
            self._write(f"{visible(text, _LINES)}\n")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under a head line, in columns."""
        clean = [[visible(cell, "\n").replace("\n", " ") for cell in row] for row in rows]
        if self.rich:
            self._rich_table(head, clean)
            return
        for line in columns([head, *clean]):
            self._write(f"{line}\n")

    def json(self, data: Any) -> None:
        """A value as JSON, keys sorted."""
        self._write(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=True) + "\n")

    def text(self, text: str) -> None:
        """A whole document, as it is: it must hold nothing that moves a cursor."""
        self._write(text)

    def flush(self) -> None:
        """Have all of it written."""
        with _named():
            self._stream.flush()

    def _write(self, text: str) -> None:
        with _named():
            self._stream.write(text)

    def _rich_table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for title in head:
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        self._console.print(table)

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(
            file=self._stream, force_terminal=True, no_color=False, highlight=False, emoji=False, markup=False
        )

"""Files that a script writes and runs: ``cat > /tmp/go <<E`` and later ``sh /tmp/go``."""

from __future__ import annotations

from xspack_tool.rules.shell.model import Command
from xspack_tool.rules.shell.streams import output_of


class WrittenFiles:
    """The files whose text a script writes, as far as it is known."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[str, int]] = {}

    def text(self, path: str) -> str:
        """The text of a file; empty where it is not known."""
        return self._texts.get(path, ("", 0))[0]

    def line(self, path: str) -> int:
        """The line of the script in which its text begins."""
        return self._texts.get(path, ("", 0))[1]

    def note(self, command: Command) -> None:
        """Remember what a command writes, in case the script runs it."""
        text = output_of([command], self.text)
        for redirect in command.redirects:
            if redirect.writes and text:
                path = redirect.target.text
                line = next((r.target.line for r in command.redirects if r.operator == "<<"), command.line)
                self._texts[path] = (self.text(path) * (">>" in redirect.operator) + text, line)

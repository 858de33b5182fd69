"""The shell scriptlets of an RPM, read."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from msgspec import Struct

from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rpm.shell_syntax import syntax_error
from xspack_tool.rules.shell.grammar import is_shell
from xspack_tool.rules.shell.model import Script
from xspack_tool.rules.shell.plain import is_plain
from xspack_tool.rules.shell.walk import analyse


class ShellScriptlet(Struct, frozen=True):
    """A scriptlet or trigger whose interpreter is a shell; ``where`` names it as rpm does (``%post``)."""

    phase: str
    interpreter: str
    text: str
    script: Script

    @property
    def where(self) -> str:
        return f"%{self.phase}"

    @property
    def syntax_error(self) -> tuple[int, str] | None:
        """What the shell says against it: line and words. A shell is a process, and most scriptlets need none."""
        return None if is_plain(self.text) else syntax_error(self.text, self.interpreter)


def shell_scriptlets(info: RpmInfo) -> Iterator[ShellScriptlet]:
    """Those of the scriptlets that a shell runs; others (Lua, Python) are left alone."""
    for scriptlet in info.scripts:
        if scriptlet.text.strip() and is_shell(scriptlet.interpreter):
            errexit = any("e" in word for word in scriptlet.interpreter.split()[1:] if word.startswith("-"))
            script = analyse(scriptlet.text, errexit)
            yield ShellScriptlet(scriptlet.phase, scriptlet.interpreter, scriptlet.text, script)


def programs(info: RpmInfo, phase: str) -> frozenset[str]:
    """The base names of the programs that one phase of an RPM runs, its interpreter among them."""
    names = {
        posixpath.basename(scriptlet.interpreter.split()[0])
        for scriptlet in info.scripts
        if scriptlet.phase == phase and scriptlet.interpreter.split()
    }
    for scriptlet in shell_scriptlets(info):
        if scriptlet.phase == phase:
            names |= {command.name for command in scriptlet.script.commands}
    return frozenset(names)

"""Trees of a user's, and SCons run in them: ``from trees import Tree``."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steps import labels
from support import LATE, ROOT

#: SCons in a process of its own; more words follow.
SCONS = (sys.executable, "-m", "SCons", "-Q", f"--site-dir={ROOT / 'site_scons'}")
HEAD = 'env = Environment(tools=["xspack"], XSPACK_LICENSE="MIT", ENV={"PATH": "/usr/bin:/bin"})\n'
_STEP = re.compile(r"^(?P<step>[A-Z]\w+) +(?P<target>\S.*)$")


@dataclass(frozen=True)
class Ran:
    """How a run of SCons ended, and all that it printed."""

    status: int
    said: str

    @property
    def built(self) -> set[str]:
        """The targets that steps of ours made in this run, as printed."""
        found = (_STEP.match(line) for line in self.said.splitlines())
        return {match["target"] for match in found if match and match["step"] in labels()}

    @property
    def mistakes(self) -> list[str]:
        """The lines of the one error that names every mistake."""
        _, head, rest = self.said.partition("scons: *** ")
        return [line.strip() for line in rest.splitlines()[1:] if line.startswith("  ")] if head else []

    def good(self) -> Ran:
        """Itself, if it ended well."""
        assert self.status == 0, self.said
        return self

    def refused(self) -> list[str]:
        """The mistakes, if nothing but them ended it."""
        assert self.status == 2, self.said
        assert "Traceback" not in self.said, self.said
        assert self.built == set(), self.said
        return self.mistakes


def fields(mistakes: list[str]) -> list[str]:
    """Place, target, field and value of each mistake; kinds/mistakes.txt has what is said of them."""
    return [": ".join(mistake.split(": ")[:3]) for mistake in mistakes]


class Tree:
    """A folder with an SConstruct."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path

    def write(self, files: Mapping[str, str | bytes]) -> Tree:
        """Write files below the folder: relative path -> content."""
        for name, content in files.items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def declare(self, text: str, head: str = HEAD) -> Tree:
        """Write the SConstruct: an environment, then ``text``."""
        return self.write({"SConstruct": head + text})

    def scons(self, *args: str, env: Mapping[str, str] | None = None, cwd: str = "") -> Ran:
        """``scons -Q args`` in a child of the process that has SCons loaded."""
        output = self.path.parent / f".{self.path.name}.said"
        request = {
            "cwd": str(self.path / cwd),
            "env": {**os.environ, "XSPACK_VERBOSE": "1", **(env or {})},
            "args": ["-Q", f"--site-dir={ROOT / 'site_scons'}", *args],
            "output": str(output),
        }
        server = _server()
        assert server.stdin and server.stdout
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return Ran(status, output.read_text(errors="replace"))

    def real_scons(
        self, *args: str, env: Mapping[str, str] | None = None, cwd: str = "", within: Sequence[str] = ()
    ) -> Ran:
        """The same with a process of its own; ``within`` are words that it is started by."""
        done = subprocess.run(
            [*within, *SCONS, *args],
            cwd=self.path / cwd,
            env={**os.environ, "XSPACK_VERBOSE": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return Ran(done.returncode, done.stdout.decode(errors="replace"))

    def digest(self, name: str) -> str:
        """The SHA-256 of a file below the folder."""
        return hashlib.sha256((self.path / name).read_bytes()).hexdigest()

    def files(self, folder: str = "") -> set[str]:
        """Everything below the folder but SCons's database, relative to it."""
        top = self.path / folder
        found = (str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir())
        return {name for name in found if not name.startswith(".sconsign")}


@functools.cache
def _server() -> subprocess.Popen[str]:
    """One server a process of pytest, which ends with it."""
    server = subprocess.Popen(
        [sys.executable, ROOT / "tests/scons_server.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[str]) -> None:
    assert server.stdin
    server.stdin.close()
    server.wait(LATE)

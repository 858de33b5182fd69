"""A kit as a worker of a grid: whichever is free and has the properties that were asked for compiles."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
from pathlib import Path

from msgspec import Struct

from xspack_tool.ddk.enclosed import ENVIRONMENT
from xspack_tool.ddk.ssh import slots, tree_problems
from xspack_tool.errors import Problem, StepError
from xspack_tool.grid.connect import (
    LACKING,
    VARIABLES,
    GridMistake,
    Server,
    check_url,
    connect,
    has_libraries,
)
from xspack_tool.grid.execute import TOKEN, GridFailure, Job, execute
from xspack_tool.run import Done, is_stopping

#: The file that holds a token, where the environment does not.
TOKEN_FILE = f"{TOKEN}_FILE"
#: The property by which a job asks for a kit in the state in which it was found.
FACTS_PROPERTY = "kit-facts"
#: $1 script; the others are its arguments. What it reads and writes are files in the job's folder.
_WITH_FILES = 'script=$1; shift; exec /bin/sh -c "$script" xspack "$@" <stdin >stdout'


class GridDdk(Struct, frozen=True):
    """A kit that a grid has: ``platform`` are the properties of its workers. ``tree`` is the kernel build tree there,
    empty for the one that it has. ``jobs`` of ours run there at once, each for at most ``deadline`` seconds with its
    waiting."""

    grid: str
    platform: tuple[tuple[str, str], ...] = ()
    tree: str = ""
    jobs: int = 1
    deadline: int = 3600

    field = "grid"

    def problems(self) -> list[Problem]:
        """All mistakes in it."""
        problems = tree_problems(self.tree, self.jobs)
        try:
            check_url(self.grid, any(os.environ.get(name) for name in (TOKEN, TOKEN_FILE)))
            if has_libraries():
                _server(self.grid, *map(os.environ.get, VARIABLES))
        except GridMistake as mistake:
            rule, _, remedy = str(mistake).partition("; ")
            shown = re.sub(r"//[^/]*@|\?.*", "//", self.grid)
            problems.append(Problem("grid", shown, rule, remedy))
        if not has_libraries():
            needed, _, remedy = LACKING.partition(": ")
            problems.append(Problem("grid", self.grid, needed, remedy))
        if not 0 < self.deadline <= 24 * 3600:
            problems.append(
                Problem(
                    "deadline",
                    self.deadline,
                    "must be a number of seconds up to a day",
                    "leave it out for 3600",
                )
            )
        return problems

    @property
    def name(self) -> str:
        """As messages call it."""
        return " ".join([self.grid, *(f"{name}={value}" for name, value in self.platform if value)])

    @property
    def key(self) -> str:
        """What tells kits apart."""
        return f"grid {self.name} {self.tree}".rstrip()

    def run(self, script: str, arguments: list[str], *, stdin: bytes, what: str, facts: str = "") -> Done:
        """Run a POSIX shell script there. Its status is the caller's to judge."""
        platform = {name: value for name, value in self.platform if value}
        # An empty one leaves it out, for schedulers that know only what their workers say of themselves.
        if facts and dict(self.platform).get(FACTS_PROPERTY) != "":
            platform.setdefault(FACTS_PROPERTY, hashlib.sha256(facts.encode()).hexdigest()[:16])
        job = Job(
            ("/bin/sh", "-c", _WITH_FILES, "xspack", script, *arguments),
            {"stdin": stdin},
            ("stdout",),
            ENVIRONMENT,
            platform,
            cached=bool(facts),
            deadline=self.deadline,
        )
        try:
            with slots(self.key, self.jobs):
                done = execute(
                    _server(self.grid, *map(os.environ.get, VARIABLES)),
                    job,
                    stopping=is_stopping,
                    waiting=lambda: self._tell_waiting(what),
                )
        except GridFailure as failure:
            raise StepError(f"{what}: {self.name}: {failure}") from None
        out = done.files.get("stdout", b"").decode(errors="replace")
        return Done(done.status, out, done.err.decode(errors="replace"))

    def _tell_waiting(self, what: str) -> None:
        sys.stderr.write(f"xspack: {what}: {self.name}: it waits for a worker\n")


@functools.cache
def _server(url: str, *environment: str | None) -> Server:
    """A connection by what the environment says of it."""
    return connect(url, _token, os.environ)


def _token() -> str:
    if token := os.environ.get(TOKEN):
        return token
    if not (file := os.environ.get(TOKEN_FILE)):
        return ""
    try:
        return Path(file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        sys.stderr.write(f"xspack: {TOKEN_FILE}: {file} cannot be read\n")
        return ""

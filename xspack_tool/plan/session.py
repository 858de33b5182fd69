"""What has been declared in this run of SCons, and the gate between reading and building."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import SCons.Defaults
import SCons.Node.FS
import SCons.Script.Main
from SCons.Errors import UserError
from SCons.Node import Node

from xspack_tool.errors import DeclarationError, Place, Problem
from xspack_tool.plan.schedule import schedule_promptly
from xspack_tool.run import missing_program

if TYPE_CHECKING:
    from xspack_tool.rules.registry import Rule
    from xspack_tool.rules.report import Report

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SCONS = os.path.dirname(os.path.dirname(os.path.abspath(SCons.Node.FS.__file__)))


@dataclass
class Session:
    """All declarations of one run, whichever environment or SConscript they came from."""

    problems: list[Problem] = field(default_factory=list)
    #: Output file, or folder of a pack -> who declared it.
    outputs: dict[str, Problem] = field(default_factory=dict)
    uuids: dict[str, Problem] = field(default_factory=dict)
    #: (XSPACK_OUT, base name) -> the public key file of that name.
    keys: dict[tuple[str, str], Node] = field(default_factory=dict)
    #: What is done once a run.
    seen: set[str] = field(default_factory=set)
    #: Programs that the build needs -> what for.
    programs: dict[str, str] = field(default_factory=dict)
    #: Whether each of them was there when it was first asked for.
    present: dict[str, bool] = field(default_factory=dict)
    #: Checks that only make sense when everything was read.
    checks: list[Callable[[], list[Problem]]] = field(default_factory=list)
    #: Rules that the user added.
    rules: list[Rule] = field(default_factory=list)
    #: The findings file of every pack, the ISO that waits for each, and the reports of this run by label.
    findings: list[Node] = field(default_factory=list)
    isos: dict[Node, Node] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    #: Runs before building begins, and when it has ended, well or not.
    at_start: list[Callable[[], None]] = field(default_factory=list)
    at_end: list[Callable[[], None]] = field(default_factory=list)
    #: Whether SCons has written down what this run built.
    recorded: bool = False

    def claim_output(self, node: Node, place: Place, target: str) -> list[Problem]:
        """Note that ``target`` makes ``node``; a Problem if another declaration makes it already."""
        if not isinstance(node, SCons.Node.FS.File):
            return [
                Problem("target", str(node), "a folder, where a file is wanted", "name a file", place, target)
            ]
        path = node.get_abspath()
        problem = Problem("target", _relative(path), "", "rename one of them", place, target)
        return self._claim(self.outputs, path, problem)

    def claim_uuid(self, uuid: str, place: Place, target: str) -> list[Problem]:
        """Note that a pack has this uuid; a Problem if another has it."""
        remedy = "make a new one: a uuid stands for one version of one pack"
        return self._claim(self.uuids, uuid, Problem("uuid", uuid, "", remedy, place, target))

    def claim_label(self, folder: str, label: str, place: Place, target: str) -> list[Problem]:
        """Note that a pack of this label keeps its files in ``folder``; a Problem if another does."""
        remedy = "choose another label, or set another XSPACK_OUT"
        return self._claim(self.outputs, folder, Problem("label", label, "", remedy, place, target))

    def _claim(self, table: dict[str, Problem], key: str, claim: Problem) -> list[Problem]:
        first = table.setdefault(key, claim)
        if first is claim:
            return []
        return [replace(claim, rule=f"already taken by {first.target} at {first.place}")]

    def first_time(self, what: str) -> bool:
        """Whether ``what`` is asked for the first time in this run."""
        known = what in self.seen
        self.seen.add(what)
        return not known

    def need(self, program: str, what: str) -> bool:
        """Note that ``program`` will be started; whether it is there."""
        if program not in self.programs:
            self.programs[program] = what
            self.present[program] = missing_program(program) is None
        return self.present[program]

    def all_problems(self) -> list[Problem]:
        """Everything that stands against building."""
        found = [*self.problems, *(problem for check in self.checks for problem in check())]
        # To remove files takes none of them.
        programs = {} if SCons.Script.GetOption("clean") else self.programs
        for program, what in programs.items():
            if lacking := missing_program(program):
                found.append(Problem("", "", lacking, f"it is needed for {what}"))
        # One declaration may be read for several kits or releases.
        return [problem for at, problem in enumerate(found) if problem not in found[:at]]


_session = Session()


def session() -> Session:
    """The session of this process."""
    return _session


def install_gate() -> None:
    """Have every mistake shown together after reading and before building; `scons -h` still works.

    SCons offers no hook there, so its own function that begins the build is wrapped, once.
    """
    if not _session.first_time("gate"):
        return
    # What is read stays until the end: Python's collector would look through it again and again, a tenth of a build
    # with nothing to do.
    gc.set_threshold(500_000)
    build_targets = SCons.Script.Main._build_targets

    def gated(*args: Any, **kwargs: Any) -> Any:
        problems = _session.all_problems()
        if problems:
            sys.stderr.write(f"scons: *** {DeclarationError(problems)}\n")
            raise SystemExit(2)
        for prepare in _session.at_start:
            prepare()
        # SCons asks it for a CacheDir in its worker threads. Two of them would make it at once, and find tools that
        # are loaded by half; after reading, nothing needs its tools.
        SCons.Defaults.DefaultEnvironment(tools=[])
        gc.freeze()
        schedule_promptly()
        try:
            nodes = build_targets(*args, **kwargs)
            _session.recorded = True
            return nodes
        finally:
            for finish in _session.at_end:
                finish()

    SCons.Script.Main._build_targets = gated


def user_place() -> Place:
    """The line of the user's file that is being read: the innermost frame that is neither ours nor SCons's."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        if not file.startswith((_OURS, _SCONS)) and not file.startswith("<"):
            break
        frame = frame.f_back
    return Place(_relative(frame.f_code.co_filename), frame.f_lineno)


def _relative(path: str) -> str:
    top = SCons.Node.FS.get_default_fs().Top.get_abspath()
    return os.path.relpath(path, top) if os.path.isabs(path) and path.startswith(top + os.sep) else path


def refuse(message: str) -> UserError:
    """A mistake after which reading cannot go on."""
    return UserError(f"{user_place()}: {message}")

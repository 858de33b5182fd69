"""What has been declared in this run of SCons, and all else that is known of the run."""

from __future__ import annotations

import functools
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import SCons.Defaults
import SCons.Node.FS
import SCons.Script
from msgspec import Struct, field
from msgspec.structs import replace
from SCons.Errors import UserError
from SCons.Node import Node

from xspack_tool.errors import Place, Problem
from xspack_tool.plan.node_record import own_record, record_of
from xspack_tool.plan.workers import Workers
from xspack_tool.run import missing_program

if TYPE_CHECKING:
    from pathlib import Path

    from xspack_tool.cache.store import Store
    from xspack_tool.model.profile import Profile
    from xspack_tool.plan.cache import Keys
    from xspack_tool.plan.cache_settings import CacheSettings
    from xspack_tool.plan.outputs import Journal
    from xspack_tool.plan.read_cache import ReadCache
    from xspack_tool.rules.registry import Rule
    from xspack_tool.rules.report import Report

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SCONS = os.path.dirname(os.path.dirname(os.path.abspath(SCons.Node.FS.__file__)))


class Declaration(Struct, eq=False):
    """A declaration, and every reason why it cannot be built.

    A mistake stops what needs its declaration, and nothing else: the nodes of a declaration have it in
    their records.
    """

    target: str = ""
    place: Place | None = None
    #: Mistakes that are known while reading, and checks that only make sense when everything was read.
    problems: list[Problem] = field(default_factory=list)
    checks: list[Callable[[], list[Problem]]] = field(default_factory=list)
    #: Programs that building it needs -> what for.
    programs: dict[str, str] = field(default_factory=dict)
    #: Faulty declarations that it needs: it is faulty with them.
    needs: list[Node] = field(default_factory=list)
    #: Whether its nodes must not be built though others are (``-k``).
    refused: bool = False

    def all_problems(self) -> list[Problem]:
        """Every reason why it cannot be built, once all SConscripts were read."""
        late = [problem for check in self.checks for problem in check()]
        found = [*self.problems, *(problem.at(self.place, self.target) for problem in late)]
        for program, what in self.programs.items():
            if lacking := missing_program(program):
                found.append(Problem("", "", lacking, f"it is needed for {what}"))
        return found


class Session(Struct):
    """All declarations of one run, whichever environment or SConscript they came from."""

    #: Problems of no declaration: nothing of xspack is built while there is one.
    general: Declaration = field(default_factory=Declaration)
    declarations: list[Declaration] = field(default_factory=list)
    #: The declarations that are being read, the innermost last.
    reading: list[Declaration] = field(default_factory=list)
    #: The environments that have the tool, and where they were made.
    environments: list[tuple[Any, Place]] = field(default_factory=list)
    #: Output file, or folder of a pack -> who declared it.
    outputs: dict[str, Problem] = field(default_factory=dict)
    uuids: dict[str, Problem] = field(default_factory=dict)
    #: (XSPACK_OUT, base name) -> the public key file of that name.
    keys: dict[tuple[str, str], Node] = field(default_factory=dict)
    #: The keyrings of such keys, with what is known of each, for who reads its file or signs with it.
    known_keys: list[tuple[Path | None, dict[str, Any]]] = field(default_factory=list)
    #: Functions that later steps call first, by name, with their arguments; see plan/ahead.py.
    ahead: list[tuple[Any, ...]] = field(default_factory=list)
    #: (alias, label of a pack, its nodes): aliases that are made where the user made none.
    aliases: list[tuple[str, str, list[Node]]] = field(default_factory=list)
    #: Tells the nodes of faulty declarations apart.
    numbers: Iterator[int] = field(default_factory=itertools.count)
    #: What is done once a run.
    seen: set[str] = field(default_factory=set)
    #: Whether each program was there when it was first asked for.
    present: dict[str, bool] = field(default_factory=dict)
    #: Rules that the user added.
    rules: list[Rule] = field(default_factory=list)
    #: The findings file of every pack with whether W findings count, the ISO that waits for each, and the reports of
    #: this run by their files.
    findings: dict[Node, bool] = field(default_factory=dict)
    #: Those of them that `scons check` reports.
    checked: list[Node] = field(default_factory=list)
    isos: dict[Node, Node] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    #: Of which of these the line of the finished pack has told the counts.
    told: set[str] = field(default_factory=set)
    #: Label and RPM (empty: the pack itself) -> where it was declared, for those who read findings.
    declared: dict[tuple[str, str], Place] = field(default_factory=dict)
    #: First target of each step that ran -> when it began and ended, in seconds of a clock that only this run knows,
    #: and why. It tells people (plan/report.py); no output depends on it.
    ran: dict[Node, tuple[float, float, str]] = field(default_factory=dict)
    #: Large outputs that were read while they were made -> SCons's digest, and inode, size and time then.
    hashed: dict[str, tuple[str, list[int]]] = field(default_factory=dict)
    #: Runs when everything was read, before building begins, and when it has ended, well or not.
    when_read: list[Callable[[], None]] = field(default_factory=list)
    at_start: list[Callable[[], None]] = field(default_factory=list)
    at_end: list[Callable[[], None]] = field(default_factory=list)
    #: What SCons was asked for, once everything was read.
    asked: list[Node] = field(default_factory=list)
    #: Every folder that is XSPACK_OUT for some declaration.
    folders: set[str] = field(default_factory=set)
    #: XSPACK_OUT -> the journal of what was built there; and by (XSPACK_OUT as written, folder of the SConscript).
    journals: dict[str, Journal] = field(default_factory=dict)
    journals_by_place: dict[tuple[str, Any], Journal] = field(default_factory=dict)
    #: File of a cache of reading -> its entries; and by (folder as written, folder of the SConscript).
    read_caches: dict[str, ReadCache] = field(default_factory=dict)
    read_caches_by_place: dict[tuple[str, Any], ReadCache] = field(default_factory=dict)
    #: URL of a shared cache -> its client, None where it cannot be used; and the keys that count for a folder.
    cache_stores: dict[str, Store | None] = field(default_factory=dict)
    cache_keys: dict[tuple[str, CacheSettings], Keys | None] = field(default_factory=dict)
    #: Name, or path, of a dom0 profile -> what it says.
    profiles: dict[str, Profile] = field(default_factory=dict)
    #: compile_commands.json of an XSPACK_OUT -> that of each driver below it.
    compile_commands: dict[str, list[Path]] = field(default_factory=dict)
    #: Program -> what it says its version is.
    tool_versions: dict[str, str] = field(default_factory=dict)
    #: The same of several programs and libraries at once, by their names.
    versions: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)
    #: (function, its arguments) -> what :func:`once_a_run` keeps.
    results: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    #: The processes that do steps beside this one.
    workers: Workers = field(default_factory=Workers)
    #: Whether SCons has written down what this run built.
    recorded: bool = False

    @property
    def current(self) -> Declaration:
        """The declaration that is being read; else the one that stands for all of ours."""
        return self.reading[-1] if self.reading else self.general

    @property
    def problems(self) -> list[Problem]:
        """The mistakes of what is being read."""
        return self.current.problems

    @property
    def checks(self) -> list[Callable[[], list[Problem]]]:
        """The late checks of what is being read."""
        return self.current.checks

    @contextmanager
    def declaring(self, target: str, place: Place) -> Iterator[Declaration]:
        """What is found within belongs to one declaration."""
        declaration = Declaration(target, place)
        self.declarations.append(declaration)
        self.reading.append(declaration)
        try:
            yield declaration
        finally:
            self.reading.pop()

    def claim_output(self, node: Node, place: Place, target: str) -> list[Problem]:
        """Note that ``target`` makes ``node``; a Problem if another declaration makes it already."""
        if not isinstance(node, SCons.Node.FS.File):
            return [
                Problem("target", str(node), "must be a file, not a folder", "name a file", place, target)
            ]
        path = node.get_abspath()
        problem = Problem("target", _relative(path), "", "rename one of them", place, target)
        return self._claim(self.outputs, path, problem)

    def claim_uuid(self, uuid: str, place: Place, target: str) -> list[Problem]:
        """Note that a pack has this uuid; a Problem if another has it."""
        remedy = "make a new one: a uuid stands for one version of one pack"
        return self._claim(self.uuids, uuid, Problem("uuid", uuid, "", remedy, place, target))

    def claim_variant(self, place: str, declared: Place, target: str) -> list[Problem]:
        """Note that ``target`` is the variant in this folder; a Problem if another is."""
        remedy = "give one of them another version: driver-tool selects by the driver's name and that folder"
        return self._claim(self.outputs, place, Problem("version", place, "", remedy, declared, target))

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
        self.current.programs.setdefault(program, what)
        if program not in self.present:
            self.present[program] = missing_program(program) is None
        return self.present[program]


_session = Session()
_Function = TypeVar("_Function", bound=Callable[..., Any])


def session() -> Session:
    """The session of this process."""
    return _session


def once_a_run(function: _Function) -> _Function:
    """A function that reads files or the environment once in this run, for each of its arguments."""

    @functools.wraps(function)
    def kept(*given: Any) -> Any:
        results, key = session().results, (function, *given)
        if key not in results:
            results[key] = function(*given)
        return results[key]

    return cast(_Function, kept)


def belong(nodes: Any, declaration: Declaration) -> Any:
    """The nodes, as made by a declaration."""
    for node in nodes:
        known = record_of(node).declarations
        own_record(node).declarations = (*known, declaration)
    return nodes


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

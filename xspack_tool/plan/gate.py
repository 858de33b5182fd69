"""The gate between reading and building: every mistake of what was asked for is shown before anything is built."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import SCons.Defaults
import SCons.Node.FS
import SCons.Script

from xspack_tool.errors import DeclarationError, Problem
from xspack_tool.plan.ahead import loading_for_packs
from xspack_tool.plan.asked import asked_nodes, may_be_older, reached
from xspack_tool.plan.node_record import record_of
from xspack_tool.plan.outputs import made_before
from xspack_tool.plan.progress import progress_line
from xspack_tool.plan.schedule import schedule_with
from xspack_tool.plan.scons import (
    check_scons,
    end_with,
    interrupt_by,
    note_quickly,
    record_in_words,
    wrap_build,
)
from xspack_tool.plan.session import Declaration, session
from xspack_tool.plan.step import make_targets
from xspack_tool.run import ask_to_stop

#: Faulty declarations, with what is wrong with each.
Wrong = dict[Declaration, list[Problem]]


def install_gate() -> None:
    """Have every mistake of what was asked for shown together after reading and before building; `scons -h` still
    works.

    SCons offers no hook there, so its own function that begins the build is wrapped, once.
    """
    if session().first_time("gate"):
        check_scons()
        is_recorded = record_in_words()
        note_quickly()

        def gated(build: Callable[[], Any], options: Any, targets: Any, target_top: Any) -> Any:
            for finish in session().when_read:
                finish()
            # Also where none counts: sources that are known late are found by checks.
            problems = _problems()
            session().asked = asked_nodes(options, targets, target_top)
            wrong = {} if SCons.Script.GetOption("clean") else problems
            return _build(build, wrong, _refused(wrong), is_recorded)

        wrap_build(gated)


def _refused(wrong: Wrong) -> list[Declaration]:
    """Those of the faulty declarations that are needed for what was asked for. They end the run, or, with ``-k``, are
    shown and not built."""
    asked = _asked_for(wrong)
    if asked:
        text = str(DeclarationError(_once(asked, wrong)))
        if not SCons.Script.GetOption("keep_going"):
            sys.stderr.write(f"scons: *** {text}\n")
            raise SystemExit(2)
        sys.stderr.write(f"scons: *** {text.replace('nothing was built', 'the rest is built', 1)}\n")
    for declaration in asked:
        declaration.refused = True
    return asked


def _build(
    build: Callable[[], Any], wrong: Wrong, refused: list[Declaration], is_recorded: Callable[[], bool]
) -> Any:
    """SCons's own build, with what is prepared before it and done after it."""
    run = session()
    for prepare in run.at_start:
        prepare()
    # SCons asks it for a CacheDir in its worker threads. Two of them would make it at once, and find tools that
    # are loaded by half; after reading, nothing needs its tools.
    SCons.Defaults.DefaultEnvironment(tools=[])
    gc.freeze()
    schedule_with(run.workers)
    interrupt_by(_stop)
    run.workers.start([node for journal in run.journals.values() for node in journal.nodes], make_targets)
    try:
        makes_packs = run.workers and not run.isos.keys().isdisjoint(reached(run.asked))
        with progress_line(run.asked), loading_for_packs() if makes_packs else nullcontext():
            nodes = build()
        run.recorded = is_recorded()
        return nodes
    finally:
        run.workers.end()
        if refused:
            end_with(2)
        for finish in run.at_end:
            finish()
        _tell_of_others({one: problems for one, problems in wrong.items() if one not in refused})
        # What is left goes with the process: to look through it for cycles takes a twentieth of a build with nothing
        # to do.
        gc.freeze()


def _stop() -> None:
    ask_to_stop()
    session().workers.ask_to_stop()


def _problems() -> Wrong:
    """The declarations that cannot be built, with their problems."""
    every = [session().general, *session().declarations]
    found = {declaration: declaration.all_problems() for declaration in every}
    return {declaration: problems for declaration, problems in found.items() if problems}


def _asked_for(wrong: Wrong) -> list[Declaration]:
    """Those of the faulty declarations that are needed for what SCons was asked for."""
    if not wrong:
        return []
    older = {path for folder in session().folders for path in made_before(folder)}
    needed: set[Declaration] = set()
    for node in reached(session().asked):
        declared = record_of(node).declarations
        if not declared and may_be_older(node, older, session().folders):
            return list(wrong)  # what a declaration made that is faulty now, or would make, may be meant
        needed.update(declared)
    if needed or SCons.Node.FS.get_default_fs().Top in session().asked:
        needed.add(session().general)
    return [declaration for declaration in wrong if declaration in needed]


def _once(declarations: list[Declaration], wrong: Wrong) -> list[Problem]:
    """Their problems; one declaration may be read for several kits or releases."""
    found: list[Problem] = []
    for problem in (problem for declaration in declarations for problem in wrong[declaration]):
        # A program that several of them need is asked for once.
        same = (one for one in found if one == problem or (not one.place and one.rule == problem.rule))
        if not any(same):
            found.append(problem)
    return found


def _tell_of_others(wrong: Wrong) -> None:
    """One line for what is wrong and was not asked for: by its declaration, or by what is wrong with no declaration."""
    named = [declaration.target or problems[0].rule for declaration, problems in wrong.items()]
    if named:
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        sys.stderr.write(f"xspack: not asked for, and not right: {named[0]}{more}\n")

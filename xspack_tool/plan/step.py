"""A step: how one node of ours, or a few together, come to be; its SCons builder and signature."""

from __future__ import annotations

import functools
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import SCons.Script
from SCons.Action import FunctionAction
from SCons.Builder import Builder
from SCons.Errors import BuildError
from SCons.Node import Node

from xspack_tool.errors import XspackError
from xspack_tool.model.canonical import canonical
from xspack_tool.plan.cache_settings import check_settings
from xspack_tool.plan.content import trust_unchanged
from xspack_tool.plan.outputs import journal_of, remove, temporaries
from xspack_tool.rpm.stage import normal_mode

#: Raised when the bytes of some output change for equal inputs: everything is rebuilt once.
FORMAT = "xspack 2"

Paths = Sequence[Path]


@dataclass(frozen=True)
class Step:
    """What makes a target: ``perform(targets, sources)`` with the paths of both, after their order in SCons.

    ``facts`` is everything besides the sources' content on which the result depends (frozen dataclasses,
    lists, dicts, texts, numbers: see model/canonical.py). With ``modes`` the sources' modes count, too: all of
    them, or those with these numbers.
    """

    name: str
    facts: Any
    perform: Callable[[Paths, Paths], None] = field(compare=False)
    modes: bool | frozenset[int] = False

    @functools.cached_property
    def canonical(self) -> str:
        """The facts as one line."""
        return canonical(self.facts)

    @property
    def signature(self) -> str:
        """What a target of this step depends on besides its sources."""
        return f"{FORMAT}\0{self.name}\0{self.canonical}"


def step_of(node: Node) -> Step:
    """The step that was planned for a node."""
    step: Step = node.attributes.xspack_step
    return step


class StepAction(FunctionAction):
    """The one action of all steps. It finds the step on its first target, so that the signature holds what
    was declared and never byte code, closures or paths."""

    def __init__(self) -> None:
        super().__init__(_perform, {"cmdstr": None, "varlist": ()})

    def get_presig(self, target: Any, source: Any, env: Any, executor: Any = None) -> bytes:
        step = step_of(target[0])
        text = step.signature
        if step.modes:
            text += "\0" + "".join(map(_mode, _with_mode(step, source)))
        return text.encode()

    def genstring(self, target: Any, source: Any, env: Any, executor: Any = None) -> str:
        """The declaration, out of which --debug=explain reads what changed. SCons asks for it in every build."""
        step = step_of(target[0])
        modes = [f"mode of {node} = {_mode(node)}" for node in _with_mode(step, source)]
        return "\n".join([step.name, step.canonical, *modes])

    def strfunction(self, target: Any, source: Any, env: Any, executor: Any = None) -> str:
        """What is printed while building."""
        return f"{step_of(target[0]).name:<10} {target[0]}"


def _with_mode(step: Step, source: Sequence[Node]) -> list[Node]:
    """The sources whose modes count."""
    if isinstance(step.modes, frozenset):
        return [node for number, node in enumerate(source) if number in step.modes]
    return list(source) if step.modes else []


def _mode(node: Node) -> str:
    """``x`` for a source that is shipped as executable; special modes in full."""
    found = node.rfile().stat()  # SCons keeps it, and asks anew once it built the file
    if found is None:
        return "?"
    mode = normal_mode(stat.S_IMODE(found.st_mode))
    return {0o644: "-", 0o755: "x"}.get(mode, f"{mode:o},")


def _perform(target: Any, source: Any, env: Any) -> BuildError | None:
    step = step_of(target[0])
    targets = [Path(node.get_abspath()) for node in target]
    try:
        target[0].attributes.xspack_journal.begin()
        for path in targets:
            path.parent.mkdir(parents=True, exist_ok=True)
        step.perform(targets, [Path(node.get_abspath()) for node in source])
        why = next((f"{step.name} made no {path.name}" for path in targets if not path.is_file()), "")
    except XspackError as error:
        why = str(error)
    except OSError as error:
        why = f"{step.name}: {error.filename or targets[0].name}: {error.strerror or error}"
    except (KeyboardInterrupt, SystemExit):
        # Raised inside a thread of SCons, either would hang -j2.
        why = f"{step.name} was interrupted"
    if not why:
        return None
    for path in targets:
        remove(*temporaries(str(path)))
    return BuildError(target, why)


_BUILDER = Builder(action=StepAction())


def add_step(
    env: Any, targets: Sequence[Any], sources: Sequence[Any], step: Step, *, cached: bool = True
) -> list[Node]:
    """Make the nodes of a step. A target is never deleted before its new content is there (Precious);
    with ``cached`` False it is never put into a CacheDir."""
    nodes: list[Node] = _BUILDER(env, target=list(targets), source=list(sources))
    check_settings(env)
    journal = journal_of(env)
    journal.nodes += nodes
    for node in nodes:
        node.attributes.xspack_step, node.attributes.xspack_journal = step, journal
        if SCons.Script.GetOption("clean"):
            env.Clean(node, temporaries(node.get_abspath()))
        node.set_precious()
        trust_unchanged(node)
        if not cached:
            node.set_nocache()
    return nodes

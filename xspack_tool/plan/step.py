"""A step: how one node of ours, or a few together, come to be; its SCons builder and signature."""

from __future__ import annotations

import functools
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import SCons.Script
from msgspec import Struct
from msgspec.structs import replace
from SCons.Action import FunctionAction
from SCons.Builder import Builder
from SCons.Errors import BuildError
from SCons.Node import Node

from xspack_tool.errors import XspackError, system_words
from xspack_tool.model.canonical import canonical
from xspack_tool.plan.cache_settings import check_settings
from xspack_tool.plan.explain import why_built
from xspack_tool.plan.node_record import own_record, planned_of, record_of
from xspack_tool.plan.output_states import trust_unchanged
from xspack_tool.plan.outputs import Journal, journal_of, remove, temporaries
from xspack_tool.plan.progress import on_terminal
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import is_on
from xspack_tool.plan.tools import version_of
from xspack_tool.rpm.stage import normal_mode
from xspack_tool.run import is_stopping

#: Raised when the bytes of outputs of all steps change for equal inputs: everything is rebuilt once.
FORMAT = "xspack 3"


class Named:
    """The inputs or the outputs of a step by name: each one thing, a tuple of several, or a dict."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        """Called for a name that is not there."""
        raise AttributeError(f"the step has no {name!r}, only {', '.join(self.__dict__) or 'nothing'}")


class Step(Struct, frozen=True):
    """What makes targets. Its fields are everything besides the content of the inputs on which the outputs depend
    (frozen Structs, lists, dicts, texts, numbers: see model/canonical.py); all of them are in its key. A field may
    be a function, which tells its value once everything was read.
    """

    #: The word that is printed for it.
    label: ClassVar[str]
    #: Where a line tells that it runs: ``terminal`` for what people see of a package, ``always`` for what they hand on;
    #: everything else is printed with XSPACK_VERBOSE alone.
    shown: ClassVar[str] = ""
    #: Whether its output is as large as its inputs together.
    copies: ClassVar[bool] = False
    #: Whether it waits, most of its time, for another program that does one thing at a time: not one of the jobs of -j.
    waits: ClassVar[bool] = False
    #: Raised when the bytes of its outputs change for equal inputs.
    version: ClassVar[int] = 1
    #: Programs and Python distributions whose results are in the outputs; their versions are in the key.
    uses: ClassVar[tuple[str, ...]] = ()
    #: The names of the inputs whose modes count, too.
    modes: ClassVar[tuple[str, ...]] = ()
    #: The names of the fields that say where or how fast it works: nothing of them reaches its outputs.
    unkeyed: ClassVar[tuple[str, ...]] = ()

    def run(self, inputs: Named, outputs: Named) -> None:
        """Make the outputs. Both have paths by the names that were given to :func:`add_step`."""
        raise NotImplementedError

    def found(self) -> str:
        """What else the outputs depend on, known only when the inputs were built: folders whose files have no names."""
        return ""

    def explained(self) -> str:
        """What --debug=explain says of it when it is built for the first time."""
        return ""

    def is_apart(self) -> bool:
        """Whether another process may do it (plan/workers.py): its work is Python's, it leaves nothing but its outputs,
        and calls nothing of the user's."""
        return False

    def is_brief(self) -> bool:
        """Whether it takes Python's time alone, and little of it where its inputs are small (plan/schedule.py)."""
        return self.is_apart()

    def used(self) -> tuple[str, ...]:
        """:attr:`uses`, or those of this very step."""
        return self.uses

    @classmethod
    def keyed(cls) -> Iterator[str]:
        """The names of the fields that are in the key."""
        return (name for name in cls.__struct_fields__ if name not in cls.unkeyed)


class Planned(Struct, frozen=True, dict=True):
    """A step with its targets and sources, as SCons knows them: in the record of each target.

    ``inputs`` and ``outputs`` are the numbers that stand in SCons's lists for what has a name.
    """

    step: Step
    nodes: Sequence[Node]
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    with_mode: frozenset[int]
    versions: Mapping[str, str]
    journal: Journal

    @functools.cached_property
    def key(self) -> str:
        """What the targets depend on besides the content and the modes of the sources, as one line of JSON."""
        values = {name: getattr(self.step, name) for name in self.step.keyed()}
        fields = {name: value() if callable(value) else value for name, value in values.items()}
        return canonical(
            {
                **fields,
                "inputs": _short(self.inputs),
                "outputs": _short(self.outputs),
                "step": self.step.version,
                "versions": self.versions,
            }
        )

    @functools.cached_property
    def is_settled(self) -> bool:
        """Whether each target is as it was built or was removed. In a run that only looks none is removed."""
        left = [node for node in self.nodes if not self.journal.settle(node)]
        return not left

    @property
    def signature(self) -> str:
        """The key with all that is the same for every step of its kind."""
        return f"{FORMAT}\0{self.step.label}\0{self.key}"


class StepAction(FunctionAction):
    """The one action of all steps. It finds the step on its first target, so that the signature holds what
    was declared and never byte code, closures or paths."""

    def __init__(self) -> None:
        super().__init__(_perform, {"cmdstr": None, "varlist": ()})

    def get_presig(self, target: Any, source: Any, env: Any, executor: Any = None) -> bytes:
        planned = planned_of(target[0])
        text = planned.signature
        # SCons asks for this before it looks at the targets themselves.
        if not planned.is_settled:
            text += "\0damaged"
        if planned.with_mode:
            text += "\0" + "".join(map(_mode, _with_mode(planned, source)))
        if state := planned.step.found():
            text += "\0" + state
        return text.encode()

    def genstring(self, target: Any, source: Any, env: Any, executor: Any = None) -> str:
        """The declaration, out of which --debug=explain reads what changed. SCons asks for it in every build."""
        planned = planned_of(target[0])
        modes = [f"mode of {node} = {_mode(node)}" for node in _with_mode(planned, source)]
        found = planned.step.found()
        return "\n".join(
            [planned.step.label, planned.key, *modes, *([f"folders = {found}"] if found else [])]
        )

    def strfunction(self, target: Any, source: Any, env: Any, executor: Any = None) -> str:
        """What is printed while building, or with ``-n`` instead: a line for each package, or for each step. In a log
        packs alone have one, which tells what was made (plan/pack.py)."""
        step = planned_of(target[0]).step
        told = step.shown == "always" or (step.shown and (on_terminal() or SCons.Script.GetOption("no_exec")))
        return f"{step.label:<10} {target[0]}" if told or is_on(env, "XSPACK_VERBOSE") else ""


def _with_mode(planned: Planned, source: Sequence[Node]) -> list[Node]:
    """The sources whose modes count."""
    return [node for number, node in enumerate(source) if number in planned.with_mode]


def _mode(node: Node) -> str:
    """``x`` for a source that is shipped as executable; special modes in full."""
    found = node.rfile().stat()  # SCons keeps it, and asks anew once it built the file
    if found is None:
        return "?"
    mode = normal_mode(stat.S_IMODE(found.st_mode))
    return {0o644: "-", 0o755: "x"}.get(mode, f"{mode:o},")


def _perform(target: Any, source: Any, env: Any) -> BuildError | None:
    planned = planned_of(target[0])
    label, targets = planned.step.label, [node.get_abspath() for node in target]
    if any(one.refused for one in record_of(target[0]).declarations):
        return BuildError(target, "its declaration is faulty, see above")
    begun, why_now = time.monotonic(), why_built(target[0])
    try:
        planned.journal.begin()
        why = session().workers.make(target[0], make_targets)
    except OSError as error:
        why = _words(label, error, target[0])
    if not why:
        lacking = (os.path.basename(path) for path in targets if not os.path.isfile(path))
        why = next((f"{label} made no {name}" for name in lacking), "")
        # From a terminal every program gets the signal, too: what one answered then, however it ended, is no answer.
        if is_stopping():
            why = f"{label} was interrupted"
            remove(*targets)
    session().ran[target[0]] = (begun, time.monotonic(), why_now)
    if not why:
        return None
    for path in targets:
        remove(*temporaries(path))
    return BuildError(target, why)


def make_targets(node: Node) -> str:
    """Have the step of a node make its targets, in this process; why it could not, in words."""
    planned, executor = planned_of(node), node.get_executor()
    label = planned.step.label
    targets, sources = _paths(executor.get_all_targets()), _paths(executor.get_all_sources())
    try:
        for path in targets:
            path.parent.mkdir(parents=True, exist_ok=True)
        planned.step.run(_named(planned.inputs, sources), _named(planned.outputs, targets))
    except XspackError as error:
        return str(error)
    except OSError as error:
        return _words(label, error, node)
    except (KeyboardInterrupt, SystemExit):
        # Raised inside a thread of SCons, either would hang -j2.
        return f"{label} was interrupted"
    return ""


def _paths(nodes: Sequence[Node]) -> list[Path]:
    return [Path(node.get_abspath()) for node in nodes]


def _words(label: str, error: OSError, node: Node) -> str:
    return f"{label}: {error.filename or node}: {system_words(error)}"


_BUILDER = Builder(action=StepAction())


def add_step(
    env: Any,
    step: Step,
    *,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    cached: bool = True,
) -> Named:
    """Make the nodes of a step, which come back under the names of its outputs.

    Inputs and outputs are nodes by name: one, a list, or a dict; a node may stand under several names. A target is
    never deleted before its new content is there (Precious); with ``cached`` False it is never put into a CacheDir.
    """
    sources, targets = _Numbers(), _Numbers()
    by_name = {name: sources.of(value) for name, value in inputs.items()}
    made_by_name = {name: targets.of(value) for name, value in outputs.items()}
    with_mode = _with_mode_of(step, by_name)
    nodes: list[Node] = _BUILDER(env, target=list(targets.nodes), source=list(sources.nodes))
    check_settings(env)
    journal = journal_of(env)
    journal.nodes += nodes
    planned = Planned(step, nodes, by_name, made_by_name, with_mode, _versions(env, step), journal)
    for node in nodes:
        own_record(node).step = planned
        if SCons.Script.GetOption("clean"):
            env.Clean(node, temporaries(node.get_abspath()))
        node.set_precious()
        trust_unchanged(node)
        if not cached:
            node.set_nocache()
    return _named(made_by_name, nodes)


def replace_step(node: Node, step: Step, inputs: Mapping[str, Any]) -> None:
    """Have a node made by another step of its kind, of other inputs, among them those it had. For the time after
    reading, before building."""
    executor = node.get_executor()
    sources = _Numbers(executor.get_sources())
    by_name = {name: sources.of(value) for name, value in inputs.items()}
    executor.add_sources(list(sources.nodes))
    with_mode = _with_mode_of(step, by_name)
    versions = _versions(node.get_env(), step)
    planned = replace(planned_of(node), step=step, inputs=by_name, with_mode=with_mode, versions=versions)
    for target in executor.get_all_targets():
        target.add_source(list(sources.nodes))
        own_record(target).step = planned


def _versions(env: Any, step: Step) -> dict[str, str]:
    """The versions of what writes the outputs."""
    names, known = ("xspack", *step.used()), session().versions
    if names not in known:
        known[names] = {name: version_of(env, name) for name in names}
    return known[names]


def _with_mode_of(step: Step, inputs: Mapping[str, Any]) -> frozenset[int]:
    return frozenset(n for name in step.modes if name in inputs for n in _flat(inputs[name]))


class _Numbers:
    """Things in a list, each once, and the numbers that they have in it."""

    def __init__(self, first: Iterable[Any] = ()) -> None:
        self.nodes: dict[Any, int] = {}
        for node in first:
            self.of(node)

    def of(self, value: Any) -> Any:
        """The number of one thing, or a tuple or dict of such."""
        if isinstance(value, Mapping):
            return {name: self.of(one) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return tuple(map(self.of, value))
        return self.nodes.setdefault(value, len(self.nodes))


def _named(numbers: Mapping[str, Any], things: Sequence[Any]) -> Named:
    """What has the numbers, by the same names."""

    def pick(number: Any) -> Any:
        if isinstance(number, dict):
            return {name: pick(one) for name, one in number.items()}
        return tuple(map(pick, number)) if isinstance(number, tuple) else things[number]

    return Named({name: pick(number) for name, number in numbers.items()})


def _flat(number: Any) -> Iterator[int]:
    if isinstance(number, int):
        yield number
    else:
        for one in number.values() if isinstance(number, dict) else number:
            yield from _flat(one)


def _short(numbers: Any) -> Any:
    """Numbers that follow each other as ``first+count``: a pack has as many as RPMs, and all keys are made in every
    build."""
    if isinstance(numbers, Mapping):
        return {name: _short(one) for name, one in numbers.items()}
    if isinstance(numbers, tuple) and all(isinstance(one, int) for one in numbers):
        first = numbers[0] if numbers else 0
        return f"{first}+{len(numbers)}" if numbers == tuple(range(first, first + len(numbers))) else numbers
    return numbers

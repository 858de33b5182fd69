"""What xspack uses of SCons that SCons promises to nobody, all of it: nothing else in the code touches such names.

Each is looked for before it is used. Where xspack can do without it, it is left out; where it cannot, reading ends with
one line that names it and the version of SCons.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import SCons
import SCons.CacheDir
import SCons.Node
import SCons.Node.FS
import SCons.SConsign
import SCons.Script.Main
import SCons.Taskmaster
import SCons.Taskmaster.Job
from SCons.Errors import UserError
from SCons.Node import Node

from xspack_tool.errors import Problem, system_words

#: What begins a build, with the parameters that it has.
_BUILD = ("fs", "options", "targets", "target_top")
#: What SCons's database is made of.
_NOTES = (
    (SCons.Node, "NodeInfoBase"),
    (SCons.Node, "BuildInfoBase"),
    (SCons.SConsign, "SConsignEntry"),
)
_ABSENT = object()
#: What plan/cache.py replaces in SCons's cache, and calls of it.
_OF_CACHES = ("retrieve", "push", "cachepath", "is_enabled", "is_readonly", "CacheDebug")


def check_scons() -> None:
    """Raise UserError where this SCons lacks what xspack cannot do without."""
    if lacking := next(_lacking(), ""):
        raise UserError(
            f"xspack does not know SCons {SCons.__version__}, which has no {lacking}: "
            'install the newest xspack, or an older SCons: pip install "scons>=4.8,<5"'
        )


def _lacking() -> Iterator[str]:
    build = getattr(SCons.Script.Main, "_build_targets", None)
    if build is None or tuple(inspect.signature(build).parameters) != _BUILD:
        yield f"Script.Main._build_targets({', '.join(_BUILD)})"
    if not hasattr(SCons.Script.Main, "exit_status"):
        yield "Script.Main.exit_status"
    if not hasattr(Node, "clear_memoized_values"):
        yield "Node.clear_memoized_values"
    for name in ("get_stored_info", "get_ninfo", "attributes"):
        if not hasattr(Node, name):
            yield f"Node.{name}"
    for name in _OF_CACHES:
        if not hasattr(SCons.CacheDir.CacheDir, name):
            yield f"CacheDir.{name}"


def wrap_build(around: Callable[[Callable[[], Any], Any, Any, Any], Any]) -> None:
    """Have ``around(build, options, targets, target_top)`` called when everything was read; ``build()`` is SCons's own
    build."""
    inner = SCons.Script.Main._build_targets

    def build(fs: Any, options: Any, targets: Any, target_top: Any) -> Any:
        return around(lambda: inner(fs, options, targets, target_top), options, targets, target_top)

    SCons.Script.Main._build_targets = build


def has_own_targets() -> bool:
    """Whether a SConstruct gave BUILD_TARGETS another value than the command line and Default make."""
    given = list(SCons.Script.BUILD_TARGETS)
    return given != list(getattr(SCons.Script, "_build_plus_default", given))


def end_with(status: int) -> None:
    """Have SCons end with an exit status, whatever else it does."""
    SCons.Script.Main.exit_status = status


def record_in_words() -> Callable[[], bool]:
    """Have SCons say in one line that its database cannot be opened or written; it shows a traceback. What it does not
    note then is looked at anew in the next build. A database in which nothing changed is not written. What comes back
    tells whether SCons has written down what this run built."""
    database, unwritten = SCons.SConsign, list[str]()
    inner, open_database = getattr(database, "write", None), getattr(database, "Get_DataBase", None)
    if inner is None or open_database is None:
        return lambda: True

    def write() -> None:
        try:
            if any(getattr(folder, "dirty", True) for folder in getattr(database, "sig_files", [None])):
                inner()
        except OSError as error:
            place = next(
                (store._file_name for store in database.DB_sync_list if hasattr(store, "_file_name")), ""
            )
            unwritten.append(place)
            sys.stderr.write(f"scons: *** {place}: what was built cannot be noted: {system_words(error)}\n")
            end_with(2)
            # It would be tried again when Python ends.
            for store in database.DB_sync_list:
                store._needs_sync = False
                with suppress(AttributeError, OSError):
                    os.unlink(store._tmp_name)

    def opened(folder: Any) -> Any:
        try:
            return open_database(folder)
        except OSError as error:
            # Of its kind: where SCons only looks, it takes that for a database that is not there.
            raise OSError(error.errno, system_words(error), error.filename) from None

    database.write, database.Get_DataBase = write, opened
    return lambda: not unwritten


def note_quickly() -> None:
    """Have SCons's database written in two thirds of the time: each of its notes, of which a file has several, looks
    for the slots of its class and of all classes above; here each class does so once. The bytes are the same."""
    for module, name in _NOTES:
        kind = getattr(module, name, None)
        inner = getattr(kind, "__getstate__", None)
        if kind is not None and inner is not None:
            kind.__getstate__ = _quick_state(inner)


def _quick_state(inner: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    slots_of: dict[type, tuple[str, ...]] = {}

    def state(note: Any) -> dict[str, Any]:
        kind = type(note)
        if (slots := slots_of.get(kind)) is None:
            slots = slots_of[kind] = _slots(note, inner(note))
        return _in_slots(note, slots) if slots else inner(note)

    return state


def _slots(note: Any, state: dict[str, Any]) -> tuple[str, ...]:
    """The slots of a note that make up its state; none where they do not."""
    own = (vars(kind).get("__slots__", ()) for kind in type(note).mro())
    slots = tuple(name for names in own for name in names if name != "__weakref__")
    with suppress(AttributeError):
        if list(_in_slots(note, slots).items()) == list(state.items()):
            return slots
    return ()


def _in_slots(note: Any, slots: tuple[str, ...]) -> dict[str, Any]:
    found = {name: value for name in slots if (value := getattr(note, name, _ABSENT)) is not _ABSENT}
    found["_version_id"] = note.current_version_id
    return found


def forget(node: Node) -> None:
    """Have SCons look at a file anew."""
    node.clear_memoized_values()


def seen_digest(node: Node) -> str:
    """The digest of a file's content as SCons read it in this run; empty where it did not."""
    return getattr(node.get_ninfo(), "csig", None) or ""


def set_digest(node: Node, digest: str) -> None:
    """Have SCons take this for the digest of a file's content."""
    node.get_ninfo().csig = digest


def library_links(library: Node) -> list[tuple[Node, Node]]:
    """The links that SCons makes beside a versioned library, each with what it leads to; none where it says none."""
    return getattr(library.attributes, "shliblinks", None) or []


def shows_cached() -> bool:
    """Whether what comes out of a cache is shown as if it was built."""
    return bool(getattr(SCons.CacheDir, "cache_show", False))


def keeps_times(env: Any) -> bool:
    """Whether a file out of a cache gets the times that it has there."""
    return not getattr(env, "cache_timestamp_newer", False)


def is_cached(node: Node) -> bool:
    """Whether a node may be put into a cache."""
    return not getattr(node, "nocache", False)


def stored_digest(node: Node) -> str:
    """The digest of a file's content as SCons noted it in its last run; empty where it did not."""
    return getattr(node.get_stored_info().ninfo, "csig", None) or ""


def stored_declaration(node: Node) -> str:
    """What a builder's action said of itself (``genstring``) when it made a file last."""
    stored = node.get_stored_info()
    return getattr(stored and stored.binfo, "bact", "") or ""


def sources_now(node: Node) -> dict[Node, str]:
    """The sources of a node that is about to be built, each with what tells its content."""
    return _sources(node.get_binfo())


def sources_before(node: Node) -> dict[Node, str]:
    """The same as of when it was built last; none where that is not known."""
    stored = node.get_stored_info()
    prepare = getattr(stored and stored.binfo, "prepare_dependencies", None)
    if prepare is None:
        return {}
    prepare()  # what is written are names
    return _sources(stored.binfo)


def _sources(info: Any) -> dict[Node, str]:
    kinds = {"bsources": "bsourcesigs", "bdepends": "bdependsigs", "bimplicit": "bimplicitsigs"}
    lists = [
        (getattr(info, kind, None) or (), getattr(info, seen, None) or ()) for kind, seen in kinds.items()
    ]
    return {
        node: str(getattr(state, "csig", None) or getattr(state, "timestamp", ""))
        for nodes, seen in lists
        if len(nodes) == len(seen)
        for node, state in zip(nodes, seen, strict=True)
    }


def note_by(note: Callable[[Node], None]) -> Callable[[Node], None]:
    """A function that has ``note`` called for a node whenever SCons is about to note what it saw of it. What is noted
    already is not noted again, of such nodes and of files that nothing builds: SCons puts a whole folder's notes
    together anew, in every build. Does nothing where SCons has no such table: then SCons reads outputs again."""
    table, store = getattr(SCons.Node, "store_info_map", None), getattr(SCons.Node, "store_info_file", None)
    if not isinstance(table, dict) or store is None or "store_info" not in Node.__slots__:
        return lambda node: None

    def both(node: Node) -> None:
        note(node)
        if not _is_noted(node):
            store(node)

    def of_source(node: Node) -> None:
        if node.has_builder() or not _is_noted(node):
            store(node)

    number = max(table) + 1
    table[number] = both
    for kind in [kind for kind, one in table.items() if one is store]:
        table[kind] = of_source

    def watch(node: Node) -> None:
        node.store_info = number

    return watch


def _is_noted(node: Node) -> bool:
    """Whether SCons's database has what would be noted of a file that this run did not build: the file as it is, and
    the names and states of what it is made of."""
    if node.get_state() == SCons.Node.executed:
        return False
    try:
        if node.has_builder() and node.get_executor() is None:
            return True  # SCons comes twice, and forgot in between what was judged then
        stored, seen = node.get_stored_info(), node.get_ninfo()
        # Of a source that is still to be read nothing can be told.
        if not hasattr(seen, "csig") or not _is_same(stored.ninfo, seen):
            return False
        return not node.has_builder() or all(
            list(map(str, nodes)) == getattr(stored.binfo, names)
            and all(map(_is_same, getattr(stored.binfo, states), (one.get_ninfo() for one in nodes)))
            for names, states, nodes in (
                (
                    "bsources",
                    "bsourcesigs",
                    node.get_executor().get_unignored_sources(node, node.ignore),
                ),
                ("bdepends", "bdependsigs", node.depends),
                ("bimplicit", "bimplicitsigs", node.implicit or ()),
            )
        )
    except AttributeError:
        return False


def _is_same(noted: Any, seen: Any) -> bool:
    """Whether a node's state, as far as it is known, is the one that was noted."""
    return all(
        getattr(seen, name, None) in (None, getattr(noted, name, None))
        for name in ("csig", "timestamp", "size")
    )


def digests_by(known: Callable[[Node], str]) -> None:
    """Have ``known`` tell the digest of a file's content before SCons reads the file for it; empty where it must. Does
    nothing where SCons does not ask so: then it reads every file that is younger than two days."""
    asked: Any = SCons.Node.FS.File
    inner = getattr(asked, "get_max_drift_csig", None)
    if inner is None:
        return

    def digest(node: Node) -> Any:
        noted = inner(node)
        return (
            noted or known(node) or noted
        )  # "" or, before SCons 4.11, None: any other is taken for a digest

    asked.get_max_drift_csig = digest


def explain_by(told: Callable[[Node, Callable[[Node], Any]], Any]) -> None:
    """Have --debug=explain say what ``told(node, SCons's own function)`` returns; SCons's own words where it cannot."""
    explain = getattr(Node, "explain", None)
    if explain is not None:
        Node.explain = lambda node: told(node, explain)


def explanation(node: Node) -> str:
    """What SCons, and who takes part by :func:`explain_by`, say of why a node is built; empty where they do not
    know."""
    explain = getattr(node, "explain", None)
    return (explain() if explain else "") or ""


def _parallel() -> type | None:
    found: Any = getattr(SCons.Taskmaster.Job, "NewParallel", None)
    code = getattr(vars(found).get("__init__") if found else None, "__code__", None)
    return found if code and code.co_varnames[:4] == ("self", "taskmaster", "num", "stack_size") else None


#: What SCons says where the user ends it while it reads.
INTERRUPTED = "scons: Build interrupted."


def fail_in_words(stopping: Callable[[], bool]) -> None:
    """Have SCons say so, once ``stopping()``, instead of showing where it was when it failed."""
    reading = getattr(SCons.Script, "_SConscript", None)
    names = ("_scons_syntax_error", "_scons_internal_error", "_scons_user_error")
    for module, name in ((reading, "SConscript_exception"), *((SCons.Script.Main, name) for name in names)):
        inner = getattr(module, name, None)
        if inner is not None:
            setattr(module, name, _or_interrupted(inner, stopping))


def _or_interrupted(inner: Callable[..., Any], stopping: Callable[[], bool]) -> Callable[..., Any]:
    def told(*args: Any) -> Any:
        if not stopping():
            return inner(*args)
        print(INTERRUPTED)
        raise SystemExit(2)

    return told


def interrupt_by(told: Callable[[], None]) -> None:
    """Have ``told`` called when the user ends a build; in a signal's handler. Where SCons has no such place, steps that
    wait are waited for."""
    state = getattr(SCons.Taskmaster.Job, "InterruptState", None)
    if state is None or not hasattr(state, "set"):
        return
    inner = state.set

    def both(one: Any) -> None:
        inner(one)
        told()

    state.set = both


#: SCons's own scheduler of builds with several jobs, where it is the one that is known; else None.
PARALLEL = _parallel()


def schedule_by(parallel: type, cleanup: Callable[[Any], None]) -> None:
    """Have builds with several jobs scheduled by ``parallel``, made of PARALLEL, and ``cleanup`` called with the task
    master at a build's end; SCons's own ways where there is nothing to put them into."""
    if PARALLEL is not None:
        SCons.Taskmaster.Job.NewParallel = parallel
    master = SCons.Taskmaster.Taskmaster
    inner = getattr(master, "cleanup", None)
    if inner is not None:

        def both(taskmaster: Any) -> None:
            if hasattr(taskmaster, "pending_children"):
                cleanup(taskmaster)
            inner(taskmaster)

        master.cleanup = both


def built_above(node: Node) -> Node | None:
    """The folder, above a file or the node itself, that is a target as a whole; None where none is."""
    folder = node if isinstance(node, SCons.Node.FS.Dir) else getattr(node, "dir", None)
    while isinstance(folder, SCons.Node.FS.Dir):
        if folder.has_explicit_builder():
            return folder
        if folder is folder.up() or folder.up() is None:
            return None
        folder = folder.up()
    return None


def built_below(node: Node) -> Iterator[Node]:
    """The targets of which SCons knows below a folder, or the node itself where it is one. Nothing is looked for on the
    disk: there may be thousands of files."""
    is_folder = isinstance(node, SCons.Node.FS.Dir)
    if node.has_explicit_builder() if is_folder else node.has_builder():
        yield node
    elif is_folder:
        for name in sorted(set(node.entries) - {".", ".."}):
            yield from built_below(node.entries[name])


def built_problems(field: str, node: Node, remedy: str) -> list[Problem]:
    """Whether the build makes a file that is read while the SConstruct is: what an earlier build left there would be
    taken for it. Asked when everything was read, for the statement that builds it may come last."""
    if not (node.has_builder() or built_above(node)):
        return []
    rule = "it must exist while the SConstruct is read, and is built later"
    return [Problem(field, str(node), rule, remedy)]

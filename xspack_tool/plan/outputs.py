"""What we made below one XSPACK_OUT: older versions go when the new one is there, `-c` leaves nothing of ours,
and what a killed build left behind is not trusted.

Which files are older versions of which package is read from a journal of what was built, never guessed from
names: a file that is not in it is somebody else's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import SCons.Script
from SCons.Node import Node, executed, up_to_date

from xspack_tool.plan.notes import read_notes, write_notes
from xspack_tool.plan.output_states import OutputStates
from xspack_tool.plan.scons import digests_by, forget
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import out_path

#: The slot of what has no version in its name.
_REST = ""

#: The journal below XSPACK_OUT.
_FILE = ".xspack/outputs.json"


def journal_of(env: Any) -> Journal:
    """The journal of an environment's XSPACK_OUT."""
    # A relative folder means another place in each SConscript.
    key = (out_path(env), env.fs.getcwd())
    journals, by_place = session().journals, session().journals_by_place
    if key not in by_place:
        folder = env.Dir(key[0]).get_abspath()
        if folder not in journals:
            journals[folder] = journal = Journal(Path(folder))
            if len(journals) == 1:
                # SCons knows of no XSPACK_OUT: what it reads is noted in the first.
                digests_by(lambda node: journal.states.digest_of_file(node, journal.relative(node)))
            session().at_start.append(journals[folder].clear_away)
            session().at_end.append(journals[folder].end)
        by_place[key] = journals[folder]
    return by_place[key]


def made_before(folder: str) -> set[str]:
    """The files that the last run knew of below an XSPACK_OUT, also where this one makes none there."""
    slots: dict[str, list[str]] = read_notes(Path(folder, _FILE)) or {}
    return {os.path.join(folder, name) for names in slots.values() for name in names}


def temporaries(path: str) -> list[str]:
    """Where our writers keep what is to become ``path``, until it is whole."""
    folder, name = os.path.split(path)
    return [os.path.join(folder, f".{name}.{ending}") for ending in ("new", "work", "sources")]


def remove_older(env: Any, node: Node, slot: str) -> None:
    """Have other versions of ``slot`` (what a file is a version of) removed once ``node`` is there, and with `-c`."""
    journal = journal_of(env)
    journal.live.setdefault(slot, {})[journal.relative(node)] = node
    if SCons.Script.GetOption("clean"):
        for other in journal.slots.get(slot, []):
            place = os.path.join(journal.folder, other)
            env.Clean(node, [place, *temporaries(place)])


class Journal:
    """Slot -> its files, relative to XSPACK_OUT. A name is entered before the first step of a run starts, so
    that a file of a killed build is known; one that is not there at the end of a run is taken out."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._within = folder, f"{folder}{os.sep}"
        self.file, self.mark = folder / _FILE, folder / ".xspack" / "unfinished"
        #: What is declared in this run: none of a slot's files is an older version of another.
        self.live: dict[str, dict[str, Node]] = {}
        #: All that steps make, and folders of ours besides.
        self.nodes: list[Node] = []
        self.folders: list[str] = []
        #: Folders in which a program that outlived a killed build still works.
        self.left: list[str] = []
        #: Folder of sources -> its name in the journal: all sources are asked for in every build.
        self._outside: dict[str, str] = {}
        self._begun, self._lock = False, threading.Lock()
        self.states = OutputStates(folder / ".xspack" / "states.json")
        noted = read_notes(self.file)
        self.slots: dict[str, list[str]] = noted or {}
        self._lost = noted is None

    def relative(self, node: Node) -> str:
        """The name of a file in the journal."""
        path: str = node.get_abspath()
        if path.startswith(self._within):
            return path[len(self._within) :]
        folder, _, name = path.rpartition(os.sep)
        if folder not in self._outside:
            self._outside[folder] = os.path.relpath(folder or os.sep, self.folder)
        return f"{self._outside[folder]}{os.sep}{name}"

    def keep(self, folder: Path) -> None:
        """Note a folder that steps use besides their targets. It goes with `-c`, when all goes."""
        self.folders.append(os.path.relpath(folder, self.folder))

    def begin(self) -> None:
        """To be called before any output is touched. The mark stays until SCons has written down what was built."""
        with self._lock:
            if self._begun:
                return
            self.mark.parent.mkdir(parents=True, exist_ok=True)
            self.mark.touch()
            slots = dict(self.slots)
            for slot, names in self.live.items():
                known = slots.get(slot, [])
                if any(name not in known for name in names):
                    slots[slot] = sorted({*known, *names})
            rest = {*slots.get(_REST, []), *map(self.relative, self.nodes), *self.folders}
            slots[_REST] = sorted(rest.difference(*self.live.values()))
            self._write(slots)
            self._begun = True

    def clear_away(self) -> None:
        """If the last run was killed, remove what its writers had begun; if the journal is lost, begin it anew."""
        if _only_looking():
            return
        if self._lost:
            self.begin()
        for unfinished in self.mark.parent.glob(".*.new"):
            remove(str(unfinished))
        if self.mark.exists():
            for node in self.nodes:
                self.left += [place for place in temporaries(node.get_abspath()) if not _removed_idle(place)]

    def settle(self, node: Node) -> bool:
        """Have an output that is not the one that SCons knows told and removed, so that it is built in this run: with
        the old declaration back in place, SCons would take a killed build's new file for the old one. False where it
        is left, since this run only looks."""
        if self.states.is_as_built(node, self.relative(node)):
            return True
        if _only_looking():
            return False
        sys.stderr.write(f"xspack: {node}: not as it was built; it is built again\n")
        self.begin()
        remove(node.get_abspath())
        forget(node)
        return True

    def end(self) -> None:
        """Remove older versions, and note what is there."""
        if SCons.Script.GetOption("no_exec") or SCons.Script.GetOption("question"):
            return
        if SCons.Script.GetOption("clean"):
            self._cleaned()
            return
        older = [place for slot, names in self.slots.items() for place in self._older(slot, names)]
        for place in older:
            remove(place, *temporaries(place))
        if older or self._begun:
            with suppress(OSError):
                self._write(self._there())
        self.states.note_sources()
        self.states.save()
        self.left = [place for place in self.left if not _removed_idle(place)]
        if session().recorded and not self.left:
            with suppress(OSError):
                self.mark.unlink(missing_ok=True)

    def _older(self, slot: str, names: list[str]) -> list[str]:
        """The files of a slot that nothing declares any more, once one that is declared is there."""
        live = self.live.get(slot, {})
        older = [os.path.join(self.folder, name) for name in names if name not in live]
        if older and any(node.get_state() in (executed, up_to_date) for node in live.values()):
            return older
        return []

    def _cleaned(self) -> None:
        """After `-c`: the journal of what was not asked to go, or no trace of us, not even of what nothing
        declares any more."""
        if any(os.path.lexists(node.get_abspath()) for node in self.nodes):
            self._write(self._there())
            return
        for places in self.slots.values():
            for place in places:
                path = os.path.join(self.folder, place)
                remove(path, *temporaries(path))
        shutil.rmtree(self.file.parent, ignore_errors=True)
        names = [name for names in self.slots.values() for name in names]
        folders = {os.path.dirname(os.path.join(self.folder, name)) for name in names}
        for place in sorted({above for folder in folders for above in self._up(folder)}, reverse=True):
            with suppress(OSError):  # not empty: somebody else's file is in it
                os.rmdir(place)

    def _up(self, folder: str) -> list[str]:
        """A folder and those above it, as far as XSPACK_OUT."""
        top = str(self.folder)
        found = []
        while folder == top or folder.startswith(top + os.sep):
            found.append(folder)
            folder = os.path.dirname(folder)
        return found

    def _there(self) -> dict[str, list[str]]:
        folders: dict[str, set[str]] = {}

        def is_there(name: str) -> bool:
            folder, _, base = name.rpartition("/")
            if folder not in folders:
                folders[folder] = set()
                with suppress(OSError):
                    folders[folder].update(os.listdir(os.path.join(self.folder, folder)))
            return base in folders[folder]

        there = {slot: list(filter(is_there, names)) for slot, names in self.slots.items()}
        return {slot: names for slot, names in there.items() if names}

    def _write(self, slots: dict[str, list[str]]) -> None:
        if slots == self.slots and self.file.exists() and not self._lost:
            return
        write_notes(self.file, slots)
        self.slots, self._lost = slots, False


def _only_looking() -> bool:
    return any(SCons.Script.GetOption(option) for option in ("no_exec", "question", "clean"))


def _removed_idle(path: str) -> bool:
    """Remove a writer's file or folder, unless a program still holds the lock on it (see run.work_folder)."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove(path)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def remove(*paths: str) -> None:
    """Remove what is there of files and folders."""
    for path in paths:
        with suppress(OSError):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

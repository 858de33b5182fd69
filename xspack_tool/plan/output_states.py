"""Whether our outputs are as they were built, and sources as they were read; one that is, is not read again.

SCons itself compares what a target is made of, never the target: it takes a file that was cut, emptied or written by a
build that was killed for the one it knows. And it reads every file that is younger than two days (max_drift) in every
build, an ISO and each RPM too.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import SCons.Node
from SCons.Node import Node
from SCons.Util import hash_file_signature

from xspack_tool.plan.node_record import planned_of
from xspack_tool.plan.notes import read_notes, write_notes
from xspack_tool.plan.scons import note_by, seen_digest, set_digest, stored_digest
from xspack_tool.plan.session import session

#: In nanoseconds.
_OLD = 2_000_000_000


class OutputStates:
    """File, by its name below one XSPACK_OUT -> its content's digest as SCons knows it, and the state that it was in
    then: inode, size, and both times. The time of a change of the inode (ctime) is what no program can set."""

    def __init__(self, file: Path) -> None:
        self.file, self.changed = file, False
        self._known: dict[str, Any] = read_notes(file) or {}
        #: Names of files that this run saw: they need not be looked for.
        self._seen: set[str] = set()
        self._read: list[tuple[Node, str, os.stat_result]] = []

    def is_as_built(self, node: Node, name: str) -> bool:
        """Whether the file of a node, if there is one, is the one that SCons knows; read only if its state is new."""
        csig, status = stored_digest(node), node.stat()
        if not csig or status is None:
            return True
        self._seen.add(name)
        if self._known.get(name) == [csig, _state(status)]:
            return True
        if hash_file_signature(node.get_abspath()) != csig:
            return False
        self.note(name, csig, status)
        return True

    def note(self, name: str, csig: str, found: os.stat_result) -> None:
        """Note that SCons knows this content of a file."""
        new = [csig, _state(found)]
        if self._known.get(name) != new:
            self._known[name], self.changed = new, True

    def digest_of_file(self, node: Node, name: str) -> str:
        """The digest of a file's content, if it is known without reading it; else empty, and SCons reads it."""
        if not node.has_builder():
            return self.digest_of_source(node, name)
        digest, state = session().hashed.pop(node.get_abspath(), ("", []))
        if not digest:
            return ""
        with suppress(OSError):
            # A rename gives it another ctime.
            if _state(os.stat(node.get_abspath()))[:3] == state:
                return digest
        return ""

    def digest_of_source(self, node: Node, name: str) -> str:
        """The digest that SCons knows of a file that nothing builds, where its state is still the one that it was read
        in; else empty, and SCons reads it. A state counts if it was old when the file was read: some disks keep times
        by the second or two, and would not tell of a change within them."""
        status = None if node.has_builder() else node.stat()
        if status is None:
            return ""
        self._seen.add(name)
        csig = stored_digest(node)
        if csig and self._known.get(name) == [csig, _state(status)]:
            return csig
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _OLD:
            self._read.append((node, name, status))
        return ""

    def note_sources(self) -> None:
        """Note what SCons read in this run, each file in the state that it was in before."""
        for node, name, found in self._read:
            if digest := seen_digest(node):
                self.note(name, digest, found)

    def save(self) -> None:
        """Keep what is known of files that are there; losing it costs time only."""
        if self.changed:
            folder = str(self.file.parent.parent)
            there = {
                name: state
                for name, state in self._known.items()
                if name in self._seen or os.path.lexists(os.path.join(folder, name))
            }
            with suppress(OSError):
                write_notes(self.file, there)


def scons_digest(image: Path, place: Path) -> str:
    """SCons's digest of ``image``, which is about to be renamed to ``place``: SCons need not read it once more, when
    nothing else can be done."""
    state = _state(os.stat(image))[:3]
    digest: str = hash_file_signature(str(image))
    session().hashed[str(place)] = digest, state
    return digest


def _state(found: os.stat_result) -> list[int]:
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def trust_unchanged(node: Node) -> None:
    """Have the stored digest of an output taken where it was not built anew; whether the file is still the one that
    it was taken of, is asked before (see ``StepAction``).

    Everything that asks for a digest, an Alias or a Decider, comes after SCons has noted what it saw of the file.
    """
    _watch(node)


def _note(node: Node) -> None:
    planned = planned_of(node)
    known, built = stored_digest(node), node.get_state() == SCons.Node.executed
    if known and not built and not seen_digest(node):
        set_digest(node, known)
    if csig := seen_digest(node):
        with suppress(OSError):
            # What was not built is as it was seen before.
            found = os.stat(node.get_abspath()) if built else node.stat() or os.stat(node.get_abspath())
            planned.journal.states.note(planned.journal.relative(node), csig, found)


_watch = note_by(_note)

"""Outputs whose names carry a version: the older ones go when the new one is there, and with `-c`.

Which files are older versions of which package is read from a journal of what was really built, never guessed
from names: a file that is not in it is somebody else's.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from SCons.Node import Node

from xspack_tool.plan.profile import out_path
from xspack_tool.plan.step import step_of

_lock = threading.Lock()
_journals: dict[str, Journal] = {}


class Journal:
    """What was built below one XSPACK_OUT: slot (what a file is a version of) -> its files, relative to it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / ".xspack" / "outputs.json"
        #: The files declared in this run: none of them is an older version of another.
        self.live: set[str] = set()
        try:
            self.slots: dict[str, list[str]] = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.slots = {}

    def relative(self, node: Node) -> str:
        """The name of a file in the journal."""
        return os.path.relpath(node.get_abspath(), self.folder)

    def older(self, slot: str) -> list[str]:
        """The files of a slot that nothing declares any more."""
        return [name for name in self.slots.get(slot, []) if name not in self.live]

    def built(self, slot: str, name: str) -> None:
        """Note that ``name`` is there, and remove what it replaces."""
        with _lock:
            older = self.older(slot)
            if not older and name in self.slots.get(slot, []):
                return
            kept = {other for other in self.slots.get(slot, []) if other not in older}
            self.slots[slot] = sorted(kept | {name})
            self.file.parent.mkdir(parents=True, exist_ok=True)
            beside = self.file.with_suffix(".new")
            beside.write_text(json.dumps(self.slots, sort_keys=True, indent=0), encoding="utf-8")
            beside.replace(self.file)
            for other in older:
                with suppress(FileNotFoundError):
                    (self.folder / other).unlink()


def remove_older(env: Any, node: Node, slot: str) -> None:
    """Have older versions of ``slot`` removed when ``node`` was built, and with `-c`."""
    folder = env.Dir(out_path(env)).get_abspath()
    with _lock:
        journal = (
            _journals.setdefault(folder, Journal(Path(folder)))
            if folder not in _journals
            else _journals[folder]
        )
    name = journal.relative(node)
    journal.live.add(name)
    step = step_of(node)
    before = step.then

    def then() -> None:
        if before:
            before()
        journal.built(slot, name)

    node.attributes.xspack_step = replace(step, then=then)
    older = [os.path.join(folder, other) for other in journal.older(slot)]
    env.Clean(node, [*older, str(journal.file.parent)])

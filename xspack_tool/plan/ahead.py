"""What later steps load, loaded while earlier ones wait for a program, or for other processes.

A driver's modules are compiled for seconds, most of them by programs that leave a core alone at their begin and end.
All other steps of its pack follow, one after the other, and half of their time would go into loading what they need.
With worker processes, this one waits for them and for gpg's agent until it comes to the ISO.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from threading import Thread
from typing import Any

#: Modules that every pack needs once its RPMs are there: in this process, and in those that do steps apart from it
#: (plan/workers.py), where there are any.
HERE = (
    *("pycdlib", "xspack_tool.pack.iso", "xspack_tool.hosts.sound", "xspack_tool.signing.verify"),
    *("xspack_tool.rules.report", "xspack_tool.rules.sarif"),
    *("xspack_tool.evidence.provenance", "xspack_tool.evidence.timeline"),
)
APART = (
    *("elftools.elf.elffile", "rpmfile", "tree_sitter_bash"),
    *("xspack_tool.evidence.cyclonedx", "xspack_tool.evidence.spdx"),
)
#: Functions that load more, by name, and what they are given: no step's result has a part of them.
_RULES, _LICENCES = (
    ("xspack_tool.rules.registry", "all_rules"),
    ("xspack_tool.rules.spdx", "parse_licence", "MIT"),
)
_INDEX = ("xspack_tool.repo.library", "createrepo")
#: How long, in seconds, until the program has surely been started: loading would keep Python from that.
_HEAD_START = 0.02


def loading_for_driver(has_workers: bool, *calls: tuple[Any, ...]) -> AbstractContextManager[None]:
    """Load what the pack of a driver needs. ``calls`` are more such functions."""
    if has_workers:
        return _loading(HERE, _RULES, _LICENCES, *calls)
    return _loading((*HERE, *APART), _RULES, _LICENCES, _INDEX, *calls)


def loading_for_packs() -> AbstractContextManager[None]:
    """Load what packs need in this process, while others do the steps of their RPMs."""
    return _loading(HERE, _RULES)


@contextmanager
def _loading(modules: Iterable[str], *calls: tuple[Any, ...]) -> Iterator[None]:
    """Load them in a thread of their own within it."""
    thread = Thread(target=_load, args=(modules, calls), name="loading")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _load(modules: Iterable[str], calls: Iterable[tuple[Any, ...]]) -> None:
    """What cannot be loaded is told by the step that needs it."""
    time.sleep(_HEAD_START)
    for module, function, *arguments in calls:
        with suppress(Exception):
            getattr(import_module(module), function)(*arguments)
    for name in modules:
        with suppress(Exception):
            import_module(name)

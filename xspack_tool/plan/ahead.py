"""What later steps load, loaded while an earlier one waits for a program.

A driver's modules are compiled for seconds, most of them by programs that leave a core alone at their begin and end.
All other steps of its pack follow, one after the other, and half of their time would go into loading what they need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Thread

#: Modules that every pack with a driver needs once that is compiled: in this process, and in those that do steps apart
#: from it (plan/workers.py), where there are any.
HERE = (
    *("pycdlib", "xspack_tool.pack.iso", "xspack_tool.hosts.sound", "xspack_tool.signing.verify"),
    *("xspack_tool.rules.report", "xspack_tool.rules.sarif"),
    *("xspack_tool.evidence.provenance", "xspack_tool.evidence.timeline"),
)
APART = (
    *("elftools.elf.elffile", "rpmfile", "tree_sitter_bash"),
    *("xspack_tool.evidence.cyclonedx", "xspack_tool.evidence.spdx"),
)
#: Functions that load more, by name: no step's result has a part of them.
_RULES, _LICENCES = ("xspack_tool.rules.registry", "all_rules"), ("xspack_tool.rules.spdx", "licensing")
_INDEX = ("xspack_tool.repo.library", "createrepo")


@contextmanager
def loading_ahead(has_workers: bool) -> Iterator[None]:
    """Load them in a thread of their own within it."""
    thread = Thread(target=_load_here if has_workers else _load_all, name="loading")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _load_here() -> None:
    _load(HERE, _RULES, _LICENCES)


def _load_all() -> None:
    _load((*HERE, *APART), _RULES, _LICENCES, _INDEX)


def _load(modules: Iterable[str], *functions: tuple[str, str]) -> None:
    """What cannot be loaded is told by the step that needs it."""
    with suppress(Exception):
        for module, function in functions:
            getattr(import_module(module), function)()
        for name in modules:
            import_module(name)

"""What later steps load, loaded while an earlier one waits for a program.

A driver's modules are compiled for seconds, most of them by programs that leave a core alone at their begin and end.
All other steps of its pack follow, one after the other, and half of their time would go into loading what they need.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Thread

#: Modules that every pack with a driver needs once that is compiled.
MODULES = (
    *("xspack_tool.rules.sarif", "elftools.elf.elffile", "rpmfile", "tree_sitter_bash"),
    *("pycdlib", "xspack_tool.pack.iso", "xspack_tool.hosts.sound", "xspack_tool.signing.verify"),
    *("xspack_tool.evidence.cyclonedx", "xspack_tool.evidence.spdx", "xspack_tool.evidence.provenance"),
    *("xspack_tool.evidence.timeline", "xspack_tool.rules.report"),
)
#: Functions that load more, by name: no step's result has a part of them.
_LOADERS = (("xspack_tool.repo.library", "createrepo"), ("xspack_tool.rules.registry", "all_rules"))


@contextmanager
def loading_ahead() -> Iterator[None]:
    """Load them in a thread of their own within it. What cannot be loaded is told by the step that needs it."""
    thread = Thread(target=_load, name="loading")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _load() -> None:
    with suppress(Exception):
        for module, function in _LOADERS:
            getattr(import_module(module), function)()
        for name in MODULES:
            import_module(name)

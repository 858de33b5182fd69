"""xspack: signed supplemental packs and driver disks for XenServer and XCP-ng hosts, declared in SCons."""

from __future__ import annotations

import gc
from typing import Any


def generate(env: Any) -> None:
    """Add xspack's declarations and variables to a construction environment; may run many times."""
    # What is read stays until the end: Python's collector would look through it again and again, a tenth of a build
    # with nothing to do.
    gc.set_threshold(500_000)
    # Before all else: to import the rest takes a while.
    from xspack_tool.plan.interrupted import end_by_signals

    end_by_signals()
    from xspack_tool.kinds import install

    install(env)


def exists(env: Any) -> bool:
    """Always: what a declaration needs is looked for when it is used, and named if it is missing."""
    return True

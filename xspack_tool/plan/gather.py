"""Many small files as one."""

from __future__ import annotations

import os
from typing import Any

from SCons.Node import Node

from xspack_tool.plan.step import Paths, Step, add_step


def gather(env: Any, place: str, pieces: list[Node]) -> Node:
    """A file that holds the lines of others, in their order.

    Steps that need all of a pack's RPMs have it as a source: for each source of each target SCons has something to
    read, to compare and to write in every build.
    """
    return add_step(env, [place], pieces, Step("Gather", None, _join))[0]


def _join(targets: Paths, sources: Paths) -> None:
    beside = targets[0].with_name(f".{targets[0].name}.new")
    with open(beside, "wb") as out:
        for source in sources:
            out.write(source.read_bytes())
    os.replace(beside, targets[0])

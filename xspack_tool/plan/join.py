"""Many small files as one."""

from __future__ import annotations

from typing import Any, ClassVar

from SCons.Node import Node

from xspack_tool.files import whole
from xspack_tool.plan.step import Named, Step, add_step


class JoinLines(Step, frozen=True):
    """The lines of several files in one, in their order."""

    label: ClassVar[str] = "Join"

    def run(self, inputs: Named, outputs: Named) -> None:
        with whole(outputs.lines) as beside, open(beside, "wb") as out:
            for piece in inputs.pieces:
                with open(piece, "rb", buffering=0) as file:  # as many as RPMs, of a few KB each
                    out.write(file.read())


def join_lines(env: Any, place: str, pieces: list[Node]) -> Node:
    """A file that holds the lines of others, in their order.

    Steps that need all of a pack's RPMs have it as a source: for each source of each target SCons has something to
    read, to compare and to write in every build.
    """
    made: Node = add_step(env, JoinLines(), inputs={"pieces": pieces}, outputs={"lines": place}).lines
    return made

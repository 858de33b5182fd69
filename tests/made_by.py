"""Which process of a build did which step."""

from __future__ import annotations

from trees import Tree

#: Tells the process in which each step ran.
NOTED = """\
import os
from xspack_tool.plan import gate, step
inner = step.make_targets
def noted(node):
    with open(Dir("#").abspath + "/made-by", "a") as file:
        file.write(f"{step.planned_of(node).step.label} {os.getpid()}\\n")
    return inner(node)
step.make_targets = gate.make_targets = noted
"""


def processes(made: Tree) -> dict[str, set[str]]:
    """Word of a step -> the processes that did it."""
    found: dict[str, set[str]] = {}
    for line in (made.path / "made-by").read_text().splitlines():
        label, pid = line.split()
        found.setdefault(label, set()).add(pid)
    return found

"""Why targets of ours are built: the declared fields that changed, with old and new value. --debug=explain says it, and
the timeline of a build.

SCons itself would print the whole old and new declaration, and neither of them where a source changed as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from xspack_tool.model.canonical import lines
from xspack_tool.plan.node_record import record_of
from xspack_tool.plan.scons import explain_by, explanation, stored_declaration
from xspack_tool.plan.session import session


def install_explain() -> None:
    """Take part in SCons's explanations."""
    if not session().first_time("explain"):
        return

    def told(node: Any, explain: Callable[[Any], Any]) -> Any:
        text = explain(node)
        if not text or record_of(node).step is None or not node.exists():
            return text
        old = stored_declaration(node)
        # What SCons found out itself stays, but for the two full texts.
        head = text.split("because the build action changed:\n")[0]
        whole = head != text
        changes = "".join(f"{' ' * 11}{line}\n" for line in changed_fields(old, str(node.get_executor())))
        if whole:
            return f"{head}because its declaration changed:\n{changes}"
        return text + changes

    explain_by(told)


def why_built(node: Any) -> str:
    """Why SCons builds a node, in one line; to be asked before its file is written."""
    text = explanation(node).strip()
    _, because, reasons = text.partition(" because")
    return "; ".join(line.strip() for line in (reasons if because else text).strip(": \n").splitlines())


def changed_fields(old: str, new: str) -> list[str]:
    """``field: old -> new`` for each field in which two declarations, as StepAction writes them, differ."""
    before, after = (dict(map(_field, _lines(text))) for text in (old, new))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [
        f"{name}: {before.get(name, '(not there)')} -> {after.get(name, '(not there)')}" for name in names
    ]


def _lines(text: str) -> list[str]:
    name, _, more = text.partition("\n")
    fields, *modes = more.split("\n")
    return [name, *(lines(json.loads(fields)) if fields else []), *modes]


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(" = ")
    return name, value

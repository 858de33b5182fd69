"""Why targets of ours are built: the declared fields that changed, with old and new value. --debug=explain says it, and
the timeline of a build.

SCons itself would print the whole old and new declaration, and neither of them where a source changed as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from xspack_tool.model.canonical import fields
from xspack_tool.plan.node_record import record_of
from xspack_tool.plan.scons import (
    explain_by,
    explanation,
    sources_before,
    sources_now,
    stored_declaration,
)
from xspack_tool.plan.session import session


def install_explain() -> None:
    """Take part in SCons's explanations."""
    if not session().first_time("explain"):
        return

    def told(node: Any, explain: Callable[[Any], Any]) -> Any:
        text, planned = explain(node), record_of(node).step
        if not text or planned is None:
            return text
        if not node.exists():  # later the declared field tells it, when it changes
            return text + (f"{' ' * 11}{note}\n" if (note := planned.step.explained()) else "")
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
    """Why SCons builds a node, in one line; to be asked before its file is written.

    SCons's own explanation looks for each source in the list of all of them, twice: for an ISO of 500 RPMs that takes
    longer than the ISO.
    """
    old = sources_before(node) if node.exists() else {}
    new = sources_now(node) if old else {}
    said = [f"`{source}' is no longer a dependency" for source in old if source not in new]
    for source, content in new.items():
        if source not in old:
            said.append(f"`{source}' is a new dependency")
        elif old[source] != content:
            said.append(f"`{source}' changed")
    before, now = stored_declaration(node), str(node.get_executor())
    if old and before != now:
        said += changed_fields(before, now)
    return "; ".join(said) or _in_one_line(explanation(node))


def _in_one_line(text: str) -> str:
    _, because, reasons = text.strip().partition(" because")
    return "; ".join(line.strip() for line in (reasons if because else text).strip(": \n").splitlines())


def changed_fields(old: str, new: str) -> list[str]:
    """``field: old -> new`` for each field in which two declarations, as StepAction writes them, differ."""
    (label, before, noted), (new_label, after, new_noted) = _read(old), _read(new)
    old_fields = {label: _Said(""), **fields(before, after), **noted}
    new_fields = {new_label: _Said(""), **fields(after, before), **new_noted}
    names = [name for name in {**old_fields, **new_fields} if old_fields.get(name) != new_fields.get(name)]
    return [f"{name}: {_said(old_fields, name)} -> {_said(new_fields, name)}" for name in names]


def _read(text: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The label, what was declared, and what else was noted."""
    label, _, more = text.partition("\n")
    declared, *others = more.split("\n")
    noted = (line.partition(" = ") for line in others)
    return (
        label,
        json.loads(declared) if declared else {},
        {name: _Said(value) for name, _, value in noted},
    )


class _Said(str):
    """What is said as it stands, not as a value."""


def _said(declared: dict[str, Any], name: str) -> str:
    value = declared.get(name, _Said("(not there)"))
    return value if isinstance(value, _Said) else json.dumps(value, ensure_ascii=False, sort_keys=True)

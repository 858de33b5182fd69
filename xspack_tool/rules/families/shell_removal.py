"""R2: a remove script takes every step of the removal, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from xspack_tool.rules.context import PackContext
from xspack_tool.rules.finding import Hit, Severity
from xspack_tool.rules.registry import pack_rule
from xspack_tool.rules.shell.model import Command
from xspack_tool.rules.shell.walk import analyse

_ERASERS = frozenset({"rpm", "yum", "dnf", "dnf5"})
_KNOWN_WORDS = (
    "[ : echo printf cat cp mv rm mktemp sed awk grep cut tr sort head tail cd chmod sleep logger sh bash ssh xe rpm"
    " yum dnf dnf5 read local export trap set shift basename dirname . exec command"
)
_KNOWN = frozenset(_KNOWN_WORDS.split())
_Does = Callable[[Command], bool]


@pack_rule(
    "R2",
    "E",
    meaning="The remove script misses a step of the removal, or takes it too early",
    remedy="declare remove=True to have it written; the steps are: copy itself away, update-pool-clean, erase update-"
    "<label> and the payload, delete the applied record, update-resync-host, update-destroy, erase control-<label>",
    bad="rpm -e acme-agent",
    good="remove=True",
)
def remove_script(context: PackContext) -> Iterator[Hit]:
    """A script that leaves the work to programs of the vendor's own cannot be judged fully: W."""
    if context.remove_script is None:
        return
    script = analyse(context.remove_script)
    pack = context.pack
    names = [info.name for info in context.rpms]
    steps = _steps(pack.uuid, f"update-{pack.label}", f"control-{pack.label}", names, context.remove_script)
    severity: Severity | None = (
        "W" if any(command.name not in _KNOWN for command in script.commands) else None
    )
    reached = -1
    for words, does in steps:
        places = [place for place, command in enumerate(script.commands) if does(command)]
        if not places:
            yield Hit("remove", f"it does not {words}", severity)
        elif max(places) < reached:
            text = f"it takes a step too early: {words}"
            yield Hit("remove", text, severity, script.commands[max(places)].line)
        else:
            reached = max(reached, min(place for place in places if place >= reached))


def _steps(uuid: str, update: str, control: str, payload: list[str], text: str) -> list[tuple[str, _Does]]:
    return [
        ("copy itself away before its own package is erased", _copies_itself),
        ("free the pack's disk (xe update-pool-clean)", _xe("update-pool-clean")),
        (f"erase {update}", _erases(update)),
        *[(f"erase {name}", _erases(name, text)) for name in payload],
        (f"delete /var/update/applied/{uuid}", _deletes(f"/var/update/applied/{uuid}")),
        ("let the host look at its updates again (xe update-resync-host)", _xe("update-resync-host")),
        ("take the pack out of xapi's database (xe update-destroy)", _xe("update-destroy")),
        (f"erase {control}", _erases(control)),
    ]


def _copies_itself(command: Command) -> bool:
    return command.name in ("cp", "cat", "install") and any(
        word.text in ("$0", "$BASH_SOURCE") or word.text.endswith("/remove") for word in command.words[1:]
    )


def _xe(request: str) -> _Does:
    return lambda command: command.name == "xe" and request in command.args


def _erases(name: str, text: str = "") -> _Does:
    """Whether a command erases a package. With ``text``, the script, a loop over names is one as well."""
    pattern = re.compile(rf"(?<![\w.+-]){re.escape(name)}(?![\w.+-])")
    named = pattern.search(text) is not None

    def does(command: Command) -> bool:
        verbs = {"-e", "--erase", "remove", "erase", "autoremove"}
        if command.name not in _ERASERS or verbs.isdisjoint(command.args):
            return False
        return named or any(pattern.search(arg) for arg in command.args)

    return does


def _deletes(path: str) -> _Does:
    return lambda command: command.name in ("rm", "unlink") and path in command.operands

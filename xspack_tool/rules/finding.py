"""What rules find, as values that survive a JSON file."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import asdict

from xspack_tool.errors import visible

Severity = Literal["E", "W", "I"]

#: E stops the build, W is shown and counted, I informs; in the order in which they are shown.
SEVERITIES: tuple[Severity, ...] = ("E", "W", "I")


class Hit(Struct, frozen=True):
    """One breach of a rule, as the rule's function yields it.

    ``where`` is a path of the payload, a scriptlet (``%post``), or a field of the header or of the pack
    (``Requires``, ``license``); ``found`` says in words what was found there. ``severity`` and ``remedy`` are
    given only where they differ from the rule's own. ``rpm`` is given by rules of the pack that blame one
    RPM, its file name. ``unless_shipped`` names a path, or a file wherever it lies: the finding falls if any RPM of
    the pack ships it; ``unless_provided`` names a capability: it falls if the release provides it; ``unless_kept_out``
    names modules: it falls if the pack keeps all of them from being loaded. That an RPM does so is no breach, but told
    in the same way: ``keeps_out`` names such a module. ``unless_alone`` names what a pack may have once: the finding
    falls if no other of the pack names it.
    """

    where: str
    found: str
    severity: Severity | None = None
    line: int = 0
    remedy: str = ""
    rpm: str = ""
    unless_shipped: str = ""
    unless_provided: str = ""
    unless_kept_out: tuple[str, ...] = ()
    keeps_out: str = ""
    unless_alone: str = ""


class Skipped(Struct, frozen=True):
    """A rule could not be checked: ``needs`` says which input of the user's it lacks."""

    needs: str


class Finding(Struct, frozen=True):
    """One finding with everything a reader needs.

    ``pack`` is empty until the report puts an RPM into a pack; ``rpm`` is a file name, empty for what
    concerns the pack as a whole; ``waived`` holds the reason of a waiver.
    """

    rule: str
    severity: Severity
    found: str
    remedy: str = ""
    pack: str = ""
    rpm: str = ""
    where: str = ""
    line: int = 0
    waived: str = ""
    skipped: bool = False
    unless_shipped: str = ""
    unless_provided: str = ""
    unless_kept_out: tuple[str, ...] = ()
    keeps_out: str = ""
    unless_alone: str = ""

    @property
    def order(self) -> tuple[object, ...]:
        """Sorts the severest first, then by pack, RPM, rule and place."""
        rank = SEVERITIES.index(self.severity)
        return (rank, self.pack, self.rpm, self.rule, self.where, self.line, self.found)

    def __str__(self) -> str:
        place = self.where + (f":{self.line}" if self.line else "")
        head = ": ".join(part for part in (self.pack, self.rpm, place) if part)
        reason = f" (waived: {self.waived})" if self.waived else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return visible(f"{self.severity} {self.rule} {head}: {self.found}{remedy}{reason}")


def to_plain(finding: Finding) -> dict[str, Any]:
    """The finding for JSON, without the fields that say nothing."""
    return {key: value for key, value in asdict(finding).items() if value}


def from_plain(data: dict[str, Any]) -> Finding:
    """The finding of :func:`to_plain`; keys that this version does not know are left out. Raises ValueError for values
    that none has."""
    given = {key: value for key, value in data.items() if key in Finding.__struct_fields__}
    other = {"line": int, "skipped": bool, "unless_kept_out": list}
    if any(type(value) is not other.get(key, str) for key, value in given.items()):
        raise ValueError("a value of another type")
    if given["severity"] not in SEVERITIES:
        raise ValueError("an unknown severity")
    return Finding(**given)

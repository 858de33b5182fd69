"""The rules: how one is registered, and the list of all.

A rule is a small function with an id, a severity, a meaning and a remedy. There are three places where it
can look, and the decorator says which: an RPM's header (:func:`rpm_rule`), single files of its payload
(:func:`member_rule`), or the pack as a whole (:func:`pack_rule`). A rule that looks in a second place adds it
with :func:`also_on_rpm`, :func:`also_on_member` or :func:`also_on_pack`. A user's own rule is registered with
the same functions. A family of rules is a module in ``families``; putting it there is all it takes.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from xspack_tool.errors import DeclarationError, Problem
from xspack_tool.model.syntax import nearest
from xspack_tool.rpm.info import PayloadFile
from xspack_tool.rules import families
from xspack_tool.rules.context import Member, PackContext, RpmContext
from xspack_tool.rules.finding import SEVERITIES, Hit, Severity, Skipped

Hits = Iterable[Hit | Skipped]
OnRpm = Callable[[RpmContext], Hits]
OnMember = Callable[[RpmContext, Member], Hits]
OnPack = Callable[[PackContext], Hits]
Wants = Callable[[RpmContext, PayloadFile], bool]
_Check = TypeVar("_Check", bound=Callable[..., Hits])

_ID = re.compile(r"[A-Z][A-Za-z0-9_]*[0-9]+")


class Rule(Struct, frozen=True):
    """One rule: what it means, what to do, a breach and its like done right as examples, and its checks."""

    id: str
    severity: Severity
    meaning: str
    remedy: str
    bad: str = ""
    good: str = ""
    on_rpm: OnRpm | None = None
    on_member: OnMember | None = None
    wants: Wants | None = None
    on_pack: OnPack | None = None

    def problems(self) -> list[Problem]:
        """What is wrong with the rule itself; a user's own may be."""
        problems = []
        if not _ID.fullmatch(self.id):
            problems.append(
                Problem("id", self.id, "a rule's id must be letters and a number", 'such as "ACME1"')
            )
        if self.severity not in SEVERITIES:
            problems.append(Problem("severity", self.severity, "not a severity", 'use "E", "W" or "I"'))
        for name in ("meaning", "remedy"):
            if not getattr(self, name).strip():
                problems.append(
                    Problem(name, getattr(self, name), f"a rule must have a {name}", "give a sentence")
                )
        if not (self.on_rpm or self.on_member or self.on_pack):
            problems.append(Problem("check", None, "a rule must have a function that checks", "give check="))
        return problems

    @property
    def signature(self) -> str:
        """What findings depend on: the rule's words and the source of its functions."""
        parts = [self.id, self.severity, self.meaning, self.remedy]
        checks = (self.on_rpm, self.on_member, self.wants, self.on_pack)
        return "\0".join([*parts, *(_source(check) for check in checks if check)])


_RULES: dict[str, Rule] = {}


def register(rule: Rule) -> Rule:
    """Add a rule. Raises DeclarationError for one that is not well-formed or whose id another rule has."""
    problems = rule.problems()
    known = _RULES.get(rule.id)
    if known and known.signature != rule.signature:
        remedy = "choose an id of your own"
        problems.append(Problem("id", rule.id, f"the id of another rule: {known.meaning}", remedy))
    if problems:
        raise DeclarationError([problem.at(None, f"rule {rule.id}") for problem in problems])
    _RULES[rule.id] = rule
    return rule


def rpm_rule(
    id: str, severity: Severity, *, meaning: str, remedy: str, bad: str = "", good: str = ""
) -> Callable[[OnRpm], OnRpm]:
    """Register a function of an RPM's header (and scriptlets) as a rule."""

    def add(check: OnRpm) -> OnRpm:
        register(Rule(id, severity, meaning, remedy, bad, good, on_rpm=check))
        return check

    return add


def member_rule(
    id: str, severity: Severity, wants: Wants, *, meaning: str, remedy: str, bad: str = "", good: str = ""
) -> Callable[[OnMember], OnMember]:
    """Register a function of single files' contents; ``wants`` says from the header which files to read."""

    def add(check: OnMember) -> OnMember:
        register(Rule(id, severity, meaning, remedy, bad, good, on_member=check, wants=wants))
        return check

    return add


def pack_rule(
    id: str, severity: Severity, *, meaning: str, remedy: str, bad: str = "", good: str = ""
) -> Callable[[OnPack], OnPack]:
    """Register a function of the pack as a whole."""

    def add(check: OnPack) -> OnPack:
        register(Rule(id, severity, meaning, remedy, bad, good, on_pack=check))
        return check

    return add


def also_on_member(id: str, wants: Wants) -> Callable[[OnMember], OnMember]:
    """Let the rule of that id look at contents as well."""

    def add(check: OnMember) -> OnMember:
        _RULES[id] = replace(_RULES[id], on_member=check, wants=wants)
        return check

    return add


def also_on_rpm(id: str) -> Callable[[OnRpm], OnRpm]:
    """Let the rule of that id look at the header as well."""

    def add(check: OnRpm) -> OnRpm:
        _RULES[id] = replace(_RULES[id], on_rpm=check)
        return check

    return add


def also_on_pack(id: str) -> Callable[[OnPack], OnPack]:
    """Let the rule of that id look at the pack as a whole as well."""

    def add(check: OnPack) -> OnPack:
        _RULES[id] = replace(_RULES[id], on_pack=check)
        return check

    return add


@functools.cache
def _load_families() -> None:
    for family in sorted(module.name for module in pkgutil.iter_modules(families.__path__)):
        importlib.import_module(f"{families.__name__}.{family}")


def all_rules() -> tuple[Rule, ...]:
    """Every rule, in the order of ids (K2 before K10); loads the families on first use."""
    _load_families()
    return tuple(sorted(_RULES.values(), key=lambda rule: id_order(rule.id)))


def id_order(id: str) -> tuple[str, int]:
    """Sorts ``K9`` before ``K10``."""
    letters = id.rstrip("0123456789")
    return letters, int(id[len(letters) :] or 0)


def waiver_problems(waive: object) -> list[Problem]:
    """Mistakes in a declaration's ``waive``: not a mapping, ids that no rule has, reasons that are none."""
    if not isinstance(waive, dict):
        form = 'write it as {"P4": "why the rule does not apply here"}'
        return [Problem("waive", waive, "waivers must be a mapping of rule ids to reasons", form)]
    ids = [rule.id for rule in all_rules()]
    problems = []
    for id, reason in waive.items():
        if id not in ids:
            remedy = nearest(str(id).upper(), ids) or "see xspack rules for the list"
            problems.append(Problem("waive", id, "no rule has this id", remedy))
        elif not isinstance(reason, str) or not reason.strip():
            problems.append(
                Problem(f"waive[{id!r}]", reason, "a waiver must give its reason", "say why in words")
            )
    return problems


def _source(check: Callable[..., object]) -> str:
    try:
        return inspect.getsource(check)
    except (OSError, TypeError):
        code = getattr(check, "__code__", None)
        return f"{code.co_code.hex()}{code.co_names}" if code else check.__qualname__

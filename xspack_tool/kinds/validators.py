"""Validators of a field's value: what types it may have, checked before anything is read out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from SCons.Node import Node
from SCons.Util import flatten, is_Sequence

from xspack_tool.errors import Problem
from xspack_tool.model.changelog import FORM
from xspack_tool.model.syntax import check_text
from xspack_tool.plan.sources import XsConfig, XsDir, XsFile, XsLink


class Validator(Struct, frozen=True):
    """``words`` say what a value is that ``holds``: "a text". ``hint`` says it as a type, with the names of
    kinds/stubs.py; ``remedy`` is what to do with another, besides correcting it."""

    words: str
    holds: Callable[[Any], bool]
    hint: str = "Any"
    remedy: str = ""

    def problems(self, field: str, value: object, *, needed: bool = False) -> list[Problem]:
        """What is wrong with the value of a field, by its type alone. One that is ``needed`` must not be left out."""
        if not self.holds(value):
            remedy = self.remedy or ("correct it" if needed else "correct it, or leave it out")
            return [Problem(field, value, f"{field} must be {self.words}", remedy)]
        return []


class ItemValidator(Validator, frozen=True):
    """Of a field that takes one thing or lists of it, where ``holds`` is asked of each: one that is wrong is told by
    itself, by ``rule``."""

    rule: str = ""

    def problems(self, field: str, value: object, *, needed: bool = False) -> list[Problem]:
        return [
            Problem(field, item, self.rule, self.remedy) for item in flatten([value]) if not self.holds(item)
        ]


def settled(value: Any) -> Any:
    """A value with each generator in it as the list that it gives: it could be gone through only once."""
    if isinstance(value, Iterator):
        return [settled(item) for item in value]
    if type(value) in (list, tuple):
        return type(value)(map(settled, value))
    if type(value) is dict:
        return {key: settled(item) for key, item in value.items()}
    return value


def text_problems(field: str, value: object) -> list[Problem]:
    """The first text within a value that no RPM can hold, or no index of one."""
    return next((found for text in _texts(value) if (found := check_text(field, text))), [])


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from (*_texts(key), *_texts(item))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def is_source(value: Any) -> bool:
    """Whether a value can be what a file, or a target, is named by."""
    return isinstance(value, Node) or (isinstance(value, str) and bool(value.strip()))


def _is_user(value: Any) -> bool:
    from xspack_tool.rpm.scriptlets.accounts import Account

    return isinstance(value, (str, Account))


def _is_report(value: Any) -> bool:
    from xspack_tool.rpm.scriptlets.status_report import StatusReport

    return isinstance(value, StatusReport)


def _is_payload(value: Any) -> bool:
    if isinstance(value, (XsFile, XsDir, XsConfig)):
        if isinstance(value, XsDir) and value.source is None:
            return True
        value = value.source
    return isinstance(value, XsLink) or _are(is_source)(value)


def _are(one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Whether a value is one such thing, or any lists of them."""
    return lambda value: all(map(one, flatten([value]))) and (is_Sequence(value) or one(value))


def _single(value: Any) -> bool:
    items = flatten([value])
    return len(items) == 1 and is_source(items[0])


def _table(key: Callable[[Any], bool], item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Mapping) and all(key(k) and item(v) for k, v in value.items())


TEXT = Validator("a text", _is_text, "str")
TEXTS = Validator("a text, or a list of texts", _are(_is_text), "Texts")
NUMBER = Validator("a whole number from 0", lambda value: type(value) is int and value >= 0, "int")
FLAG = Validator("True or False", lambda value: isinstance(value, bool), "bool")
PATH = Validator("a path", is_source, "Source")
FILE = Validator("one file: a path, or what a builder returns", _single, "Source")
FLAG_OR_FILE = Validator(
    "True, False, or a file", lambda value: isinstance(value, bool) or _single(value), "bool | Source"
)
FILES = Validator("files: paths, or what builders return", _are(is_source), "Sources")
FILE_TABLE = Validator(
    "a table, destination -> file, folder, XsFile, XsDir or XsLink",
    _table(_is_text, _is_payload),
    "Mapping[str, Sources | XsFile | XsDir | XsConfig | XsLink]",
)
SCRIPT_TABLE = Validator(
    "a table, scriptlet -> shell text or file",
    _table(_is_text, lambda value: value == "" or _single(value)),
    "Mapping[str, Source]",
)
TEXT_TABLE = Validator("a table, text -> text", _table(_is_text, _is_text), "Mapping[str, str]")
PLAIN_TABLE = Validator(
    "a table, name -> text or number", _table(_is_text, _is_plain), "Mapping[str, str | int]"
)
PATHS_WITH_MODES = Validator(
    "paths, or a table, path -> mode",
    lambda value: TEXTS.holds(value) or PLAIN_TABLE.holds(value),
    "Texts | Mapping[str, str | int]",
)
DEPENDENCIES = ItemValidator(
    "a dependency, or a list of dependencies",
    _is_text,
    "Texts",
    'write it as "name >= version"',
    "a dependency must be a text",
)
CHANGELOG = ItemValidator(
    "a changelog entry, or a list of them",
    _is_text,
    "Texts",
    f'write it as "{FORM}"',
    "a changelog entry must be a text",
)
USERS = ItemValidator(
    "a name or XsUser, or a list of them",
    _is_user,
    "Texts | XsUser | Sequence[str | XsUser]",
    'give a name, or env.XsUser("name", ..)',
    "a user must be a name or env.XsUser(..)",
)
REPORTS = ItemValidator(
    "an XsStatusReport, or a list of them",
    _is_report,
    "XsStatusReport | Sequence[XsStatusReport]",
    "give env.XsStatusReport(..)",
    "a status report must be env.XsStatusReport(..)",
)
WAIVERS = Validator(
    "a table, rule id -> reason",
    lambda value: isinstance(value, dict),
    "Mapping[str, str]",
    'write it as {"P4": "why the rule does not apply here"}',
)
ROLLUPS = Validator(
    "uuids, or a table, uuid -> label",
    lambda value: TEXT_TABLE.holds(value) or TEXTS.holds(value),
    "Texts | Mapping[str, str]",
)

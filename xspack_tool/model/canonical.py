"""A declaration as one text that depends on nothing but what was declared."""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

from msgspec import NODEFAULT, Struct, StructMeta


def plain(value: Any) -> Any:
    """Structs, tuples and dates as the lists, dicts and texts of JSON; defaults left out."""
    if isinstance(value, Struct):
        return {name: plain(item) for name, item in _declared(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{value!r} has no canonical form")


def canonical(value: Any) -> str:
    """Sorted JSON: the same for equal declarations on every machine and under every hash seed."""
    return _ENCODER.encode(value)


@functools.cache
def _fields(kind: StructMeta) -> tuple[tuple[str, Any], ...]:
    """The fields of values of a kind, each with its default."""
    names, defaults = kind.__struct_fields__, kind.__struct_defaults__
    return tuple(zip(names, (NODEFAULT,) * (len(names) - len(defaults)) + defaults, strict=True))


def _declared(value: Struct) -> Iterator[tuple[str, Any]]:
    """The fields whose values are not their defaults."""
    for name, default in _fields(type(value)):
        item = getattr(value, name)
        if item is not default and item != default:
            yield name, item


def _shallow(value: Any) -> Any:
    """What :func:`plain` says of one value, the values within it as they are: every target is encoded each time."""
    return dict(_declared(value)) if isinstance(value, Struct) else plain(value)


#: In no declaration.
_NOTHING = object()
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_shallow)


def fields(declared: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Each field of what a declaration's canonical text says with its value, by its name, but for what ``known`` has in
    the same place: of thousands of fields one changed."""
    return dict(_named(declared, known, ""))


def _named(data: Any, known: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if data == known:
        return
    if isinstance(data, dict):
        others = known if isinstance(known, dict) else {}
        for key in sorted(data):
            yield from _named(data[key], others.get(key, _NOTHING), f"{prefix}.{key}" if prefix else key)
    elif isinstance(data, list) and any(isinstance(item, (dict, list)) for item in data):
        others = dict(map(_label, known, count())) if isinstance(known, list) else {}
        for label, item in map(_label, data, count()):
            yield from _named(item, others.get(label, _NOTHING), f"{prefix}[{label}]")
    else:
        yield prefix, data


def _label(item: Any, number: int) -> tuple[str, Any]:
    """What tells an item of a list from the others, so that inserting one does not rename the rest, and the item."""
    if isinstance(item, dict):
        for key in ("path", "name", "phase", "date"):
            if key in item:
                return str(item[key]), item
    return str(number), item

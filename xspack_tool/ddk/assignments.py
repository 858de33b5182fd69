"""The values that a shell script assigns, read with bash's grammar, without running it.

Plain assignments are followed in their order; those under conditions, and values out of commands, are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xspack_tool.binary.grammars import parser, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

#: A value that doubles itself line by line must not grow for ever.
_MAX_VALUE = 64 * 1024


@dataclass(frozen=True)
class Assigned:
    """``values`` are variables, and array elements as ``NAME[0]``, after the plain assignments of a script.
    ``untold`` are the names of those whose value takes more than reading, or that are assigned under a condition."""

    values: Mapping[str, str]
    untold: frozenset[str]


def assignments(text: str, given: Mapping[str, str]) -> Assigned:
    """What a script assigns, from the variables that are ``given``."""
    values, untold, followed = dict(given), set(), set()
    root = parser("bash").parse(text.encode()).root_node
    for node in root.named_children:
        for assignment in _plain_assignments(node):
            followed.add(assignment.start_byte)
            target, value = assignment.child_by_field_name("name"), assignment.child_by_field_name("value")
            if target is None:
                continue
            key = _key(target, values)
            told = value is None or value.type == "array" or _value(value, values) is not None
            if not key or not told:
                untold.add(_base(target))
            if value is not None and value.type == "array":
                for number, item in enumerate(value.named_children):
                    _assign(values, f"{text_of(target)}[{number}]", _value(item, values))
            elif key:
                _assign(values, key, "" if value is None else _value(value, values))
    untold |= {_base(target) for at, target in _targets(root) if at not in followed}
    return Assigned(values, frozenset(untold))


def _targets(node: Node) -> Iterator[tuple[int, Node]]:
    """Where each assignment of a script begins, and what it assigns to; those before a command set its environment
    alone."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        target = one.child_by_field_name("name") if one.type == "variable_assignment" else None
        if target is not None and (one.parent is None or one.parent.type != "command"):
            yield one.start_byte, target
        waiting += one.named_children


def _base(target: Node) -> str:
    """The variable of an assignment, without the index of an element."""
    return text_of(target).split("[")[0]


def _assign(values: dict[str, str], key: str, value: str | None) -> None:
    if value is None or len(value) > _MAX_VALUE:
        values.pop(key, None)
    else:
        values[key] = value


def _plain_assignments(node: Node) -> Iterator[Node]:
    """The assignments of a statement that take place for sure."""
    if node.type == "variable_assignment":
        yield node
    elif node.type in ("variable_assignments", "declaration_command", "command"):
        # The grammar joins a line of several assignments with the command of a later line.
        name = node.child_by_field_name("name") if node.type == "command" else None
        for child in node.named_children:
            if child.type == "variable_assignment" and (
                name is None or child.end_point[0] < name.start_point[0]
            ):
                yield child


def _key(target: Node, values: Mapping[str, str]) -> str | None:
    if target.type != "subscript":
        return text_of(target)
    name, index = target.child_by_field_name("name"), target.child_by_field_name("index")
    number = _value(index, values) if index is not None else None
    return (
        f"{text_of(name)}[{number}]"
        if name is not None and number is not None and number.isdecimal()
        else None
    )


def _value(node: Node, values: Mapping[str, str]) -> str | None:
    """The text that a word becomes, or None if that takes more than known variables."""
    if node.type in ("word", "number", "string_content"):
        return (
            re.sub(r"\\\n", "", text_of(node))
            if node.type == "string_content"
            else re.sub(r"\\(.)", r"\1", text_of(node))
        )
    if node.type == "raw_string":
        return text_of(node)[1:-1]
    if node.type in ("simple_expansion", "expansion"):
        names = [child for child in node.named_children if child.type == "variable_name"]
        # Inside a string the grammar takes blanks before it along.
        text = text_of(node)
        blanks = text[: len(text) - len(text.lstrip())]
        if len(names) != 1 or text.lstrip() not in (f"${text_of(names[0])}", f"${{{text_of(names[0])}}}"):
            return None
        value = values.get(text_of(names[0]))
        return None if value is None else blanks + value
    if node.type == "arithmetic_expansion":
        return _sum(text_of(node)[3:-2], values)
    if node.type in ("string", "concatenation"):
        return _joined(node, values)
    return None


def _joined(node: Node, values: Mapping[str, str]) -> str | None:
    """The parts of a string, with the blanks between them that the grammar leaves out."""
    quote = 1 if node.type == "string" else 0
    whole, start = node.text or b"", node.start_byte
    at, parts = quote, []
    for child in node.named_children:
        part = _value(child, values)
        if part is None:
            return None
        parts += [whole[at : child.start_byte - start].decode(), part]
        at = child.end_byte - start
    parts.append(whole[at : len(whole) - quote].decode())
    text = "".join(parts)
    return re.sub(r'\\(["$`\\])', r"\1", text) if quote else text


def _sum(text: str, values: Mapping[str, str]) -> str | None:
    """``$((i+1))``: a sum of numbers and variables."""
    total = 0
    for term in text.split("+"):
        value = values.get(term.strip().lstrip("$"), term.strip())
        if not re.fullmatch(r"[0-9]{1,9}", value):
            return None
        total += int(value)
    return str(total)

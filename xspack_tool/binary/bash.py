"""Bash, read with its grammar and never run: its words without quotes, what it assigns, the commands in it.

Of assignments, those under conditions are followed where that is asked for; values out of commands are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from xspack_tool.binary.grammars import parser, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

#: A value that doubles itself line by line must not grow for ever.
_MAX_VALUE = 64 * 1024
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
#: What some text stands for, None where that is not known.
Value = Callable[["Node"], "str | None"]


class Assigned(Struct, frozen=True):
    """``values`` are variables, and array elements as ``NAME[0]``, after the assignments of a script. ``untold`` are
    the names of those whose value takes more than reading, or that are assigned under a condition."""

    values: Mapping[str, str]
    untold: frozenset[str]


class Call(NamedTuple):
    """A simple command: its program and what it is given, and the assignments before it, ``NAME=value``."""

    words: list[str]
    environment: list[str]


def parts(node: Node) -> Iterator[str | Node]:
    """A word as bash reads it: texts without their quotes, and the nodes that something else is put in for, as for
    ``$name``."""
    if node.type in ("word", "number", "extglob_pattern", "regex") and not node.named_child_count:
        yield _unescaped(text_of(node))
    elif node.type == "raw_string":
        yield text_of(node)[1:-1]
    elif node.type == "ansi_c_string":
        yield re.sub(r"\\(.)", lambda sign: _ESCAPES.get(sign[1], sign[0]), text_of(node)[2:-1])
    elif node.type == "string":
        yield from _string(node)
    elif node.type == "translated_string":
        yield from _string(node.named_children[0])
    elif node.type == "concatenation":
        yield from _concatenated(node)
    else:
        yield node


def assignments(text: str, given: Mapping[str, str], *, conditional: bool = False) -> Assigned:
    """What a script assigns, from the variables that are ``given``; with ``conditional``, as if all of it ran once."""
    values, untold, followed = dict(given), set(), set()
    root = parser("bash").parse(text.encode()).root_node
    plain = (found for node in root.named_children for found in _plain_assignments(node))
    for assignment in _assignments(root) if conditional else plain:
        followed.add(assignment.start_byte)
        target, value = assignment.child_by_field_name("name"), assignment.child_by_field_name("value")
        if target is None:
            continue
        key = _key(target, values)
        told = value is None or value.type == "array" or _text(value, values) is not None
        if not key or not told:
            untold.add(_base(target))
        if value is not None and value.type == "array":
            for number, item in enumerate(value.named_children):
                _assign(values, f"{text_of(target)}[{number}]", _text(item, values))
        elif key:
            _assign(values, key, "" if value is None else _text(value, values))
    for assignment in _assignments(root):
        target = assignment.child_by_field_name("name")
        if target is not None and assignment.start_byte not in followed:
            untold.add(_base(target))
    return Assigned(values, frozenset(untold))


def commands(text: str, values: Mapping[str, str] | None = None) -> Iterator[Call]:
    """The simple commands of a script, with the variables of ``values`` in them, others being empty. Without, and where
    it takes more than variables, they are as they are written."""

    def value(node: Node) -> str:
        known = None if values is None else _value(node, values)
        if known is None and values is not None and node.type in ("simple_expansion", "expansion"):
            return ""
        return text_of(node).lstrip() if known is None else known

    for node in _walk(parser("bash").parse(text.encode()).root_node, "command"):
        if node.type != "command":
            continue
        call = Call([], [])
        for child in node.named_children:
            if child.type == "variable_assignment":
                call.environment.append(_environment(child, value))
            elif child.type == "command_name" and child.named_children:
                call.words.extend(_fields(child.named_children[0], value))
            elif child.type != "comment" and not child.type.endswith("_redirect"):
                call.words.extend(_fields(child, value))
        yield call


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\n?)(.?)", lambda sign: sign[2], text, flags=re.DOTALL)


def _string(node: Node) -> Iterator[str | Node]:
    data, at = node.text or b"", 1
    for child in node.named_children:
        if child.type == "string_content":
            continue
        # The grammar counts blanks before a $ as part of it.
        blanks = len(text_of(child)) - len(text_of(child).lstrip())
        start = child.start_byte - node.start_byte + blanks
        yield _quoted(data[at:start])
        yield child
        at = child.end_byte - node.start_byte
    yield _quoted(data[at : max(at, len(data) - 1)])


def _concatenated(node: Node) -> Iterator[str | Node]:
    """Its words, and the signs between them that the grammar has no name for."""
    data, at = node.text or b"", 0
    for child in node.named_children:
        yield data[at : child.start_byte - node.start_byte].decode("utf-8", "replace")
        yield from parts(child)
        at = child.end_byte - node.start_byte
    yield data[at:].decode("utf-8", "replace")


def _quoted(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return re.sub(r'\\([$`"\\\n])', lambda sign: "" if sign[1] == "\n" else sign[1], text)


def _joined(node: Node, value: Value) -> str | None:
    """The text that a word becomes, None where that of something in it is not known."""
    texts = []
    for part in parts(node):
        text = part if isinstance(part, str) else value(part)
        if text is None:
            return None
        texts.append(text)
    return "".join(texts)


def _text(node: Node, values: Mapping[str, str]) -> str | None:
    return _joined(node, lambda part: _value(part, values))


def _value(node: Node, values: Mapping[str, str]) -> str | None:
    """What is put in for a node, or None if that takes more than known variables."""
    if node.type in ("simple_expansion", "expansion"):
        names = [text_of(child) for child in node.named_children if child.type == "variable_name"]
        plain = len(names) == 1 and text_of(node).lstrip() in (f"${names[0]}", f"${{{names[0]}}}")
        return values.get(names[0]) if plain else None
    if node.type == "arithmetic_expansion":
        return _sum(text_of(node).lstrip()[3:-2], values)
    return None


def _sum(text: str, values: Mapping[str, str]) -> str | None:
    """``$((i+1))``: a sum of numbers and variables."""
    total = 0
    for term in text.split("+"):
        value = values.get(term.strip().lstrip("$"), term.strip())
        if not re.fullmatch(r"[0-9]{1,9}", value):
            return None
        total += int(value)
    return str(total)


def _fields(node: Node, value: Value) -> list[str]:
    """The words that one word becomes: a variable that is not in quotes is split at blanks."""
    text = _joined(node, value) or ""
    return text.split() if node.type in ("simple_expansion", "expansion") else [text]


def _environment(assignment: Node, value: Value) -> str:
    name, given = assignment.child_by_field_name("name"), assignment.child_by_field_name("value")
    text = None if given is None else _joined(given, value)
    return f"{'' if name is None else text_of(name)}={text or ''}"


def _walk(root: Node, whole: str = "") -> Iterator[Node]:
    """All nodes in their order, but not what is within those of one type."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        if node.type != whole:
            waiting += reversed(node.named_children)


def _assignments(root: Node) -> Iterator[Node]:
    """All assignments; those before a command set its environment alone."""
    for node in _walk(root):
        if node.type == "variable_assignment" and (node.parent is None or node.parent.type != "command"):
            yield node


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


def _base(target: Node) -> str:
    """The variable of an assignment, without the index of an element."""
    return text_of(target).split("[")[0]


def _assign(values: dict[str, str], key: str, value: str | None) -> None:
    if value is None or len(value) > _MAX_VALUE:
        values.pop(key, None)
    else:
        values[key] = value


def _key(target: Node, values: Mapping[str, str]) -> str | None:
    if target.type != "subscript":
        return text_of(target)
    name, index = target.child_by_field_name("name"), target.child_by_field_name("index")
    number = _text(index, values) if index is not None else None
    return (
        f"{text_of(name)}[{number}]"
        if name is not None and number is not None and number.isdecimal()
        else None
    )

"""What a condition says about the host: ``[ .. ]``, ``test`` and the commands that ask whether it is booted."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from xspack_tool.binary.grammars import text_of
from xspack_tool.rules.shell.model import (
    ARGUMENT,
    HAS,
    INSTALLING,
    LACKS,
    NOTHING,
    PREVIOUS,
    PREVIOUS_VARIABLE,
    RUNNING,
    Command,
    Guards,
    Word,
)
from xspack_tool.rules.shell.variable_conditions import of_variable

if TYPE_CHECKING:
    from tree_sitter import Node

    from xspack_tool.rules.shell.words import Expander

#: What is known if a condition holds, and if it does not.
Known = tuple[Guards, Guards]

UNKNOWN: Known = (NOTHING, NOTHING)
BOOTED: Known = (frozenset({RUNNING}), frozenset({INSTALLING}))
_OPERANDS_WORDS = (
    "word string raw_string ansi_c_string translated_string number simple_expansion expansion concatenation"
    " command_substitution arithmetic_expansion extglob_pattern regex variable_name"
)
_OPERANDS = frozenset(_OPERANDS_WORDS.split())
#: Paths that exist on a booted host alone (sd_booted(3); xapi's own cookie).
_BOOTED_PATHS = frozenset(
    {
        "/run/systemd/system",
        "/var/run/systemd/system",
        "/var/run/xapi_init_complete.cookie",
        "/var/lib/xcp/xapi",
    }
)
_EQUAL = frozenset({"=", "==", "-eq"})
_UNEQUAL = frozenset({"!=", "-ne"})


def of_command(command: Command) -> Known:
    """What the status of a command says."""
    name, args = command.name, command.args
    known = UNKNOWN
    asks_init = name in ("pidof", "pgrep") and not {"systemd", "init", "xapi"}.isdisjoint(args)
    asks_level = name == "runlevel" or (name == "who" and "-r" in args)
    looks_up = name in ("which", "type", "hash") or (name == "command" and args[:1] in (("-v",), ("-V",)))
    if asks_init or asks_level:
        known = BOOTED
    elif name == "ischroot":
        known = swapped(BOOTED)
    elif name == "systemctl" and not {"is-system-running", "is-active"}.isdisjoint(args):
        known = (BOOTED[0], NOTHING)
    elif command.operands and (looks_up or (name == "rpm" and "-q" in args)):
        known = _installed(posixpath.basename(command.operands[-1]))
    if any(word.reads_argument for word in command.words):
        known = both(known, frozenset({ARGUMENT}))
    return known


def of_pipeline(members: Sequence[Known], last: Command | None) -> Known:
    """What a pipeline's status says: ``runlevel | grep -q 3``."""
    if last is None or last.name not in ("grep", "egrep", "fgrep") or BOOTED not in members:
        argument = any(ARGUMENT in if_true for if_true, _ in members)
        return both(members[-1], frozenset({ARGUMENT})) if argument else members[-1]
    swap = any("unknown" in arg for arg in last.args) != ("-v" in last.args)
    return swapped(BOOTED) if swap else (BOOTED[0], NOTHING)


def swapped(known: Known) -> Known:
    """What the negated condition says."""
    return known[1], known[0]


def both(known: Known, guards: Guards) -> Known:
    """The same, with something that is known either way."""
    return known[0] | guards, known[1] | guards


def of_case(value: Word, pattern: str) -> Guards:
    """What a way of a ``case`` says."""
    if value.reads_argument:
        return frozenset({ARGUMENT})
    if "$(runlevel" in value.refs:
        return BOOTED[1] if "unknown" in pattern or pattern in ("", "*") else BOOTED[0]
    if value.text == f"${PREVIOUS_VARIABLE}" and pattern not in ("", "*"):
        return frozenset({PREVIOUS})
    return NOTHING


def tokens_of(node: Node, expand: Callable[[Node], Word]) -> list[Word | str]:
    """A ``[ .. ]`` or ``[[ .. ]]`` as a flat list: operands as words, operators and brackets as texts."""
    tokens: list[Word | str] = []
    pending = list(reversed(node.children))
    while pending:
        child = pending.pop()
        if child.type in _OPERANDS:
            tokens.append(expand(child))
        elif child.type == "test_operator" or not child.child_count:
            tokens.append(text_of(child).strip())
        else:
            pending.extend(reversed(child.children))
    return [token for token in tokens if token not in ("[", "]", "[[", "]]", "")]


def tokens_of_test(words: Sequence[Word]) -> list[Word | str]:
    """The arguments of ``test`` in the same form."""
    operator = re.compile(r"!|=|==|!=|\(|\)|-[a-zA-Z]{1,2}")
    return [word.text if not word.refs and operator.fullmatch(word.text) else word for word in words]


def of_test(tokens: Sequence[Word | str], expander: Expander) -> Known:
    """What a test says. Brackets are ignored."""
    if_true: Guards | None = None
    if_false: Guards = NOTHING
    for part in _split([token for token in tokens if token not in ("(", ")")], ("-o", "||")):
        part_true, part_false = NOTHING, None
        for piece in _split(part, ("-a", "&&")):
            piece_true, piece_false = _primary(list(piece), expander)
            part_true |= piece_true
            part_false = piece_false if part_false is None else part_false & piece_false
        if_true = part_true if if_true is None else if_true & part_true
        if_false |= part_false or NOTHING
    return if_true or NOTHING, if_false


def _split(tokens: Sequence[Word | str], at: tuple[str, ...]) -> list[list[Word | str]]:
    parts: list[list[Word | str]] = [[]]
    for token in tokens:
        if isinstance(token, str) and token in at and parts[-1]:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _primary(tokens: list[Word | str], expander: Expander) -> Known:
    turned = False
    while tokens and tokens[0] == "!":
        turned, tokens = not turned, tokens[1:]
    words = [token for token in tokens if isinstance(token, Word)]
    operators = [token for token in tokens if isinstance(token, str)]
    known = _simple(operators[0] if operators else "-n", words, expander)
    if any(word.reads_argument for word in words):
        known = both(known, frozenset({ARGUMENT}))
    return swapped(known) if turned else known


def _simple(operator: str, words: list[Word], expander: Expander) -> Known:
    if not words:
        return UNKNOWN
    if len(words) == 1:
        if words[0].variable and operator in ("-n", "-z"):
            return of_variable(
                words[0].variable, expander.variables, lambda text: bool(text) == (operator == "-n")
            )
        return _unary(operator, words[0])
    first, other = words[0], words[1].text
    if not first.refs and words[1].refs:
        first, other = words[1], words[0].text
    if operator not in _EQUAL | _UNEQUAL:
        return UNKNOWN
    known = UNKNOWN
    if first.success or first.failure:
        known = (first.success, first.failure) if other == "0" else UNKNOWN
    elif first.variable:
        known = of_variable(first.variable, expander.variables, lambda text: text == other)
    elif "$(runlevel" in first.refs:
        known = swapped(BOOTED) if "unknown" in other or not other else (BOOTED[0], NOTHING)
    elif _names_previous(first):
        empty = other == first.text.replace(f"${PREVIOUS_VARIABLE}", "")
        known = (NOTHING, frozenset({PREVIOUS})) if empty else (frozenset({PREVIOUS}), NOTHING)
    return swapped(known) if operator in _UNEQUAL else known


def _unary(operator: str, word: Word) -> Known:
    if operator in ("-d", "-e", "-S", "-f") and word.text.rstrip("/") in _BOOTED_PATHS:
        return BOOTED
    if operator in ("-x", "-f", "-e") and word.text.startswith("/"):
        return _installed(posixpath.basename(word.text))
    if "$(runlevel" in word.refs and operator in ("-n", "-z"):
        return BOOTED if operator == "-n" else swapped(BOOTED)
    if _names_previous(word) and operator in ("-n", "-z", "-d", "-e", "-v"):
        known = (frozenset({PREVIOUS}), NOTHING)
        return swapped(known) if operator == "-z" else known
    if operator == "-v" and word.text == PREVIOUS_VARIABLE:
        return frozenset({PREVIOUS}), NOTHING
    return UNKNOWN


def _names_previous(word: Word) -> bool:
    """Whether the word is empty, but for a constant, exactly where the variable is not set."""
    refs = {ref.lstrip("+") for ref in word.refs}
    return refs == {PREVIOUS_VARIABLE} and "/" not in word.text


def _installed(program: str) -> Known:
    return frozenset({HAS + program}), frozenset({LACKS + program})

"""Firewall rules as users write them: read, checked, and said again for a shell, a saved file or firewalld."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from msgspec import Struct

from xspack_tool.errors import Problem

_FORM = 'write it as iptables takes it behind the chain: "-p tcp --dport 5900 -j ACCEPT"'
#: What chooses the chain, the table or the action: that is the generated script's to say.
_OURS_WORDS = (
    "-A -C -D -I -R -L -S -F -Z -N -X -P -E -t -w -W -c -n -v -h -V -4 -6 --append --check --delete --insert"
    " --replace --list --list-rules --flush --zero --new-chain --delete-chain --policy --rename-chain --table"
    " --wait --set-counters --numeric --verbose --line-numbers --help --version --modprobe --exact"
)
_OURS = frozenset(_OURS_WORDS.split())
_PORTS = frozenset({"--dport", "--sport", "--destination-port", "--source-port"})
_PORT_LISTS = frozenset({"--dports", "--sports", "--ports", "--destination-ports", "--source-ports"})
_WITH_PORTS = frozenset({"tcp", "udp", "udplite", "sctp", "dccp", "6", "17"})
_PORT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*")
_TARGET = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,28}")
_JUMPS = ("-j", "--jump", "-g", "--goto")


class FirewallRule(Struct, frozen=True):
    """A rule without its chain, as words: ``("-p", "tcp", "--dport", "5900", "-j", "ACCEPT")``."""

    words: tuple[str, ...]

    @property
    def for_shell(self) -> str:
        """The words quoted for a shell."""
        return shlex.join(self.words)

    @property
    def for_saved_file(self) -> str:
        """The words quoted as iptables-save writes them."""
        return " ".join(_saved(word) for word in self.words)

    def value(self, *options: str) -> str:
        """What follows the first of the options that is there, empty where none is."""
        pairs = zip(self.words, self.words[1:], strict=False)
        return next((behind for word, behind in pairs if word in options), "")


def parse_rule(field: str, value: object) -> FirewallRule | Problem:
    """Read one rule; a Problem says what iptables or a shell would make of it."""
    if not isinstance(value, str) or re.search(r"[\x00-\x1f\x7f]", value):
        return Problem(field, value, "a firewall rule must be one line of text", _FORM)
    try:
        words = tuple(shlex.split(value))
    except ValueError as wrong:
        return Problem(field, value, f"its quotes do not match ({wrong})", _FORM)
    rule = FirewallRule(words)
    why = _first_mistake(rule)
    return Problem(field, value, *why) if why else rule


def parse_rules(field: str, values: Sequence[object]) -> tuple[list[FirewallRule], list[Problem]]:
    """Read several rules: those that are right, and what is wrong with the others."""
    read = [parse_rule(f"{field}[{place}]", value) for place, value in enumerate(values)]
    rules = [one for one in read if isinstance(one, FirewallRule)]
    return rules, [one for one in read if isinstance(one, Problem)]


def _first_mistake(rule: FirewallRule) -> tuple[str, str] | None:
    words = rule.words
    if not words or not words[0].startswith(("-", "!")):
        return "a firewall rule must begin with an option", _FORM
    for word in words:
        if word in _OURS or re.fullmatch(r"-[ADIRNXFPE][A-Za-z].*", word):
            return f"{word} is not for a rule: its chain is made by the package's scriptlets", _FORM
    jumps = [place for place, word in enumerate(words) if word in _JUMPS]
    if len(jumps) != 1 or jumps[0] + 1 >= len(words):
        return "a rule must have one target", "end it with -j ACCEPT (or DROP, REJECT, ..)"
    if not _TARGET.fullmatch(words[jumps[0] + 1]):
        return f"{words[jumps[0] + 1]!r} is not a target", "end it with -j ACCEPT (or DROP, REJECT, ..)"
    return _port_mistake(rule)


def _port_mistake(rule: FirewallRule) -> tuple[str, str] | None:
    protocol = rule.value("-p", "--protocol", "--proto").lower()
    for word, behind in zip(rule.words, (*rule.words[1:], ""), strict=True):
        if word not in _PORTS | _PORT_LISTS:
            continue
        if protocol not in _WITH_PORTS:
            return f"{word} needs a protocol with ports before it", "put -p tcp or -p udp before it"
        several = word in _PORT_LISTS
        parts = behind.split(",") if several else [behind]
        if several and rule.value("-m", "--match") != "multiport":
            return f"{word} needs -m multiport", "put -m multiport before it"
        for part in parts:
            ends = part.split(":")
            if len(ends) > 2 or not all(_is_port(end) for end in ends):
                return (
                    f"{part!r} is not a port",
                    "give a number from 0 to 65535, or a range such as 5900:5910",
                )
    return None


def _is_port(text: str) -> bool:
    return int(text) <= 65535 if re.fullmatch(r"[0-9]{1,5}", text) else bool(_PORT_NAME.fullmatch(text))


def _saved(word: str) -> str:
    if re.fullmatch(r"[^\s\"'\\]+", word):
        return word
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'

"""What iptables commands do: add to a chain, restore the saved rules, save them."""

from __future__ import annotations

import re

from msgspec import Struct

from xspack_tool.rules.shell.model import Command, Script
from xspack_tool.rules.shell.services import request

_PROGRAM = re.compile(r"(ip6?tables)(?:-legacy|-nft)?(-save|-restore)?")
_ADDS = ("-A", "-I", "--append", "--insert")
_READS = frozenset({"-L", "-S", "-C", "-V", "-h", "--list", "--list-rules", "--check", "--version", "--help"})


def saved_file(family: str) -> str:
    """Where the rules of ``iptables`` or ``ip6tables`` are kept over a boot."""
    return f"/etc/sysconfig/{family}"


def program(command: Command) -> tuple[str, str] | None:
    """``("iptables", "")``, ``("ip6tables", "-save")`` and so on; None for other programs."""
    found = _PROGRAM.fullmatch(command.name)
    return (found[1], found[2] or "") if found else None


class Change(Struct, frozen=True):
    """A rule that a command adds (``append``: at the end), or takes away or flushes."""

    family: str
    action: str
    chain: str
    table: str
    rule: tuple[str, ...]

    @property
    def adds(self) -> bool:
        return self.action in ("append", "insert")


def change(command: Command) -> Change | None:
    """What a call of iptables changes in a chain, None for other commands."""
    called = program(command)
    if called is None or called[1]:
        return None
    actions = {"-A": "append", "-I": "insert", "-D": "delete", "-F": "flush", "-R": "replace"}
    actions |= {"--append": "append", "--insert": "insert", "--delete": "delete", "--flush": "flush"}
    table, action, chain = "filter", "", ""
    args = command.args
    for place, word in enumerate(args):
        behind = args[place + 1] if place + 1 < len(args) else ""
        if word in ("-t", "--table"):
            table = behind
        elif word in actions and not action:
            action, chain = actions[word], behind
        elif re.fullmatch(r"-[AIDR][A-Za-z].*", word) and not action:
            action, chain = actions[word[:2]], word[2:]
    return Change(called[0], action, chain, table, args) if action else None


def touches(command: Command) -> bool:
    """Whether it uses iptables for more than looking."""
    found = program(command)
    if found is None:
        return False
    if found[1] == "-save":
        return any(redirect.writes for redirect in command.redirects) or "-f" in command.args
    return bool(command.args or found[1]) and _READS.isdisjoint(command.args)


def restores(script: Script, command: Command, family: str) -> bool:
    """Whether it loads the saved rules of a family."""
    if asked := request(command):
        return asked[1].removesuffix(".service") == family and asked[0] in ("start", "restart", "reload")
    if program(command) != (family, "-restore") or {"-t", "--test"} & set(command.args):
        return False
    saved = saved_file(family)
    sources = [redirect.target.text for redirect in command.redirects if redirect.operator == "<"]
    upstream = [
        operand
        for other in script.before(command)
        if command.pipeline and other.pipeline == command.pipeline
        for operand in (*other.operands, *[redirect.target.text for redirect in other.redirects])
    ]
    return saved in (*sources, *command.operands, *upstream)


def saves(script: Script, command: Command, family: str) -> bool:
    """Whether it writes the loaded rules of a family to their saved file, also by way of another file."""
    saved = saved_file(family)
    if asked := request(command):
        return asked == ("save", family)
    if command.name == "iptables.init":
        return "save" in command.args
    if program(command) != (family, "-save"):
        return False
    targets = {redirect.target.text for redirect in command.redirects if redirect.writes}
    targets |= {
        arg for option, arg in zip(command.args, command.args[1:], strict=False) if option in ("-f", "--file")
    }
    for member in script.downstream(command):
        targets |= {redirect.target.text for redirect in member.redirects if redirect.writes}
        targets |= set(member.operands) if member.name in ("tee", "sponge") else set()
    return saved in targets or any(_moves(other, targets, saved) for other in script.after(command))


def _moves(command: Command, sources: set[str], target: str) -> bool:
    if command.name in ("mv", "cp", "install", "rename"):
        return command.operands[-1:] == (target,) and not sources.isdisjoint(command.operands[:-1])
    writes = any(redirect.writes and redirect.target.text == target for redirect in command.redirects)
    return command.name == "cat" and writes and not sources.isdisjoint(command.operands)

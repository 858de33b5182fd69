"""S3 to S7: firewall rules that neither get lost nor lose those of the host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeAlias

from xspack_tool.rules.context import RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import rpm_rule
from xspack_tool.rules.shell.iptables import (
    Change,
    change,
    program,
    restores,
    saved_file,
    saves,
    touches,
)
from xspack_tool.rules.shell.model import HAS, LACKS, RUNNING, Command
from xspack_tool.rules.shell.scriptlets import ShellScriptlet, shell_scriptlets

#: The chains of the filter table of dom0's /etc/sysconfig/iptables behind whose end nothing is reached: INPUT and
#: FORWARD hand everything to RH-Firewall-1-INPUT, which ends in REJECT.
_CLOSED = frozenset({"RH-Firewall-1-INPUT", "INPUT", "FORWARD"})
_RIGHT = (
    "%post\niptables-restore < /etc/sysconfig/iptables\niptables -I RH-Firewall-1-INPUT -p tcp --dport 5900 -j ACCEPT"
    "\niptables-save > /etc/sysconfig/iptables"
)


@rpm_rule(
    "S3",
    "E",
    meaning="iptables rules are added without restoring the saved ones first",
    remedy="run iptables-restore < /etc/sysconfig/iptables before, or declare firewall=[..]",
    bad="%post\niptables -I INPUT -p tcp --dport 5900 -j ACCEPT\niptables-save > /etc/sysconfig/iptables",
    good=_RIGHT,
)
def adds_unrestored(context: RpmContext) -> Iterator[Hit]:
    """Without it the rules are added to an empty table while the host is installed. One finding a scriptlet: where
    they are not saved either, this one tells it."""
    for scriptlet, command, family in _first(_unrestored(context)):
        file = saved_file(family)
        found = f"{command.shown!r} with no {family}-restore < {file} before it"
        if not _is_saved(scriptlet, command, family):
            found += f" and no {family}-save > {file} after it"
        yield Hit(scriptlet.where, found, line=command.line)


@rpm_rule(
    "S4",
    "E",
    meaning="iptables rules are added and not saved",
    remedy="run iptables-save > /etc/sysconfig/iptables after, or declare firewall=[..]",
    bad="%post\niptables-restore < /etc/sysconfig/iptables\niptables -I INPUT -p tcp --dport 5900 -j ACCEPT",
    good=_RIGHT,
)
def adds_unsaved(context: RpmContext) -> Iterator[Hit]:
    """What is not saved is gone with the next boot, and with the installer. One finding a scriptlet."""
    unsaved = (
        (scriptlet, command, family)
        for scriptlet, command, family in _added(context)
        if _is_restored(scriptlet, command, family) and not _is_saved(scriptlet, command, family)
    )
    for scriptlet, command, family in _first(unsaved):
        found = f"{command.shown!r} with no {family}-save > {saved_file(family)} after it"
        yield Hit(scriptlet.where, found, line=command.line)


@rpm_rule(
    "S5",
    "E",
    meaning="iptables rules are saved before any were restored: an installation loses the default rules",
    remedy="run iptables-restore < /etc/sysconfig/iptables first, or declare firewall=[..]",
    bad="%post\niptables-save > /etc/sysconfig/iptables",
    good=_RIGHT,
)
def saves_unrestored(context: RpmContext) -> Iterator[Hit]:
    """Nothing is lost by a removal, or on a booted host, where the rules are loaded. What adds rules there is S3's."""
    told = {(scriptlet.where, family) for scriptlet, _, family in _unrestored(context)}
    lost = (
        (scriptlet, command, family)
        for scriptlet in shell_scriptlets(context.info)
        if scriptlet.phase not in ("preun", "postun")
        for command in scriptlet.script.commands
        for family in ("iptables", "ip6tables")
        if RUNNING not in command.guards
        and saves(scriptlet.script, command, family)
        and not _is_restored(scriptlet, command, family)
        and not _is_out_of_place(context, command)
        and (scriptlet.where, family) not in told
    )
    for scriptlet, command, family in _first(lost):
        text = f"{command.shown!r} with no {family}-restore < {saved_file(family)} before it"
        yield Hit(scriptlet.where, text, line=command.line)


@rpm_rule(
    "S6",
    "W",
    meaning="An iptables rule is appended to a chain behind its final REJECT, where it is never reached",
    remedy="insert it (-I), or use a chain of the package's own: declare firewall=[..]",
    bad="%post\niptables-restore < /etc/sysconfig/iptables\n"
    "iptables -A RH-Firewall-1-INPUT -p tcp --dport 5900 -j ACCEPT\niptables-save > /etc/sysconfig/iptables",
    good=_RIGHT,
)
def appends_unreachable(context: RpmContext) -> Iterator[Hit]:
    """A chain of the package's own is no such chain, nor one whose REJECT is taken out before."""
    if context.profile.firewall == "firewalld":
        return
    for scriptlet, command, added in _additions(context):
        if added.action != "append" or added.table != "filter" or added.chain not in _CLOSED:
            continue
        earlier = [done for other in scriptlet.script.before(command) if (done := change(other))]
        if not any(done.chain == added.chain and done.action in ("delete", "flush") for done in earlier):
            text = f"{command.shown!r} appends to {added.chain}, where all packets end in a REJECT before"
            yield Hit(scriptlet.where, text, line=command.line)


@rpm_rule(
    "S7",
    "E",
    meaning="iptables is used on a release whose firewall is firewalld",
    remedy="declare firewall=[..], or ship a service file and run firewall-offline-cmd",
    bad="%post  (on xenserver-9)\niptables -I INPUT -p tcp --dport 5900 -j ACCEPT",
    good="%post\nfirewall-offline-cmd --zone=public --add-service=acme || :",
)
def iptables_beside_firewalld(context: RpmContext) -> Iterator[Hit]:
    """A script that asks which of the two there is may serve both. One finding a scriptlet."""
    for scriptlet in shell_scriptlets(context.info):
        wrong = (one for one in scriptlet.script.commands if _is_out_of_place(context, one))
        for command in islice(wrong, 1):
            found = f"{command.shown!r} on {context.profile.title}, whose firewall is firewalld"
            yield Hit(scriptlet.where, found, line=command.line)


_ASKS_FOR_IPTABLES = {HAS + name for name in ("iptables", "ip6tables")} | {
    LACKS + name for name in ("firewalld", "firewall-cmd", "firewall-offline-cmd")
}


def _is_out_of_place(context: RpmContext, command: Command) -> bool:
    """Whether S7 reports it: a use of iptables where firewalld is; no other rule reports it then."""
    if context.profile.firewall != "firewalld" or not _ASKS_FOR_IPTABLES.isdisjoint(command.guards):
        return False
    return bool(touches(command) and program(command))


_Use: TypeAlias = "tuple[ShellScriptlet, Command, str]"


def _added(context: RpmContext) -> Iterator[_Use]:
    """Every command that adds a rule where iptables has a place, with the family of the rule."""
    for scriptlet, command, added in _additions(context):
        if not _is_out_of_place(context, command):
            yield scriptlet, command, added.family


def _unrestored(context: RpmContext) -> Iterator[_Use]:
    return (use for use in _added(context) if not _is_restored(*use))


def _is_restored(scriptlet: ShellScriptlet, command: Command, family: str) -> bool:
    script = scriptlet.script
    return any(restores(script, other, family) for other in script.before(command))


def _is_saved(scriptlet: ShellScriptlet, command: Command, family: str) -> bool:
    script = scriptlet.script
    return any(saves(script, other, family) for other in script.after(command))


def _first(uses: Iterable[_Use]) -> Iterator[_Use]:
    """The first of each family in each scriptlet: what mends it mends the others."""
    seen: set[tuple[str, str]] = set()
    for use in uses:
        place = (use[0].where, use[2])
        if place not in seen:
            seen.add(place)
            yield use


def _additions(context: RpmContext) -> Iterator[tuple[ShellScriptlet, Command, Change]]:
    """Every command of a scriptlet that adds a rule to a chain."""
    for scriptlet in shell_scriptlets(context.info):
        for command in scriptlet.script.commands:
            added = change(command)
            if added is not None and added.adds:
                yield scriptlet, command, added

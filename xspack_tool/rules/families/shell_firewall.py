"""S3 to S7: firewall rules that neither get lost nor lose those of the host."""

from __future__ import annotations

from collections.abc import Iterator

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
    """Without it the rules are added to an empty table while the host is installed."""
    for scriptlet, command, added in _additions(context):
        script, family = scriptlet.script, added.family
        if not any(restores(script, other, family) for other in script.before(command)):
            found = f"{command.shown!r} with no {family}-restore < {saved_file(family)} before it"
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
    """What is not saved is gone with the next boot, and with the installer."""
    for scriptlet, command, added in _additions(context):
        script, family = scriptlet.script, added.family
        if not any(saves(script, other, family) for other in script.after(command)):
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
    """Nothing is lost by a removal, or on a booted host, where the rules are loaded."""
    for scriptlet in shell_scriptlets(context.info):
        script = scriptlet.script
        if scriptlet.phase in ("preun", "postun"):
            continue
        for command in script.commands:
            for family in ("iptables", "ip6tables"):
                if RUNNING in command.guards or not saves(script, command, family):
                    continue
                if not any(restores(script, other, family) for other in script.before(command)):
                    found = f"{command.shown!r} with no {family}-restore < {saved_file(family)} before it"
                    yield Hit(scriptlet.where, found, line=command.line)


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
            found = f"{command.shown!r} appends to {added.chain}, where all packets end in a REJECT before"
            yield Hit(scriptlet.where, found, line=command.line)


@rpm_rule(
    "S7",
    "E",
    meaning="iptables is used on a release whose firewall is firewalld",
    remedy="declare firewall=[..], or ship a service file and run firewall-offline-cmd",
    bad="%post  (on xenserver-9)\niptables -I INPUT -p tcp --dport 5900 -j ACCEPT",
    good="%post\nfirewall-offline-cmd --zone=public --add-service=acme || :",
)
def iptables_beside_firewalld(context: RpmContext) -> Iterator[Hit]:
    """A script that asks which of the two there is may serve both."""
    if context.profile.firewall != "firewalld":
        return
    asked = {HAS + name for name in ("iptables", "ip6tables")}
    asked |= {LACKS + name for name in ("firewalld", "firewall-cmd", "firewall-offline-cmd")}
    for scriptlet in shell_scriptlets(context.info):
        for command in scriptlet.script.commands:
            if touches(command) and program(command) and asked.isdisjoint(command.guards):
                found = f"{command.shown!r} on {context.profile.title}, whose firewall is firewalld"
                yield Hit(scriptlet.where, found, line=command.line)


def _additions(context: RpmContext) -> Iterator[tuple[ShellScriptlet, Command, Change]]:
    """Every command of a scriptlet that adds a rule to a chain."""
    for scriptlet in shell_scriptlets(context.info):
        for command in scriptlet.script.commands:
            added = change(command)
            if added is not None and added.adds:
                yield scriptlet, command, added

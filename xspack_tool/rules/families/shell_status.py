"""S8 and S9: scriptlets that the shell cannot read, or whose status rpm takes for a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from xspack_tool.rules.context import RpmContext
from xspack_tool.rules.families.script_lines import first_cr
from xspack_tool.rules.families.shell_processes import changes_what_runs
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import rpm_rule
from xspack_tool.rules.shell.model import Command
from xspack_tool.rules.shell.scriptlets import ShellScriptlet, shell_scriptlets
from xspack_tool.rules.shell.services import request

#: Programs that fail only where the machine is out of order; what they are asked for is there.
_RELIABLE_WORDS = (
    "echo printf cat cd chmod chown chgrp cp install ln ldconfig depmod dracut mkdir mv rm rmdir sed awk tee touch sync"
    " sleep umask export local unset read logger restorecon chkconfig iptables-save ip6tables-save"
    " systemd-tmpfiles systemd-sysusers systemd-hwdb update-ca-trust mktemp date dirname basename sort head tail tr"
    " cut wc uname hostname true set shift break continue trap eval find xargs"
)
#: A command of this form is one of job control (`fg %name`), and fails in every script.
_MACRO = re.compile(r"%\{?[A-Za-z_]")
_NO_MACRO = (
    "write in the spec what it stands for, or define it there: no macros of the build machine are used"
)
_RELIABLE = frozenset(_RELIABLE_WORDS.split())
_OFFLINE = frozenset({"enable", "disable", "preset", "reenable", "mask", "unmask", "daemon-reload"})


@rpm_rule(
    "S8",
    "W",
    meaning="The shell cannot read a scriptlet: sh -n fails, or (E) a macro that rpmbuild did not know is left in it",
    remedy="correct the line that the shell names",
    bad="%post\nif [ -e /etc/acme.conf ]; then\n    echo found",
    good="%post\nif [ -e /etc/acme.conf ]; then\n    echo found\nfi",
)
def unreadable(context: RpmContext) -> Iterator[Hit]:
    """Scriptlets of other interpreters are left alone."""
    for scriptlet in shell_scriptlets(context.info):
        if first_cr(scriptlet.text) or scriptlet.text.startswith("\ufeff"):
            continue  # B8 tells the cause
        if error := scriptlet.syntax_error:
            line, words = error
            yield Hit(scriptlet.where, f"sh -n says: {words}", line=line)
        for command in scriptlet.script.commands:
            if _MACRO.match(command.name):
                text = f"{command.shown!r} is a macro that was not known where the RPM was built"
                yield Hit(scriptlet.where, text, "E", command.line, _NO_MACRO)
        if not scriptlet.script.complete:
            text = "it is too long or nested too deeply to be judged"
            yield Hit(scriptlet.where, text, remedy="move the work into a program of the payload")


@rpm_rule(
    "S9",
    "W",
    meaning="A %pre or %post may end with a status other than 0: after %pre rpm does not install the package, after"
    " %post it reports it as failed",
    remedy="end the command with || :, or the script with exit 0; a refusal says why before it exits",
    bad="%post\n[ -e /etc/acme.conf ] && /opt/acme/bin/register",
    good="%post\nif [ -e /etc/acme.conf ]; then\n    /opt/acme/bin/register || :\nfi",
)
def may_abort(context: RpmContext) -> Iterator[Hit]:
    """A conditional exit of %pre after a message refuses on purpose."""
    for scriptlet in shell_scriptlets(context.info):
        if scriptlet.phase not in ("pre", "post"):
            continue
        for line, found in sorted(set(_failures(scriptlet))):
            yield Hit(scriptlet.where, found, line=line)


def _failures(scriptlet: ShellScriptlet) -> Iterator[tuple[int, str]]:
    script = scriptlet.script
    for end in script.exits:
        meant = scriptlet.phase == "pre" and end.branch and end.said
        if end.status != "0" and not meant:
            yield end.line, f"it may end with 'exit {end.status}'"
    for command in script.fatal:
        if not _reliable(command) and not changes_what_runs(command):
            yield command.line, f"{command.shown!r} may fail, and set -e ends the script with its status"
    for command in script.last:
        if not _reliable(command) and not changes_what_runs(command):
            yield command.line, f"{command.shown!r} comes last, and its status may be other than 0"


def _reliable(command: Command) -> bool:
    if command.negated:
        return False
    asked = request(command)
    return command.name in _RELIABLE or (asked is not None and asked[0] in _OFFLINE)

"""U1, U2 and U4: scriptlets and upgrades."""

from __future__ import annotations

from collections.abc import Iterator

from xspack_tool.rules.context import RpmContext
from xspack_tool.rules.families.shell_processes import changes_what_runs
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import rpm_rule
from xspack_tool.rules.shell.model import ARGUMENT, PREVIOUS, PREVIOUS_VARIABLE, Command
from xspack_tool.rules.shell.scriptlets import shell_scriptlets
from xspack_tool.rules.shell.services import request

_TESTED = (
    '%post\nif [ -n "$XS_PREVIOUS_INSTALLATION" ]; then\n'
    '    cp -p "$XS_PREVIOUS_INSTALLATION/etc/acme.conf" /etc/acme.conf || :\nfi'
)
#: Programs all of whose operands, or whose last one, they write.
_WRITES_ALL = frozenset(
    {"rm", "rmdir", "mkdir", "touch", "chmod", "chown", "chgrp", "tee", "truncate", "mv", "unlink"}
)
_WRITES_LAST = frozenset({"cp", "ln", "install", "rsync"})
#: Programs that do no harm when they run on an upgrade too.
_HARMLESS_WORDS = (
    "[ : echo printf cat cd date dirname basename depmod dracut mkinitrd ldconfig udevadm export local unset read"
    " logger grep sed awk egrep sort head tail cut tr wc uname hostname id getent which type command rpm sleep sync"
    " umask shift set trap eval mkdir touch restorecon systemd-tmpfiles systemd-hwdb mktemp runlevel ls find stat"
    " gtk-update-icon-cache update-mime-database update-desktop-database fc-cache glib-compile-schemas update-ca-trust"
    " readlink break continue source . realpath modinfo lsmod cmp diff comm uniq weak-modules md5sum sha1sum sha256sum"
    " lspci lsusb lsblk df du ps pgrep pidof seq expr file od"
)
_HARMLESS = frozenset(_HARMLESS_WORDS.split())
_HARMLESS_REQUESTS = frozenset(
    {"daemon-reload", "try-restart", "condrestart", "reload", "is-active", "is-enabled", "status", "show"}
)


@rpm_rule(
    "U1",
    "W",
    meaning=f"A scriptlet reads {PREVIOUS_VARIABLE}, which the release's installer never sets",
    remedy="leave it out, migrate= as well: keep state where an upgrade of the pack finds it: /etc, with config=; "
    "only installers before release 7.1 set it",
    bad=f"{_TESTED}\n(on xenserver-8)",
    good="%post\n[ -e /etc/acme.conf ] || cp /opt/acme/share/default.conf /etc/acme.conf || :",
)
def reads_what_is_never_set(context: RpmContext) -> Iterator[Hit]:
    """One finding a scriptlet."""
    if context.profile.sets_previous_installation:
        return
    for scriptlet in shell_scriptlets(context.info):
        if line := scriptlet.script.reads.get(PREVIOUS_VARIABLE):
            title = context.profile.title
            yield Hit(scriptlet.where, f"reads {PREVIOUS_VARIABLE}, which nothing sets on {title}", line=line)


@rpm_rule(
    "U2",
    "W",
    meaning=f"A scriptlet reads {PREVIOUS_VARIABLE} without testing that it is set, or writes below it",
    remedy=f'put it inside: if [ -n "${PREVIOUS_VARIABLE}" ]; then .. fi, and copy out of it only: it is read-only',
    bad='%post\ncp "$XS_PREVIOUS_INSTALLATION/etc/acme.conf" /etc/acme.conf || :',
    good=_TESTED,
)
def misuses_previous(context: RpmContext) -> Iterator[Hit]:
    """Where it is not set, the path below it is one of the new root. Where nothing ever sets it, U1 tells that."""
    if not context.profile.sets_previous_installation:
        return
    for scriptlet in shell_scriptlets(context.info):
        for command in scriptlet.script.commands:
            if PREVIOUS not in command.guards and _reads(command):
                text = f"{command.shown!r} without testing that {PREVIOUS_VARIABLE} is set"
                yield Hit(scriptlet.where, text, line=command.line)
            if _writes_below(command):
                text = f"{command.shown!r} writes below {PREVIOUS_VARIABLE}"
                yield Hit(scriptlet.where, text, line=command.line)


@rpm_rule(
    "U4",
    "W",
    meaning="%preun or %postun ignores its argument, so it acts on an upgrade too",
    remedy='put it inside: if [ "$1" = 0 ]; then .. fi',
    bad="%preun\nsystemctl disable acme.service || :",
    good='%preun\nif [ "$1" = 0 ]; then\n    systemctl disable acme.service || :\nfi',
)
def ignores_argument(context: RpmContext) -> Iterator[Hit]:
    """Refreshing a cache or a table, such as depmod does, is right on an upgrade as well. What starts a process or
    changes the running kernel has a finding already (S1, S2, S10)."""
    for scriptlet in shell_scriptlets(context.info):
        if scriptlet.phase not in ("preun", "postun"):
            continue
        for command in scriptlet.script.commands:
            if ARGUMENT not in command.guards and _acts(command) and not changes_what_runs(command):
                yield Hit(scriptlet.where, f"{command.shown!r} runs whatever $1 is", line=command.line)


def _reads(command: Command) -> bool:
    words = [*command.words, *[redirect.target for redirect in command.redirects]]
    return any(PREVIOUS_VARIABLE in word.refs for word in words)


def _writes_below(command: Command) -> bool:
    below = f"${PREVIOUS_VARIABLE}/"
    written = [redirect.target.text for redirect in command.redirects if redirect.writes]
    if command.name in _WRITES_ALL or (
        command.name == "sed" and any(arg.startswith("-i") for arg in command.args)
    ):
        written += command.operands
    elif command.name in _WRITES_LAST:
        written += command.operands[-1:]
    written += [arg[3:] for arg in command.args if command.name == "dd" and arg.startswith("of=")]
    return any(path.startswith(below) for path in written)


def _acts(command: Command) -> bool:
    if any(word.reads_argument for word in command.words) or command.name in _HARMLESS:
        return False
    if command.name in ("sh", "bash"):
        # The text of -c and of here-documents was read; what a file of the payload does is not known.
        return "-c" not in command.args and bool(command.operands)
    asked = request(command)
    return asked is None or asked[0] not in _HARMLESS_REQUESTS

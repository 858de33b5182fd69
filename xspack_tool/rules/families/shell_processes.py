"""S1 and S2: a scriptlet may run in the installer's chroot, where nothing is booted and nothing may be started."""

from __future__ import annotations

import re
from collections.abc import Iterator

from xspack_tool.rules.context import RpmContext
from xspack_tool.rules.finding import Hit, Severity
from xspack_tool.rules.registry import rpm_rule
from xspack_tool.rules.shell.model import RUNNING, Command
from xspack_tool.rules.shell.scriptlets import shell_scriptlets
from xspack_tool.rules.shell.services import request

_STARTS = frozenset({"start", "restart", "reload-or-restart", "force-restart", "isolate"})
_TRIES = frozenset(
    {
        "try-restart",
        "condrestart",
        "try-reload-or-restart",
        "reload-or-try-restart",
        "force-reload",
        "condreload",
    }
)
_DETACHES = frozenset({"nohup", "setsid"})
_STARTERS = frozenset({"systemd-run", "daemon", "daemonize", "at", "batch", "xe-toolstack-restart"})
_ASKS = frozenset({"is-active", "is-failed", "status", "list-units", "list-timers"})
_HOST_PROGRAMS = frozenset({"xe", "xl", "xapi-wait-init-complete", "xe-toolstack-restart"})
#: Options by which modprobe only shows or tries.
_READS = ("-n", "--dry-run", "--show", "-D", "-c", "--resolve-alias", "-R", "-V", "--version", "-h")
_TOLERATED = (
    "leave it to the next boot (after_apply=['restartHost']), or waive S1 and say why it must run at once"
)
_LOCAL = re.compile(r"(?:.*@|https?://)?(?:localhost|127\.0\.0\.1|\[?::1\]?|\$\(\)|\$HOSTNAME)(?:[:/].*)?")
_REACHES = frozenset({"ssh", "scp", "sftp", "curl", "wget"})


@rpm_rule(
    "S1",
    "E",
    meaning="A scriptlet starts a process",
    remedy="enable the unit and let the next boot start it; what must run at once goes inside: "
    "if runlevel >/dev/null 2>&1; then .. fi",
    bad="%post\nsystemctl start acme.service",
    good="%post\nsystemctl enable acme.service || :",
)
def starts_process(context: RpmContext) -> Iterator[Hit]:
    """Starting is tolerated (W) on a booted host, and where only a running service is restarted."""
    for scriptlet in shell_scriptlets(context.info):
        for command in scriptlet.script.commands:
            if found := _started(command):
                words, mild = found
                tolerated = mild or RUNNING in command.guards
                severity: Severity | None = "W" if tolerated else None
                yield Hit(scriptlet.where, words, severity, command.line, _TOLERATED if tolerated else "")


@rpm_rule(
    "S2",
    "E",
    meaning="A scriptlet assumes that the host is booted and running",
    remedy="put it inside: if runlevel >/dev/null 2>&1; then .. fi",
    bad="%post\nxe host-list",
    good="%post\nif runlevel >/dev/null 2>&1; then\n    xe host-list || :\nfi",
)
def assumes_booted(context: RpmContext) -> Iterator[Hit]:
    """xapi, its tools and the service manager answer on a booted host only."""
    for scriptlet in shell_scriptlets(context.info):
        for command in scriptlet.script.commands:
            if RUNNING not in command.guards and not _started(command) and (needs := _needed(command)):
                yield Hit(scriptlet.where, f"{command.shown!r} needs {needs}", line=command.line)


@rpm_rule(
    "S10",
    "W",
    meaning="A scriptlet loads or unloads modules, or changes network interfaces, on whatever runs at that time",
    remedy="leave it to the next boot: depmod, an initrd and after_apply=['restartHost'] are enough",
    bad="%post\nmodprobe acme",
    good="%post\n/sbin/depmod 4.19.0+1 || :",
)
def changes_running_kernel(context: RpmContext) -> Iterator[Hit]:
    """In the installer that is the installer itself; on a host, guests lose their disks or their network. Loading is
    let through on a booted host."""
    for scriptlet in shell_scriptlets(context.info):
        for command in scriptlet.script.commands:
            if what := _changed(command):
                yield Hit(scriptlet.where, f"{command.shown!r} {what}", line=command.line)


def changes_what_runs(command: Command) -> bool:
    """Whether S1, S2 or S10 report the command; their remedy removes it, whatever its status is."""
    unguarded = RUNNING not in command.guards
    return bool(_started(command) or _changed(command) or (unguarded and _needed(command)))


def _changed(command: Command) -> str:
    name, args, operands = command.name, command.args, command.operands
    if name in ("modprobe", "insmod"):
        if not operands or any(arg.startswith(_READS) for arg in args):
            return ""
        removes = any(re.fullmatch(r"--remove.*|-[a-z]*r[a-z]*", arg) for arg in args)
        return "unloads a module" if removes else "" if RUNNING in command.guards else "loads a module"
    if name == "rmmod" and operands:
        return "unloads a module"
    sets = name in ("ip", "ifconfig") and not {"set", "add", "del", "delete", "up", "down"}.isdisjoint(
        operands[1:]
    )
    if name in ("ifup", "ifdown") or (sets and (name == "ifconfig" or operands[0] in ("link", "l"))):
        return "changes a network interface"
    return ""


def _started(command: Command) -> tuple[str, bool] | None:
    """What it starts in words, and whether that is only a service that runs already."""
    if asked := request(command):
        verb, service = asked
        if verb in _TRIES:
            return f"{command.shown!r} restarts {service}", True
        now = verb in ("enable", "reenable", "preset") and "--now" in command.args
        if verb in _STARTS or now:
            return f"{command.shown!r} starts {service or 'processes'}", False
    if detached := _DETACHES & {*command.wrappers, command.name}:
        return f"{command.shown!r} is started with {min(detached)}", False
    if command.name == "start-stop-daemon" and {"--start", "-S"} & set(command.args):
        return f"{command.shown!r} starts a process", False
    if command.name in _STARTERS:
        return f"{command.shown!r} starts a process", False
    if command.background:
        return f"{command.shown!r} is started in the background (&)", False
    return None


def _needed(command: Command) -> str:
    if command.name in _HOST_PROGRAMS or command.name.startswith("xenstore-"):
        return "xapi or Xen to run"
    if asked := request(command):
        return "a running service manager" if asked[0] in _ASKS else ""
    texts = (*command.args, *[redirect.body for redirect in command.redirects])
    if command.name.startswith("python") and any("XenAPI" in text for text in texts):
        return "xapi to run"
    if command.name in _REACHES and any(_LOCAL.fullmatch(word) for word in command.operands):
        return "a server on this host"
    return ""

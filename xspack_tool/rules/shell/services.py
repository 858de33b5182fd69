"""Commands that ask a service manager for something: one reading of systemctl, service and init scripts."""

from __future__ import annotations

from xspack_tool.rules.shell.model import Command

_INIT_FOLDERS = ("/etc/init.d/", "/etc/rc.d/init.d/")
#: Options of systemctl whose value is the next word.
_VALUED = frozenset({"-H", "-M", "-t", "-p", "-n", "-o", "-s", "--host", "--machine", "--type", "--root"})


def request(command: Command) -> tuple[str, str] | None:
    """What is asked for, and of which service: ``("start", "acme")``; None for other commands."""
    operands = _operands(command)
    if command.name == "systemctl" and operands:
        return operands[0], " ".join(operands[1:])
    if command.name in ("service", "invoke-rc.d", "rc-service") and len(operands) > 1:
        return operands[1], operands[0]
    if command.words[0].text.startswith(_INIT_FOLDERS) and operands:
        return operands[0], command.name
    if command.name in ("initctl", "supervisorctl") and len(operands) > 1:
        return operands[0], operands[1]
    return None


def _operands(command: Command) -> list[str]:
    found, args = [], list(command.args)
    while args:
        word = args.pop(0)
        if command.name == "systemctl" and word in _VALUED and args:
            args.pop(0)
        elif not word.startswith("-"):
            found.append(word)
    return found

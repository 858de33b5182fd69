"""A kit on another machine, reached by the system's OpenSSH client: never asked anything, always checked."""

from __future__ import annotations

import os
import re
import shlex
import threading
from functools import cache
from pathlib import Path

from msgspec import Struct

from xspack_tool.errors import Problem, StepError
from xspack_tool.run import BUILDING, Done, run

#: ssh's own status for everything that is its fault or the connection's (ssh(1), EXIT STATUS).
SSH_FAILED = 255
#: What ssh says, as a pattern, and what it means, with what to do.
_REASONS = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed",
        (
            "its host key is not the one in known_hosts: compare it with the machine's own (ssh-keygen -lf "
            "/etc/ssh/ssh_host_ed25519_key.pub there) before you enter it with ssh-keyscan"
        ),
    ),
    (
        r"Permission denied|Too many authentication failures|no such identity|Load key",
        "access denied without a password: give identity= a key without passphrase, or one in the agent",
    ),
    (r"Could not resolve hostname", "host not found: check host="),
    (
        r"Connection refused|Connection timed out|No route to host|Network is unreachable|Operation timed out",
        "it cannot be reached: check host= and port=, and that the machine runs",
    ),
)


class RemoteDdk(Struct, frozen=True):
    """Where a kit is: ``host`` as ssh takes it (``root@ddk-8.4``), and how to get in.

    ``identity`` and ``known_hosts`` are files; without them ssh's own configuration counts. ``tree`` is the
    kernel build tree there, empty for that of the kernel it has. ``jobs`` builds run there at once.
    """

    host: str
    port: int | None = None
    identity: Path | None = None
    known_hosts: Path | None = None
    tree: str = ""
    jobs: int = 1

    field = "host"

    def problems(self) -> list[Problem]:
        """All mistakes in it."""
        problems = []
        if not re.fullmatch(
            r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(@[A-Za-z0-9_:\[][A-Za-z0-9_.:%\[\]-]*)?", self.host
        ):
            problems.append(
                Problem("host", self.host, "not a host as ssh takes it", 'write it as "root@ddk-8.4"')
            )
        if self.port is not None and not 0 < self.port < 65536:
            problems.append(
                Problem("port", self.port, "a port must be a number from 1 to 65535", "leave it out for 22")
            )
        for name in ("identity", "known_hosts"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                problems.append(Problem(name, str(path), "file not found", "name one that is there"))
        problems += tree_problems(self.tree, self.jobs)
        return problems

    @property
    def name(self) -> str:
        """As messages call it."""
        return self.host

    def run(self, script: str, arguments: list[str], *, stdin: bytes, what: str, facts: str = "") -> Done:
        """Run a POSIX shell script there; see :func:`remote_run`. With ``facts``, a kit that is so always says the
        same, which an earlier result may stand for."""
        return remote_run(self, script, arguments, stdin=stdin, what=what)

    @property
    def key(self) -> str:
        """What tells kits apart."""
        return f"{self.host}:{self.port or 22} {self.tree}".rstrip()


def tree_problems(tree: str, jobs: int) -> list[Problem]:
    """What is wrong with the kernel build tree in a kit, and the number of builds that run there at once."""
    found = []
    if tree and not re.fullmatch(r"/[A-Za-z0-9_.+/-]+", tree):
        found.append(
            Problem("tree", tree, "must be an absolute path on the kit", "name its kernel build tree")
        )
    if jobs < 1:
        found.append(Problem("jobs", jobs, "must be 1 or more", "give 1 or more"))
    return found


@cache
def slots(key: str, jobs: int) -> threading.BoundedSemaphore:
    """What lets as many builds at a time onto one machine."""
    return threading.BoundedSemaphore(jobs)


def ssh_command(ddk: RemoteDdk) -> list[str]:
    """The words of ssh before the remote command."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ConnectTimeout": "15",
        # A machine that does not answer for a minute is lost.
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "LogLevel": "ERROR",
    }
    if ddk.known_hosts:
        options |= {"UserKnownHostsFile": f'"{ddk.known_hosts}"', "GlobalKnownHostsFile": "/dev/null"}
    if ddk.identity:
        options |= {"IdentitiesOnly": "yes"}
    words = ["ssh", "-T", *(f"-o{name}={value}" for name, value in options.items())]
    words += ["-i", str(ddk.identity)] if ddk.identity else []
    words += ["-p", str(ddk.port)] if ddk.port else []
    return [*words, "--", ddk.host]


def remote_run(ddk: RemoteDdk, script: str, arguments: list[str], *, stdin: bytes = b"", what: str) -> Done:
    """Run a POSIX shell script there, one connection a call, as many at once as the kit has ``jobs``.

    The shell is the direct child of sshd, so that the script can tell when the connection is lost. Raises
    StepError with what is wrong with the connection; the script's own status is the caller's to judge.
    """
    command = "exec sh -c " + " ".join(map(shlex.quote, [script, "xspack", *arguments]))
    agent = {"SSH_AUTH_SOCK": os.environ["SSH_AUTH_SOCK"]} if "SSH_AUTH_SOCK" in os.environ else {}
    with slots(ddk.key, ddk.jobs):
        done = run(
            [*ssh_command(ddk), command], env=agent, stdin=stdin, timeout=BUILDING, check=False, what=what
        )
    if done.status == SSH_FAILED:
        lines = [line.strip() for line in done.err.splitlines() if line.strip(" @\r\n")]
        reason = next(
            (meaning for pattern, meaning in _REASONS if re.search(pattern, done.err)),
            "the connection was lost; nothing of the build is kept, there or here: build again",
        )
        said = lines[-1] if lines else "ssh ended with status 255"
        raise StepError(
            f"{what}: {ddk.host}: {reason}\n    {said}\n  command: {shlex.join(ssh_command(ddk))}"
        )
    return done

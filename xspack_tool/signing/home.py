"""Where gpg keeps keys: homes whose sockets work, and throwaway ones that leave nothing behind."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xspack_tool.errors import StepError
from xspack_tool.run import ASKING, cleaning_up, is_plain, run

#: A file that marks a home as a throwaway one: its agent ends with the process that used it.
MARK = "xspack-throwaway"
#: Where gpg, in any version, keeps its keys: their files and folder change when one comes or goes.
KEYRING = ("pubring.kbx", "pubring.gpg", "secring.gpg", "private-keys-v1.d")
#: What a socket's path may be long, less gpg's longest socket name. gpg-agent wants one character more than the NUL
#: that unix(7) demands within the 108 of sun_path.
_ROOM = 106 - len("/S.gpg-agent.browser")


def gnupg_home(path: Path | None) -> str:
    """The value of GNUPGHOME that stands for the keyring in folder ``path``; None is the user's own.

    gpg puts its agent's sockets into its home, and a socket's path is limited to about 100
    characters: a longer home, or one with signs that gpg or rpm may take for more, is
    reached through a short private link. The agent of a throwaway home
    (see :func:`mark_throwaway`) is ended at exit. Raises StepError if the link cannot be made.
    """
    home = str(path or os.environ.get("GNUPGHOME") or Path.home() / ".gnupg")
    return _usable(os.path.abspath(home))


@functools.cache
def _usable(home: str) -> str:
    long = len(os.fsencode(home)) > _ROOM and os.path.dirname(agent_socket(home)) == home
    short = home if is_plain(home) and not long else _short_link(home)
    if os.path.exists(os.path.join(home, MARK)):
        atexit.register(_end_at_exit, short)
    return short


def mark_throwaway(home: Path) -> None:
    """Make ``home`` with mode 700, if it is not there, and mark it as a throwaway one."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    (home / MARK).touch()
    _usable.cache_clear()


@contextmanager
def scratch_home() -> Iterator[Path]:
    """An empty home for public keys only: no agent may be started in it, and it is removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="xspack-gpg-"))
    try:
        yield home
    finally:
        _remove_sockets(str(home))
        shutil.rmtree(home, ignore_errors=True)


def end_agent(home: Path) -> None:
    """End the agent of ``home``, if one runs."""
    _end(gnupg_home(home))


def usual_sockets(home: str) -> Iterator[str]:
    """The folders in which the agent of a home listens, if gpg itself chose it (common/homedir.c of gnupg): one below
    a user's /run folder, named by the home's SHA-1 in z-base-32, else the home. Costs no process."""
    digest = int.from_bytes(hashlib.sha1(os.fsencode(home), usedforsecurity=False).digest()[:15], "big")
    name = "".join("ybndrfg8ejkmcpqxot1uwisza345h769"[digest >> shift & 31] for shift in range(115, -1, -5))
    for base in ("/run/gnupg", "/run", "/var/run/gnupg", "/var/run"):
        yield f"{base}/user/{os.getuid()}/gnupg/d.{name}"
    yield home


def agent_socket(home: str) -> str:
    """Where gpg would put the socket: below /run/user where that exists, else in the home."""
    done = run(
        ["gpgconf", "--homedir", home, "--list-dirs", "agent-socket"],
        timeout=ASKING,
        what="finding gpg's socket",
    )
    return done.out.strip().replace("%3a", ":").replace("%25", "%")


def _short_link(home: str) -> str:
    """A link to ``home`` that is the same for every process of this user.

    It outlives a killed process: an agent that runs still finds its keys through it.
    """
    folder = f"/tmp/xspack-{os.getuid()}"  # not TMPDIR, which may be long itself
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    state = os.lstat(folder)
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise StepError(
            f"{folder} is not a private folder of this user; remove it, or use a shorter path than {home}"
        )
    link = f"{folder}/{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"
    with suppress(FileExistsError):
        os.symlink(home, link)
    return link


def _end_at_exit(home: str) -> None:
    """All is done: an interrupt would only leave the agent behind, and a traceback on the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end(home)


def _end(home: str) -> None:
    with suppress(StepError), cleaning_up():
        run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], timeout=10)
        _wait_until_gone(Path(agent_socket(home)))
    _remove_sockets(home)
    if os.path.islink(home) and home.startswith(f"/tmp/xspack-{os.getuid()}/"):
        with suppress(OSError):
            os.unlink(home)


def _wait_until_gone(socket: Path) -> None:
    """An agent that was told to end still answers for a moment, and takes its socket away last: the next gpg
    would meet it there, or a new agent would lose its own socket to it."""
    late = time.monotonic() + 5
    while socket.exists() and time.monotonic() < late:
        time.sleep(0.01)


def _remove_sockets(home: str) -> None:
    """Remove the folder below /run/user that gpg makes for a home when it merely looks for an agent."""
    if not any(map(os.path.isdir, [place for place in usual_sockets(home) if place != home])):
        return
    with suppress(StepError), cleaning_up():
        run(["gpgconf", "--homedir", home, "--remove-socketdir"], timeout=10)

"""A kit behind a real sshd on loopback: ``from sshd import serving``."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace
from support import lacks, need, need_root

from xspack_tool.ddk.ssh import RemoteDdk

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
LogLevel ERROR
SetEnv {environment}
"""


class Sshd(Struct, frozen=True):
    """A server of our own, the kit it stands for, and the folder where builds work there."""

    process: subprocess.Popen[bytes]
    ddk: RemoteDdk
    room: Path

    def sessions(self) -> list[int]:
        """The processes of sshd that serve connections: all its descendants of that name."""
        found, waiting = [], [self.process.pid]
        while waiting:
            out = subprocess.run(
                ["ps", "-o", "pid=,comm=", "--ppid", str(waiting.pop())], capture_output=True, text=True
            )
            rows = [line.split() for line in out.stdout.splitlines()]
            children = [int(row[0]) for row in rows if row[1].startswith("sshd")]
            found += children
            waiting += children
        return found


def keygen(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


Start = Callable[..., Sshd]


@contextlib.contextmanager
def serving(short_dir: Path) -> Iterator[Start]:
    """Starts servers; ``environment`` is what sessions find, ``room`` where temporary files go there, ``within`` words
    that the server is started by, which become it."""
    need("ssh", "ssh-keygen", "rpmbuild", "make", "gcc", "strip", "ps")
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(program).exists():
        lacks("sshd is needed: apt-get install openssh-server")
    need_root()
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    keys = {name: keygen(short_dir / name) for name in ("host_key", "user_key")}
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *,
        room: Path | None = None,
        environment: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
        **given: object,
    ) -> Sshd:
        room = room or short_dir / "room"
        room.mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        pairs = " ".join(f'{k}="{v}"' for k, v in {"TMPDIR": str(room), **(environment or {})}.items())
        config = short_dir / f"sshd_{port}"
        config.write_text(CONFIG.format(port=port, folder=short_dir, environment=pairs))
        started.append(subprocess.Popen([*within, program, "-D", "-e", "-f", config], stderr=subprocess.PIPE))
        public = keys["host_key"].with_suffix(".pub").read_text()
        known = short_dir / f"known_{port}"
        known.write_text(f"[127.0.0.1]:{port} {public}")
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        ddk = RemoteDdk("root@127.0.0.1", port, keys["user_key"], known)
        return Sshd(started[-1], replace(ddk, **given), room)  # type: ignore[arg-type]

    try:
        yield start
    finally:
        for process in started:
            process.terminate()
            process.wait()


@pytest.fixture
def sshd(short_dir: Path) -> Iterator[Start]:
    """Starts servers that hold a kit."""
    with serving(short_dir) as start:
        yield start

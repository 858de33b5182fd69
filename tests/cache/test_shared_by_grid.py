"""A server of the Remote Execution API as the shared cache: the same entries, trusted by their signatures alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import socketserver
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import sentences
from cache_fleet import RPMS, SHARED, Fleet, by_grid, by_s3, counted, made, told
from cache_servers import faulty, free_port
from grid_faults import Server, ends, hangs, result, serving
from grid_servers import Grid, blocks_of_page, casd, grid
from rebuild.lab import steps
from support import ROOT, need, need_module

from xspack_tool.cache.entry import Entry, sign_entry
from xspack_tool.cache.keys import make_pair, read_signing


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    need("make", "gcc", "strip")
    need_module("grpc", "buildgrid")
    return Fleet(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    """buildbox-casd."""
    with casd(tmp_path) as url:
        yield url


@pytest.fixture(scope="module")
def running() -> Iterator[Grid]:
    with grid() as one:
        yield one


def test_a_second_clone_builds_nothing(fleet: Fleet, store: str) -> None:
    first, second = fleet.clone(), fleet.clone()
    ran = fleet.run(first, {**fleet.writer, "XSPACK_CACHE": store}, "-j2").good()
    assert counted(ran) == "0 taken, 4 not, 5 written" and told(ran) == []
    ran = fleet.run(second, {**fleet.reader, "XSPACK_CACHE": store}, "-j2").good()
    assert made(ran) == set() and told(ran) == []
    assert counted(ran) == "5 taken, 0 not, 0 written"
    assert second.outputs() == first.outputs()


def test_who_may_write_to_a_grid(fleet: Fleet, running: Grid) -> None:
    """By the tokens of docs/fleet.md: CI writes, developers read; a kit may do neither here."""
    env = {"XSPACK_CACHE": running.url, "SSL_CERT_FILE": str(running.certificate)}
    ci, developer = ({**env, "XSPACK_CACHE_TOKEN": running.tokens[who]} for who in ("ci", "developer"))
    first, second, third, fourth = (fleet.clone() for _ in range(4))
    ran = fleet.run(first, {**fleet.writer, **developer}).good()
    (line,) = told(ran)
    assert line.startswith(f"xspack: {sentences.NOT_WRITTEN} {running.url}: it answers UNAUTHENTICATED")
    ran = fleet.run(second, {**fleet.writer, **ci}).good()
    assert counted(ran) == "0 taken, 4 not, 5 written" and told(ran) == []
    ran = fleet.run(third, {**fleet.reader, **developer}).good()
    assert made(ran) == set() and told(ran) == [] and third.outputs() == first.outputs()
    # Without a token nothing is asked twice.
    ran = fleet.run(fourth, {**fleet.reader, **env}).good()
    (line,) = told(ran)
    assert line.endswith(" any more in this build: it answers UNAUTHENTICATED, see XSPACK_CACHE_TOKEN")
    assert counted(ran) == "0 taken, 1 not, 0 written" and fourth.outputs() == first.outputs()


def test_a_kit_s_store_has_what_the_grid_has(running: Grid, short_dir: Path) -> None:
    """buildbox-casd by the line of docs/fleet.md for kits, with a kit's token: both ways."""
    from xspack_tool.grid.blobs import digest_of, fetch, missing, write
    from xspack_tool.grid.connect import connect

    (line,) = (
        line
        for block in blocks_of_page("sh", "### A grid of one's own")
        for line in block.splitlines()
        if line.startswith("buildbox-casd --remote=")
    )
    (short_dir / "token").write_text(running.tokens["kit"])
    for there, here in (
        ("https://grid.acme.example:50051", f"https://{running.address}"),
        ("/etc/grid-token", f"{short_dir}/token"),
    ):
        assert there in line
        line = line.replace(there, here)
    options = [word for word in line.split()[1:-1] if not word.startswith("--bind=")]
    grid_s = connect(
        running.url, lambda: running.tokens["developer"], {"SSL_CERT_FILE": str(running.certificate)}
    )
    with casd(short_dir, None, *options, f"--server-cert={running.certificate}") as url:
        kit_s = connect(url, lambda: "", {})
        for one, other in ((grid_s, kit_s), (kit_s, grid_s)):
            data = os.urandom(100_000)
            digest = digest_of(data)
            assert missing(other, [digest], 60) == {digest.hash}
            write(one, digest.hash, len(data), data, 60)
            assert fetch(other, digest, 60) == data


def test_a_server_that_nobody_vouches_for(fleet: Fleet, running: Grid) -> None:
    env = {**fleet.reader, "XSPACK_CACHE": running.url, "XSPACK_CACHE_TOKEN": running.tokens["ci"]}
    (line,) = told(fleet.run(fleet.clone(), env).good())
    assert line.endswith(sentences.CERTIFICATE)


STOPPED = "the cache URL is not asked any more in this build: "
REFUSED = f"its entry in the cache URL has no valid signature; {sentences.BUILT_INSTEAD}"
#: What a server does when it is asked for an entry -> what the build says of it.
FAULTS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "hangs": (hangs, STOPPED + "its answer timed out"),
    "forbids": (
        ends("PERMISSION_DENIED"),
        STOPPED + "it answers PERMISSION_DENIED: access denied",
    ),
    "is broken": (ends("INTERNAL"), STOPPED + "it answers INTERNAL"),
    "is full": (ends("RESOURCE_EXHAUSTED"), STOPPED + sentences.FULL),
    "offers no such thing": (
        ends("UNIMPLEMENTED"),
        STOPPED + "it answers UNIMPLEMENTED, it does not offer this",
    ),
    "sends nothing": (result(), REFUSED),
    "shows a login page": (result(stdout_raw=b"<html><form>Password"), REFUSED),
    "sends what is no result": (lambda request, context: b"\xff" * 100, STOPPED + "it answers INTERNAL"),
    "sends huge bytes": (
        result(stdout_raw=b"x" * (1 << 20)),
        f"its entry in the cache URL is damaged; {sentences.BUILT_INSTEAD}",
    ),
    "sends more than a message holds": (
        result(stdout_raw=b"x" * (8 << 20)),
        STOPPED + sentences.FULL,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_server_s_fault_fails_a_build(fleet: Fleet, fault: str) -> None:
    server = Server()
    server.faults["GetActionResult"], wanted = FAULTS[fault]
    lab = fleet.clone()
    with serving(server) as url:
        ran = fleet.run(lab, {**fleet.reader, "XSPACK_CACHE": url}).good()
    (line,) = told(ran)
    assert line.replace(url, "URL").endswith(f": {wanted}" if "entry" in wanted else wanted)
    assert set(lab.outputs()) >= RPMS
    assert {"RPM rpms/p-1-1.noarch.rpm", "Modules modules/k-6.1.0-acme.tar"} <= steps(ran)


def test_servers_that_are_none(fleet: Fleet) -> None:
    """Nothing listens there; and an HTTP server does."""
    url = f"grpc://127.0.0.1:{free_port()}"
    ran = fleet.run(fleet.clone(), {**fleet.reader, "XSPACK_CACHE": url}).good()
    assert told(ran) == [f"xspack: the cache {url} {sentences.NOT_ASKED} cannot be reached"]

    def page(handler: socketserver.StreamRequestHandler, method: str, path: str) -> None:
        handler.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with faulty(page) as server:
        url = re.sub("^http(.*)/xspack$", r"grpc\1", server.url)
        ran = fleet.run(fleet.clone(), {**fleet.reader, "XSPACK_CACHE": url}).good()
        (line,) = told(ran)
        assert line.startswith(f"xspack: the cache {url} {sentences.NOT_ASKED} ")


def _filled(fleet: Fleet, server: Server, url: str) -> Any:
    first = fleet.clone()
    ran = fleet.run(first, {**fleet.writer, "XSPACK_CACHE": url}).good()
    assert counted(ran) == "0 taken, 4 not, 5 written" and len(server.results) == 5 and len(server.blobs) == 1
    return first


def _other_bytes(content: bytes) -> bytes:
    return b"x" + content[1:]


@pytest.mark.parametrize(
    ("fault", "why"),
    {
        "evicted": "has been evicted in part",
        "cut": "is damaged",
        "longer": "is damaged",
        "other": "is damaged",
        "dies midway": "cannot be had",
    }.items(),
)
def test_a_large_result_that_is_gone_or_another(fleet: Fleet, fault: str, why: str) -> None:
    server = Server()
    with serving(server) as url:
        first, second = _filled(fleet, server, url), fleet.clone()
        ((name, content),) = server.blobs.items()
        if fault == "evicted":
            del server.blobs[name]
        elif fault == "dies midway":
            server.faults["Read"] = _dying(content)
        else:
            changes = {"cut": content[:-1], "longer": content + b"x", "other": _other_bytes(content)}
            server.blobs[name] = changes[fault]
        ran = fleet.run(second, {**fleet.reader, "XSPACK_CACHE": url}, "--cache-debug=-").good()
        assert made(ran) == {"rpms/big-1-1.noarch.rpm"}
        assert second.outputs() == first.outputs()
        if fault == "dies midway":
            assert f"{url}: " in ran.said and why in ran.said
        else:
            (line,) = told(ran)
            assert f"build/rpms/big-1-1.noarch.rpm: its entry in the cache {url} {why}; it is built" in line


def _dying(content: bytes) -> Callable[[Any, Any], Any]:
    def act(request: Any, context: Any) -> Iterator[Any]:
        import grpc
        from buildgrid.common.protos.google.bytestream.bytestream_pb2 import ReadResponse

        yield ReadResponse(data=content[:50_000])
        context.abort(grpc.StatusCode.UNAVAILABLE, "Connection reset by peer")

    return act


def _each(server: Server, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    for one in server.results.values():
        one.stdout_raw = json.dumps(change(json.loads(one.stdout_raw))).encode()


def _resigned(fleet: Fleet) -> Callable[[dict[str, Any]], dict[str, Any]]:
    make_pair(fleet.folder / "other")
    key = read_signing(str(fleet.folder / "other"))

    def change(fields: dict[str, Any]) -> dict[str, Any]:
        entry = Entry(**{name: fields[name] for name in ("key", "sha256", "size", "mode")})
        return {**fields, **json.loads(sign_entry(entry, key))}

    return change


def _replay(server: Server, fleet: Fleet) -> None:
    first, *others = server.results.values()
    for one in others:
        one.stdout_raw = first.stdout_raw


#: What one who can write to the server did -> why it is refused.
ATTACKS: dict[str, tuple[Callable[[Server, Fleet], None], str]] = {
    "signed by another": (
        lambda server, fleet: _each(server, _resigned(fleet)),
        "is signed by a key that is not trusted",
    ),
    "replayed under another key": (_replay, "belongs to another action"),
    "without a signature": (
        lambda server, fleet: _each(server, lambda fields: {**fields, "signature": None}),
        "has no valid signature",
    ),
    "of no format": (
        lambda server, fleet: _each(server, lambda fields: {**fields, "format": "xspack-cache 0"}),
        "has no valid signature",
    ),
    "other bytes": (
        lambda server, fleet: _each(server, lambda fields: {**fields, "content": "AAAA"}),
        "is damaged",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_others_put_there_is_not_taken(fleet: Fleet, attack: str) -> None:
    act, why = ATTACKS[attack]
    server = Server()
    with serving(server) as url:
        first, second = _filled(fleet, server, url), fleet.clone()
        act(server, fleet)
        ran = fleet.run(second, {**fleet.reader, "XSPACK_CACHE": url}).good()
        (line,) = told(ran)
        assert f": its entry in the cache {url} {why}; it is built instead" in line
        assert second.outputs() == first.outputs()


@pytest.mark.parametrize("method", ["UpdateActionResult", "FindMissingBlobs", "Write"])
def test_a_server_that_is_full_is_still_read(fleet: Fleet, method: str) -> None:
    server = Server()
    server.faults[method] = ends("RESOURCE_EXHAUSTED")
    with serving(server) as url:
        ran = fleet.run(fleet.clone(), {**fleet.writer, "XSPACK_CACHE": url}).good()
        assert told(ran) == [f"xspack: {sentences.NOT_WRITTEN} {url}: {sentences.FULL}"]
        assert server.asked.count(method) == 1


def test_what_is_evicted_by_a_quota_is_built(fleet: Fleet, tmp_path: Path) -> None:
    """buildbox-casd without the content of a result says that it has not the result."""
    folder = tmp_path / "store"
    folder.mkdir()
    port = free_port()
    with casd(folder, port) as url:
        first, second = fleet.clone(), fleet.clone()
        fleet.run(first, {**fleet.writer, "XSPACK_CACHE": url}).good()
    shutil.rmtree(folder / "cas/cas")
    with casd(folder, port):
        ran = fleet.run(second, {**fleet.reader, "XSPACK_CACHE": url}).good()
        assert "rpms/big-1-1.noarch.rpm" in made(ran) <= SHARED and second.outputs() == first.outputs()


#: Writes a large entry to the store argv[1], and takes it from there into another folder. The most memory that the
#: process had besides what it had before goes to stdout, in MiB.
_LARGE = """
import hashlib, re, sys
from pathlib import Path
from xspack_tool.cache.entry import entry_of, sign_entry
from xspack_tool.cache.keys import make_pair, read_signing
from xspack_tool.cache.store import Store
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) >> 10
url, folder = sys.argv[1], Path(sys.argv[2])
make_pair(folder / "key")
key = read_signing(str(folder / "key"))
with open(folder / "0123", "wb") as file:
    for number in range(200):
        file.write(hashlib.sha256(b"%d" % number).digest() * (1 << 15))
(folder / "0123.sig").write_text(sign_entry(entry_of(str(folder / "0123"), "0123"), key))
store = Store(url, print, 60.0)
store.fetch("none", [key.public], folder / "none")
before = peak()
store.write(folder / "0123")
store.finish()
why = store.fetch("0123", [key.public], folder / "taken")
same = (folder / "taken").exists() and entry_of(str(folder / "taken"), "0123") == entry_of(str(folder / "0123"), "0123")
print(store.counts.written, repr(why), same, peak() - before)
"""


@pytest.mark.parametrize("serving", [by_s3, by_grid])
def test_a_large_result_is_streamed(
    short_dir: Path, tmp_path: Path, serving: Callable[[Path], AbstractContextManager[dict[str, str]]]
) -> None:
    """200 MiB go there and come back through a few."""
    need_module("obstore")
    with serving(short_dir / "server") as settings:
        done = subprocess.run(
            [sys.executable, "-c", _LARGE, settings["XSPACK_CACHE"], tmp_path],
            env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    written, why, same, more = done.stdout.split()
    assert (written, why, same) == ("1", "''", "True") and int(more) < 100, done.stdout


def test_plain_http_takes_no_file_that_must_lie_in_memory(tmp_path: Path) -> None:
    """obstore's PUT holds it whole; nothing of it is sent, and no more is said."""
    need_module("obstore")
    from xspack_tool.cache.objects import LARGEST_PUT
    from xspack_tool.cache.store import Store

    make_pair(tmp_path / "key")
    place = tmp_path / "0123"
    with open(place, "wb") as file:
        file.truncate(LARGEST_PUT + 1)
    (tmp_path / "0123.sig").write_text(
        sign_entry(Entry("0123", "0" * 64, LARGEST_PUT + 1, "644"), read_signing(str(tmp_path / "key")))
    )
    said: list[str] = []
    with faulty(lambda handler, method, path: None) as server:
        store = Store(server.url, said.append)
        store.write(place)
        store.finish()
        assert (server.requests, said, store.counts.written) == ([], [], 0)

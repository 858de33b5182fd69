"""Nothing that the server of a shared cache does fails a build, or holds it up for long."""

from __future__ import annotations

import socketserver
import threading
from collections import Counter
from pathlib import Path

import pytest
import sentences
from cache_fleet import RPMS, Fleet, counted, told
from cache_servers import Answer, faulty, reply
from rebuild.lab import steps
from support import need_module

from xspack_tool.cache.keys import make_pair


def _says(data: bytes) -> Answer:
    return lambda handler, method, path: handler.wfile.write(data) and None


def _hang(handler: socketserver.StreamRequestHandler, method: str, path: str) -> None:
    threading.Event().wait(30)


def _dribble(handler: socketserver.StreamRequestHandler, method: str, path: str) -> None:
    handler.wfile.write(reply("200 OK", b"", 60_000))
    for _ in range(600):
        handler.wfile.write(b"x")
        threading.Event().wait(0.1)


def _huge(handler: socketserver.StreamRequestHandler, method: str, path: str) -> None:
    handler.wfile.write(reply("200 OK", b"", 1 << 40))
    while True:
        handler.wfile.write(b"\0" * (1 << 20))


STOPPED = "the cache URL is not asked any more in this build: "
REFUSED = f"its entry in the cache URL has no valid signature; {sentences.BUILT_INSTEAD}"
#: What a server does with each request -> what the build says of it.
FAULTS: dict[str, tuple[Answer, str]] = {
    "hangs": (_hang, STOPPED + "its answer timed out"),
    "dribbles": (_dribble, STOPPED + "it is too slow"),
    "dies midway": (_says(reply("200 OK", b"{", 100)), STOPPED + "its answer is truncated"),
    "says nothing": (lambda handler, method, path: None, STOPPED + "it fails"),
    "is no HTTP server": (_says(b"SSH-2.0-OpenSSH_9.2\r\n"), STOPPED + "it fails"),
    "forbids": (_says(reply("403 Forbidden")), STOPPED + "it answers 403 Forbidden: access denied"),
    "is broken": (
        _says(reply("500 Internal Server Error")),
        STOPPED + "it answers 500 Internal Server Error",
    ),
    "is full": (_says(reply("507 Insufficient Storage")), STOPPED + "it answers 507 Insufficient Storage"),
    "shows a login page": (_says(reply("200 OK", b"<html><form>Password")), REFUSED),
    "sends nothing": (_says(reply("200 OK")), REFUSED),
    "sends a number": (_says(reply("200 OK", b"1" * 5000)), REFUSED),
    "sends huge bytes": (
        _huge,
        f"its entry in the cache URL is damaged; {sentences.BUILT_INSTEAD}",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_server_s_fault_fails_a_build(fleet: Fleet, fault: str) -> None:
    answer, wanted = FAULTS[fault]
    lab = fleet.clone()
    with faulty(answer) as server:
        ran = fleet.run(lab, {**fleet.reader, "XSPACK_CACHE": server.url}).good()
        said = told(ran)
        assert len(said) == 1, ran.said
        assert said[0].replace(server.url, "URL").endswith(f": {wanted}" if "entry" in wanted else wanted)
    assert set(lab.outputs()) >= RPMS
    assert {"RPM rpms/p-1-1.noarch.rpm", "Modules modules/k-6.1.0-acme.tar"} <= steps(ran)


def test_a_server_that_is_not_there_is_asked_three_times(fleet: Fleet) -> None:
    with faulty(_hang) as server:
        url = server.url
    ran = fleet.run(fleet.clone(), {**fleet.reader, "XSPACK_CACHE": url}).good()
    assert told(ran) == [f"xspack: the cache {url} {sentences.NOT_ASKED} cannot be reached"]
    assert counted(ran) == "0 taken, 3 not, 0 written"


@pytest.mark.parametrize("status", ["507 Insufficient Storage", "405 Method Not Allowed"])
def test_a_server_that_is_full_is_still_read(fleet: Fleet, status: str) -> None:
    def answer(handler: socketserver.StreamRequestHandler, method: str, path: str) -> None:
        handler.wfile.write(reply("404 Not Found" if method == "GET" else status))

    with faulty(answer) as server:
        ran = fleet.run(fleet.clone(), {**fleet.writer, "XSPACK_CACHE": server.url}).good()
        (line,) = told(ran)
        assert line == f"xspack: {sentences.NOT_WRITTEN} {server.url}: it answers {status}"
        assert [method for method, _ in server.requests].count("PUT") == 1


def test_a_server_that_hangs_while_it_is_written_to(fleet: Fleet) -> None:
    def answer(handler: socketserver.StreamRequestHandler, method: str, path: str) -> None:
        if method == "PUT":
            threading.Event().wait(30)
        handler.wfile.write(reply("404 Not Found"))

    with faulty(answer) as server:
        ran = fleet.run(fleet.clone(), {**fleet.writer, "XSPACK_CACHE": server.url}).good()
        (line,) = told(ran)
        assert line.startswith(f"xspack: {sentences.NOT_WRITTEN} {server.url}: ")


class Patience:
    """Answers that count, in tenths of a second, how long a client waits for each method. A busy machine makes them
    fewer."""

    def __init__(self) -> None:
        self.tenths = Counter[str]()

    def _waits(self, handler: socketserver.StreamRequestHandler, method: str) -> bool:
        handler.connection.settimeout(0.1)
        try:
            return handler.connection.recv(1) != b""
        except TimeoutError:
            self.tenths[method] += 1
            return True

    def hang(self, handler: socketserver.StreamRequestHandler, method: str, path: str) -> None:
        while self._waits(handler, method):
            pass

    def dribble(self, handler: socketserver.StreamRequestHandler, method: str, path: str) -> None:
        handler.wfile.write(reply("200 OK", b"", 60_000))
        while self._waits(handler, method):
            handler.wfile.write(b"x")

    def take_nothing(self, handler: socketserver.StreamRequestHandler, method: str, path: str) -> None:
        if method == "PUT":
            self.hang(handler, method, path)
        handler.wfile.write(reply("404 Not Found"))

    def be_slow(self, handler: socketserver.StreamRequestHandler, method: str, path: str) -> None:
        for _ in range(9):
            self._waits(handler, method)
        handler.wfile.write(reply("404 Not Found"))


@pytest.mark.parametrize("fault", ["hang", "dribble", "take_nothing", "be_slow"])
def test_a_server_costs_no_more_than_was_agreed(tmp_path: Path, fault: str) -> None:
    """Ten results are looked for, and written: after the agreed seconds the build waits for nothing more."""
    need_module("obstore")
    from xspack_tool.cache.entry import entry_of, sign_entry
    from xspack_tool.cache.keys import read_signing
    from xspack_tool.cache.store import OFF, Store

    make_pair(tmp_path / "key")
    key = read_signing(str(tmp_path / "key"))
    seconds, patience, said = 2.5, Patience(), list[str]()
    with faulty(getattr(patience, fault)) as server:
        store = Store(server.url, said.append, seconds)
        for name in map(str, range(10)):
            place = tmp_path / name
            why = store.fetch(name, [key.public], tmp_path / f"taken-{name}")
            assert why
            place.write_text(name)
            (tmp_path / f"{name}.sig").write_text(sign_entry(entry_of(str(place), name), key))
            store.write(place)
        store.finish()
        waited, asked = dict(patience.tenths), [method for method, _ in server.requests].count("GET")
    assert len(said) == 1, said
    if fault == "take_nothing":
        assert asked == 10 and "nothing more is written" in said[0]
        assert 0 < waited["PUT"] <= seconds * 10
        return
    # What is written meanwhile holds up nobody.
    assert why == OFF and asked < 10 and "is not asked any more" in said[0]
    # Of an answer, what is beyond half a second counts.
    assert 0 < waited["GET"] - (asked * 5 if fault == "be_slow" else 0) <= seconds * 10

"""A grid whose workers, connection or files get lost: the job is done again, or ends with one reason in its time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentences
from cache_servers import certificate
from grid_faults import Server, ends, hangs, operation, serving
from support import need_module

from xspack_tool.grid.connect import GridMistake, check_url, connect
from xspack_tool.grid.execute import GridFailure, Job, Result, execute

QUEUED, EXECUTING, COMPLETED = 2, 3, 4
#: Of google.rpc.Code.
ABORTED, UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, INVALID_ARGUMENT = 10, 14, 8, 4, 3


@pytest.fixture
def server() -> Iterator[Server]:
    need_module("grpc", "buildgrid")
    yield Server()


def job(deadline: int = 20, cached: bool = False) -> Job:
    return Job(("true",), {"stdin": b"in"}, ("stdout",), {}, {"kit": "one"}, cached, deadline)


def run(server: Server, one: Job | None = None, stops: Callable[[], bool] = lambda: False) -> Result:
    with serving(server) as url:
        connection = connect(url, lambda: "", {})
        try:
            return execute(connection, one or job(), stopping=stops, waiting=lambda: None)
        finally:
            connection.channel.close()


def failing(server: Server, deadline: int = 20) -> str:
    with pytest.raises(GridFailure) as failure:
        run(server, job(deadline))
    return str(failure.value)


def good(server: Server, content: bytes = b"out") -> Callable[[Any, Any], Iterator[Any]]:
    """A worker that makes stdout."""
    from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi

    digest = reapi.Digest(hash=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    made = reapi.OutputFile(path="stdout", digest=digest)

    def answer(request: Any, context: Any) -> Iterator[Any]:
        server.blobs[digest.hash] = content
        yield operation(QUEUED)
        yield operation(COMPLETED, done=True, output_files=[made], stderr_raw=b"said")

    return answer


def cut(*stages: int) -> Callable[[Any, Any], Iterator[Any]]:
    """A connection that is lost after some stages."""

    def answer(request: Any, context: Any) -> Iterator[Any]:
        for stage in stages:
            yield operation(stage)
        ends("UNAVAILABLE")(request, context)

    return answer


def ended(code: int, message: str = "") -> Callable[[Any, Any], Iterator[Any]]:
    return lambda request, context: iter([operation(COMPLETED, done=True, code=code, message=message)])


def test_a_worker_that_is_lost_is_not_the_job_s_end(server: Server) -> None:
    server.answers += [ended(ABORTED, "bot gone"), ended(UNAVAILABLE), good(server)]
    found = run(server)
    assert (found.status, found.err, found.files) == (0, b"said", {"stdout": b"out"})
    assert server.asked.count("Execute") == 3


def test_workers_that_are_lost_three_times_are(server: Server) -> None:
    server.answers += [ended(ABORTED, "bot gone")] * 3
    assert failing(server) == "its worker was lost (ABORTED: bot gone), 3 times"


def test_a_connection_that_is_lost_is_taken_up_again(server: Server) -> None:
    """The same job goes on, and no other is begun."""
    server.answers += [cut(QUEUED), cut(EXECUTING), good(server)]
    assert run(server).files == {"stdout": b"out"}
    asked = [name for name in server.asked if "Exec" in name]
    assert asked == ["Execute", "WaitExecution", "WaitExecution"]


def test_a_grid_that_forgot_the_job_gets_it_again(server: Server) -> None:
    server.answers += [
        cut(QUEUED),
        ends("NOT_FOUND"),
        good(server),
    ]
    assert run(server).files == {"stdout": b"out"}
    assert [name for name in server.asked if "Exec" in name] == ["Execute", "WaitExecution", "Execute"]


@pytest.mark.parametrize("fault", ["evicted", "other", "cut", "longer"])
def test_a_result_whose_file_is_gone_or_another_is_made_again(server: Server, fault: str) -> None:
    def bad(request: Any, context: Any) -> Iterator[Any]:
        operations = list(good(server)(request, context))
        (digest,) = (name for name, content in server.blobs.items() if content == b"out")
        if fault == "evicted":
            del server.blobs[digest]
        else:
            server.blobs[digest] = {"other": b"xxx", "cut": b"ou", "longer": b"outt"}[fault]
        yield from operations

    server.answers += [bad, good(server)]
    assert run(server).files == {"stdout": b"out"}
    assert server.asked.count("Execute") == 2


def test_a_known_result_whose_file_was_evicted_is_made(server: Server) -> None:
    """The cache of results says what is there no more."""
    from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi

    gone = reapi.Digest(hash="0" * 64, size_bytes=3)
    known = reapi.ActionResult(output_files=[reapi.OutputFile(path="stdout", digest=gone)])
    server.faults["GetActionResult"] = lambda request, context: known
    server.answers += [good(server)]
    assert run(server, job(cached=True)).files == {"stdout": b"out"}


REASONS: dict[str, tuple[Callable[[Any, Any], Iterator[Any]], str]] = {
    "is full": (
        ended(RESOURCE_EXHAUSTED, "queue is full"),
        "it refuses the job (RESOURCE_EXHAUSTED: queue is full)",
    ),
    "knows no such worker": (
        ended(INVALID_ARGUMENT, "no such platform\nline"),
        "it refuses the job (INVALID_ARGUMENT: no such platform); look at platform=",
    ),
    "was too slow": (ended(DEADLINE_EXCEEDED), "it did not end within deadline=20 s"),
    "lets nobody in": (
        ends("PERMISSION_DENIED"),
        "it answers PERMISSION_DENIED: access denied",
    ),
    "offers no such thing": (
        ends("UNIMPLEMENTED"),
        "it answers UNIMPLEMENTED, it does not offer this",
    ),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_cannot_go_well_is_told_at_once(server: Server, reason: str) -> None:
    answer, said = REASONS[reason]
    server.answers.append(answer)
    assert failing(server).startswith(said)
    assert server.asked.count("Execute") == 1


@pytest.mark.parametrize("method", ["FindMissingBlobs", "Write", "Execute"])
def test_a_grid_that_hangs_ends_with_the_deadline(server: Server, method: str) -> None:
    server.faults[method] = hangs
    assert failing(server, deadline=2) == "it did not end within deadline=2 s"


def test_who_ends_the_build_ends_the_job(server: Server) -> None:
    def forever(request: Any, context: Any) -> Iterator[Any]:
        yield operation(EXECUTING)
        hangs(request, context)

    server.answers.append(forever)
    with pytest.raises(GridFailure, match=r"^it was interrupted$"):
        run(server, stops=lambda: "Execute" in server.asked)
    server.answers.append(forever)
    assert failing(server, deadline=2) == "it did not end within deadline=2 s"
    assert server.asked.count("CancelOperation") >= 1


def test_a_store_that_is_full_is_told(server: Server) -> None:
    server.faults["Write"] = ends("RESOURCE_EXHAUSTED")
    assert failing(server) == sentences.FULL


def test_a_certificate_of_our_own(server: Server, tmp_path: Path) -> None:
    """For a server that lets in only those whom its authority vouches for."""
    import grpc

    ours, key = certificate(tmp_path), tmp_path / "key.pem"
    roots = (tmp_path / "cert.pem").read_bytes()
    pair = [(key.read_bytes(), ours.read_bytes())]
    credentials = grpc.ssl_server_credentials(pair, roots, require_client_auth=True)
    server.answers += [good(server)]
    env = {"SSL_CERT_FILE": str(tmp_path / "cert.pem")}
    own = {"XSPACK_GRID_CERT": str(ours), "XSPACK_GRID_KEY": str(key)}
    with serving(server, credentials) as url:
        connection = connect(url, lambda: "", {**env, **own})
        found = execute(connection, job(), stopping=lambda: False, waiting=lambda: None)
        assert found.files == {"stdout": b"out"}
        stranger = connect(url, lambda: "", env)
        with pytest.raises(GridFailure, match=r", 3 times$"):
            execute(stranger, job(), stopping=lambda: False, waiting=lambda: None)
    with pytest.raises(
        GridMistake, match="XSPACK_GRID_CERT and XSPACK_GRID_KEY go together; set both, or none"
    ):
        connect(url, lambda: "", {**env, "XSPACK_GRID_CERT": str(ours)})
    with pytest.raises(GridMistake, match="none: No such file or directory; name a file in PEM form"):
        connect(url, lambda: "", {"SSL_CERT_FILE": str(tmp_path / "none")})


def test_a_token_goes_nowhere_in_the_clear(tmp_path: Path) -> None:
    """Not even that of a netrc, which nobody named for this server."""
    need_module("grpc")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine grid.acme.example login me password secret\n")
    env = {"NETRC": str(netrc)}
    check_url("grpc://grid.acme.example", has_token=False)
    assert connect("grpc://grid.acme.example", lambda: "token", env).authorize() == []
    (header,) = connect("grpcs://grid.acme.example", lambda: "", env).authorize()
    assert header == ("authorization", "Basic bWU6c2VjcmV0")
    (header,) = connect("grpcs://grid.acme.example", lambda: "token", env).authorize()
    assert header == ("authorization", "Bearer token")

"""One command on a worker of a grid: Execute of the Remote Execution API, until there is a result or a reason."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from xspack_tool.errors import XspackError
from xspack_tool.grid.blobs import WrongBlob, digest_of, fetch, missing, write
from xspack_tool.grid.connect import PASSING, Server, code_of, words_of

#: The variable that holds a grid's token, as messages call it.
TOKEN = "XSPACK_GRID_TOKEN"
#: So often a job is given to the grid, where what went wrong is no fault of the job's.
TRIES = 3
#: A server that says nothing for so long has lost the job.
_SILENCE = 60.0
#: A job waits long for a worker after so many seconds, in these stages.
_LONG, _WAITING = 10.0, ("", "UNKNOWN", "CACHE_CHECK", "QUEUED")
#: How often it is looked whether the user ends the build.
_LOOK = 0.2


class GridFailure(XspackError):
    """A job that has no result, in words."""


class _Lost(Exception):
    """A worker, a connection or a blob that is gone: the job is as good as before."""


class Job(Struct, frozen=True):
    """A command, the files in its folder, those that it makes there, and the properties of who may run it."""

    arguments: tuple[str, ...]
    files: Mapping[str, bytes]
    outputs: tuple[str, ...]
    environment: Mapping[str, str]
    platform: Mapping[str, str]
    #: Whether an earlier result of the same job is as good as a new one.
    cached: bool
    #: So many seconds it may take, with its waiting for a worker.
    deadline: int


class Result(Struct, frozen=True):
    """How a command ended, what it said on stderr, and the files that it made."""

    status: int
    err: bytes
    files: Mapping[str, bytes]


def execute(server: Server, job: Job, *, stopping: Callable[[], bool], waiting: Callable[[], None]) -> Result:
    """The result of a job. A worker or a connection that is lost is tried again; when ``stopping()`` says so, or after
    the job's deadline, the grid is told that nobody waits any more. ``waiting`` is called
    once if it waits long for a worker.

    Raises GridFailure with one reason.
    """
    return _Execution(server, job, stopping, waiting).result()


class _Execution(Struct, dict=True):
    server: Server
    job: Job
    stopping: Callable[[], bool]
    waiting: Callable[[], None]
    #: The name of what the grid does for us.
    operation: str = ""
    stage: str = ""
    is_told: bool = False
    blobs: dict[str, bytes] = field(default_factory=dict)

    def result(self) -> Result:
        self.began = time.monotonic()
        self.late = self.began + self.job.deadline
        self.action = self._action()
        tries = 0
        try:
            known = self._known() if self.job.cached else None
            while True:
                try:
                    if known is not None:
                        answer, known = known, None
                        return self._taken(answer)
                    return self._taken(self._run(again=tries > 0 or not self.job.cached))
                except _Lost as lost:
                    tries += 1
                    if tries == TRIES:
                        raise GridFailure(f"{lost}, {TRIES} times") from None
                    self._pause(tries)
        except BaseException:
            self._cancel()
            raise

    def _action(self) -> Any:
        """The action's digest; it and what it needs are in ``blobs`` then."""
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi
        from google.protobuf.duration_pb2 import Duration

        job = self.job
        pairs = [reapi.Platform.Property(name=n, value=v) for n, v in sorted(job.platform.items())]
        platform = reapi.Platform(properties=pairs)
        variables = [
            reapi.Command.EnvironmentVariable(name=name, value=value)
            for name, value in sorted(job.environment.items())
        ]
        # Servers of before version 2.1 and 2.2 read the second of each pair.
        command = reapi.Command(
            arguments=job.arguments,
            environment_variables=variables,
            output_paths=sorted(job.outputs),
            output_files=sorted(job.outputs),
            platform=platform,
        )
        files = [
            reapi.FileNode(name=name, digest=self._blob(content))
            for name, content in sorted(job.files.items())
        ]
        action = reapi.Action(
            command_digest=self._blob(command.SerializeToString(deterministic=True)),
            input_root_digest=self._blob(reapi.Directory(files=files).SerializeToString(deterministic=True)),
            timeout=Duration(seconds=job.deadline),
            do_not_cache=not job.cached,
            platform=platform,
        )
        return self._blob(action.SerializeToString(deterministic=True))

    def _blob(self, content: bytes) -> Any:
        digest = digest_of(content)
        self.blobs[digest.hash] = content
        return digest

    def _known(self) -> Any:
        """What the grid's cache has of this very job."""
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import (
            remote_execution_pb2 as reapi,
        )
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import (
            remote_execution_pb2_grpc as services,
        )

        request = reapi.GetActionResultRequest(
            instance_name=self.server.instance, action_digest=self.action, inline_stderr=True
        )
        stub = services.ActionCacheStub(self.server.channel)
        try:
            return stub.GetActionResult(request, timeout=self._left(), metadata=self.server.authorize())
        except Exception as error:
            if code_of(error) in ("NOT_FOUND", "UNIMPLEMENTED"):
                return None
            raise _failed(error) from None

    def _run(self, again: bool) -> Any:
        """The action's result as a worker makes it."""
        try:
            self._upload()
            response = self._wait(again)
        except (_Lost, GridFailure):
            raise
        except Exception as error:
            if code_of(error) in PASSING:
                raise _Lost(words_of(error, TOKEN)) from None
            raise _failed(error) from None
        finally:
            if self.stopping():
                raise GridFailure("it was interrupted")
        self.operation = ""
        code = _code_name(response.status.code)
        if code in ("OK", "DEADLINE_EXCEEDED") and response.HasField("result"):
            if code != "OK":
                raise GridFailure(f"it did not end within deadline={self.job.deadline} s")
            return response.result
        message = response.status.message[:300].partition("\n")[0]
        if code == "DEADLINE_EXCEEDED":
            raise GridFailure(f"it did not end within deadline={self.job.deadline} s")
        if code in PASSING or code == "CANCELLED":
            raise _Lost(f"its worker was lost ({code}: {message})")
        if code == "FAILED_PRECONDITION" and response.status.details:
            raise _Lost("a blob of it was evicted before a worker had it")
        raise GridFailure(_refusal(code, message))

    def _upload(self) -> None:
        digests = [digest_of(content) for content in self.blobs.values()]
        wanted = missing(self.server, digests, self._left())
        for hash in wanted:
            if (content := self.blobs.get(hash)) is not None:
                write(self.server, hash, len(content), content, self._left())

    def _wait(self, again: bool) -> Any:
        """The ExecuteResponse. A stream that ends before is taken up again."""
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import (
            remote_execution_pb2 as reapi,
        )
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import (
            remote_execution_pb2_grpc as services,
        )

        stub = services.ExecutionStub(self.server.channel)
        request: Any = reapi.ExecuteRequest(
            instance_name=self.server.instance, action_digest=self.action, skip_cache_lookup=again
        )
        start, self.operation = stub.Execute, ""
        while True:
            seconds = min(_SILENCE, self._left())
            heard = False
            try:
                call = start(request, timeout=seconds, metadata=self.server.authorize())
                for operation in self._each(call):
                    heard = True
                    self.operation = operation.name
                    self._note(operation)
                    if operation.done:
                        return _response_of(operation)
            except _Lost:
                raise
            except Exception as error:
                code = code_of(error)
                if code == "NOT_FOUND" and start is stub.WaitExecution:
                    raise _Lost("the grid has forgotten it") from None
                self._left()
                if code not in PASSING:
                    raise
                if not heard:
                    raise _Lost(words_of(error, TOKEN)) from None
            if not self.operation:
                raise _Lost("the grid ended without an answer")
            start, request = stub.WaitExecution, reapi.WaitExecutionRequest(name=self.operation)

    def _each(self, call: Any) -> Iterator[Any]:
        """What comes of a stream. A thread waits for it, so that this one sees when the build is to end."""
        arrived: queue.Queue[Any] = queue.Queue()

        def listen() -> None:
            try:
                for message in call:
                    arrived.put(message)
                arrived.put(None)
            except Exception as error:
                arrived.put(error)

        threading.Thread(target=listen, daemon=True).start()
        try:
            while True:
                try:
                    message = arrived.get(timeout=_LOOK)
                except queue.Empty:
                    self._left()
                    continue
                if message is None:
                    return
                if isinstance(message, Exception):
                    raise message
                yield message
        finally:
            call.cancel()

    def _left(self) -> float:
        """The seconds until the deadline. Raises GridFailure when it is over, or the build is to end."""
        if self.stopping():
            raise GridFailure("it was interrupted")
        now = time.monotonic()
        waits = bool(self.operation) and self.stage in _WAITING
        if waits and not self.is_told and now - self.began > _LONG:
            self.is_told = True
            self.waiting()
        if now < self.late:
            return self.late - now
        if waits:
            raise GridFailure(
                f"no worker took it within deadline={self.job.deadline} s: is there one with {self._properties()}?"
            )
        raise GridFailure(f"it did not end within deadline={self.job.deadline} s")

    def _properties(self) -> str:
        pairs = (f"{name}={value}" for name, value in sorted(self.job.platform.items()))
        return ", ".join(pairs) or "no properties"

    def _note(self, operation: Any) -> None:
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi

        found = reapi.ExecuteOperationMetadata()
        if operation.metadata.Unpack(found):
            self.stage = reapi.ExecutionStage.Value.Name(found.stage)

    def _pause(self, tries: int) -> None:
        until = time.monotonic() + tries
        while time.monotonic() < until:
            time.sleep(min(_LOOK, self._left()))

    def _cancel(self) -> None:
        """Tell the grid that nobody waits for it; what it says to that does not count."""
        if not self.operation:
            return
        from buildgrid.common.protos.google.longrunning import operations_pb2, operations_pb2_grpc

        request = operations_pb2.CancelOperationRequest(name=self.operation)
        stub = operations_pb2_grpc.OperationsStub(self.server.channel)
        try:
            stub.CancelOperation(request, timeout=5.0, metadata=self.server.authorize())
        except Exception:
            return

    def _taken(self, answer: Any) -> Result:
        """What a result speaks of, brought here."""
        try:
            err = answer.stderr_raw or fetch(self.server, answer.stderr_digest, self._left())
            files = {
                file.path: self._file(file) for file in answer.output_files if file.path in self.job.outputs
            }
        except WrongBlob as error:
            raise _Lost(str(error)) from None
        except GridFailure:
            raise
        except Exception as error:
            if code_of(error) in PASSING or code_of(error) == "NOT_FOUND":
                raise _Lost(f"its result cannot be read ({words_of(error, TOKEN)})") from None
            raise _failed(error) from None
        return Result(answer.exit_code, err, files)

    def _file(self, one: Any) -> bytes:
        return one.contents or fetch(self.server, one.digest, self._left())


def _response_of(operation: Any) -> Any:
    from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi

    response = reapi.ExecuteResponse()
    if operation.HasField("error"):
        response.status.CopyFrom(operation.error)
    elif not operation.response.Unpack(response):
        raise _Lost("its answer is not a result")
    return response


def _code_name(number: int) -> str:
    from buildgrid.common.protos.google.rpc import code_pb2

    return str(code_pb2.Code.Name(number)) if number in code_pb2.Code.values() else "UNKNOWN"


def _failed(error: Exception) -> GridFailure:
    code = code_of(error)
    details = getattr(error, "details", None)
    message = (details() if callable(details) else str(error)) or ""
    if code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION"):
        return GridFailure(_refusal(code, message[:300].partition("\n")[0]))
    return GridFailure(words_of(error, TOKEN))


def _refusal(code: str, message: str) -> str:
    return f"it refuses the job ({code}: {message}); look at platform=, and at the properties of its workers"

"""A server of the Remote Execution API that does what no server should."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


class Server:
    """A server of test code that keeps what it is given, so that each entry can be looked at and changed. Who is asked
    to Execute gets ``answers`` one after the other."""

    def __init__(self) -> None:
        self.answers: list[Callable[[Any, Any], Iterator[Any]]] = []
        self.results: dict[str, Any] = {}
        self.blobs: dict[str, bytes] = {}
        #: What it does instead, by the method's name.
        self.faults: dict[str, Callable[[Any, Any], Any]] = {}
        self.asked: list[str] = []

    def handlers(self) -> Any:
        import grpc
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi
        from buildgrid.common.protos.google.bytestream import bytestream_pb2 as stream
        from buildgrid.common.protos.google.longrunning import operations_pb2

        one, many = "unary_unary", "unary_stream"
        services: dict[str, list[tuple[str, str, Callable[[Any, Any], Any], Any]]] = {
            "build.bazel.remote.execution.v2.ActionCache": [
                (one, "GetActionResult", self._get, reapi.GetActionResultRequest),
                (one, "UpdateActionResult", self._update, reapi.UpdateActionResultRequest),
            ],
            "build.bazel.remote.execution.v2.ContentAddressableStorage": [
                (one, "FindMissingBlobs", self._missing, reapi.FindMissingBlobsRequest)
            ],
            "build.bazel.remote.execution.v2.Execution": [
                (many, "Execute", self._execute, reapi.ExecuteRequest),
                (many, "WaitExecution", self._execute, reapi.WaitExecutionRequest),
            ],
            "google.bytestream.ByteStream": [
                ("stream_unary", "Write", self._write, stream.WriteRequest),
                (many, "Read", self._read, stream.ReadRequest),
            ],
            "google.longrunning.Operations": [
                (one, "CancelOperation", self._cancel, operations_pb2.CancelOperationRequest)
            ],
        }
        return [
            grpc.method_handlers_generic_handler(service, {one[1]: self._method(*one) for one in methods})
            for service, methods in services.items()
        ]

    def _method(self, kind: str, name: str, usual: Callable[[Any, Any], Any], request: Any) -> Any:
        import grpc

        def act(request: Any, context: Any) -> Any:
            self.asked.append(name)
            return self.faults.get(name, usual)(request, context)

        return getattr(grpc, f"{kind}_rpc_method_handler")(
            act,
            request_deserializer=request.FromString,
            response_serializer=lambda one: one if isinstance(one, bytes) else one.SerializeToString(),
        )

    def _get(self, request: Any, context: Any) -> Any:
        if request.action_digest.hash not in self.results:
            ends("NOT_FOUND")(request, context)
        return self.results[request.action_digest.hash]

    def _update(self, request: Any, context: Any) -> Any:
        self.results[request.action_digest.hash] = request.action_result
        return request.action_result

    def _missing(self, request: Any, context: Any) -> Any:
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi

        absent = [one for one in request.blob_digests if one.hash not in self.blobs]
        return reapi.FindMissingBlobsResponse(missing_blob_digests=absent)

    def _write(self, requests: Iterator[Any], context: Any) -> Any:
        from buildgrid.common.protos.google.bytestream import bytestream_pb2

        content = b"".join(one.data for one in requests)
        self.blobs[hashlib.sha256(content).hexdigest()] = content
        return bytestream_pb2.WriteResponse(committed_size=len(content))

    def _read(self, request: Any, context: Any) -> Iterator[Any]:
        from buildgrid.common.protos.google.bytestream import bytestream_pb2

        content = self.blobs.get(request.resource_name.split("/")[-2])
        if content is None:
            ends("NOT_FOUND")(request, context)
        for at in range(0, len(content or b""), 50_000):
            yield bytestream_pb2.ReadResponse(data=(content or b"")[at : at + 50_000])

    def _execute(self, request: Any, context: Any) -> Iterator[Any]:
        yield from self.answers.pop(0)(request, context)

    def _cancel(self, request: Any, context: Any) -> Any:
        from google.protobuf import empty_pb2

        return empty_pb2.Empty()


@contextmanager
def serving(server: Server, credentials: Any = None) -> Iterator[str]:
    """In the clear, or by TLS with the server's credentials."""
    import grpc

    pool = ThreadPoolExecutor(20)
    running = grpc.server(pool, handlers=server.handlers(), options=[("grpc.max_send_message_length", -1)])
    place = "127.0.0.1:0"
    port = running.add_secure_port(place, credentials) if credentials else running.add_insecure_port(place)
    running.start()
    try:
        yield f"grpc{'s' if credentials else ''}://127.0.0.1:{port}"
    finally:
        running.stop(0).wait()


def ends(code: str) -> Callable[[Any, Any], Any]:
    def act(request: Any, context: Any) -> Any:
        import grpc

        context.abort(getattr(grpc.StatusCode, code), "<html>\x1b[2J what it says is not shown")

    return act


def hangs(request: Any, context: Any) -> Any:
    ended = threading.Event()
    context.add_callback(ended.set)
    ended.wait(30)


def result(**fields: Any) -> Callable[[Any, Any], Any]:
    def act(request: Any, context: Any) -> Any:
        from buildgrid.common.protos.build.bazel.remote.execution.v2.remote_execution_pb2 import ActionResult

        return ActionResult(**fields)

    return act


def operation(stage: int, done: bool = False, code: int = 0, message: str = "", **fields: Any) -> Any:
    """What Execute answers: the stage of a job; with ``done`` its result's fields, or the status that it ended with."""
    from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi
    from buildgrid.common.protos.google.longrunning import operations_pb2

    found = operations_pb2.Operation(name="job", done=done)
    found.metadata.Pack(reapi.ExecuteOperationMetadata(stage=stage))
    if done:
        response = reapi.ExecuteResponse()
        response.status.code, response.status.message = code, message
        if not code:
            response.result.CopyFrom(reapi.ActionResult(**fields))
        found.response.Pack(response)
    return found

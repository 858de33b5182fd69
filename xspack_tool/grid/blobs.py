"""Blobs of a server: each is found by the digest of its content, and what comes is compared with that."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from xspack_tool.grid.connect import Server

#: What goes in one message, of the 4 MiB that gRPC takes.
_CHUNK = 1 << 20
#: So many bytes a second are a slow network's.
_RATE = 1 << 20


class WrongBlob(Exception):
    """A blob whose digest is not the one that was asked for."""


def digest_of(data: bytes) -> Any:
    """The digest of some bytes."""
    from buildgrid.common.protos.build.bazel.remote.execution.v2.remote_execution_pb2 import Digest

    return Digest(hash=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


def missing(server: Server, digests: Sequence[Any], seconds: float) -> set[str]:
    """The hashes of those that the server has not."""
    from buildgrid.common.protos.build.bazel.remote.execution.v2 import (
        remote_execution_pb2 as reapi,
    )
    from buildgrid.common.protos.build.bazel.remote.execution.v2 import (
        remote_execution_pb2_grpc as services,
    )

    request = reapi.FindMissingBlobsRequest(instance_name=server.instance, blob_digests=digests)
    stub = services.ContentAddressableStorageStub(server.channel)
    answer = stub.FindMissingBlobs(request, timeout=seconds, metadata=server.authorize())
    return {digest.hash for digest in answer.missing_blob_digests}


def write(server: Server, hash: str, size: int, data: bytes | Path, seconds: float) -> None:
    """Send a blob, in parts. ``seconds`` is what the server may take besides its bytes' own time."""
    from buildgrid.common.protos.google.bytestream import bytestream_pb2, bytestream_pb2_grpc

    name = server.named("uploads", str(uuid.uuid4()), "blobs", hash, str(size))

    def requests() -> Iterator[Any]:
        offset = 0
        for block in _blocks(data):
            done = offset + len(block) >= size
            yield bytestream_pb2.WriteRequest(
                resource_name=name, write_offset=offset, finish_write=done, data=block
            )
            offset += len(block)

    stub = bytestream_pb2_grpc.ByteStreamStub(server.channel)
    stub.Write(requests(), timeout=seconds + size / _RATE, metadata=server.authorize())


def _blocks(data: bytes | Path) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield from (data[at : at + _CHUNK] for at in range(0, max(len(data), 1), _CHUNK))
        return
    with open(data, "rb") as file:
        while block := file.read(_CHUNK):
            yield block


def read(server: Server, hash: str, size: int, seconds: float) -> Iterator[bytes]:
    """The blocks of a blob, not yet compared with its digest."""
    from buildgrid.common.protos.google.bytestream import bytestream_pb2, bytestream_pb2_grpc

    request = bytestream_pb2.ReadRequest(resource_name=server.named("blobs", hash, str(size)))
    stub = bytestream_pb2_grpc.ByteStreamStub(server.channel)
    call = stub.Read(request, timeout=seconds + size / _RATE, metadata=server.authorize())
    try:
        for answer in call:
            yield answer.data
    finally:
        call.cancel()


def fetch(server: Server, digest: Any, seconds: float) -> bytes:
    """A whole blob. Raises WrongBlob where it is another."""
    if not digest.size_bytes:
        return b""
    parts, size = [], 0
    for block in read(server, digest.hash, digest.size_bytes, seconds):
        size += len(block)
        if size > digest.size_bytes:
            break
        parts.append(block)
    content = b"".join(parts)
    if size != digest.size_bytes or hashlib.sha256(content).hexdigest() != digest.hash:
        raise WrongBlob("the blob has another digest than was asked for")
    return content

"""A server of the Remote Execution API behind a shared cache: an entry is the standard output of an action that nobody
runs, and its content the action's output file, so that the server keeps both or neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xspack_tool.cache.url import StoreMistake
from xspack_tool.grid.blobs import missing, read, write
from xspack_tool.grid.connect import GridMistake, code_of, connect, words_of

_TOKEN = "XSPACK_CACHE_TOKEN"
#: An action is found by its hash; the size is part of the name alone.
_SIZE = 1
#: Answers to a write after which there is no use in another.
_FINAL = (
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "UNIMPLEMENTED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
)


class Actions:
    """A server's ActionCache and its store of blobs; ``once`` is what it may take to answer."""

    largest = None

    def __init__(self, url: str, environ: Mapping[str, str], once: float) -> None:
        self._once = once
        try:
            self._server = connect(url, lambda: environ.get(_TOKEN, ""), environ)
        except GridMistake as mistake:
            raise StoreMistake(str(mistake)) from None

    def get(self, path: str, most: int) -> tuple[int, Iterator[bytes]]:
        """The size and the blocks of an entry or of a content. Raises FileNotFoundError."""
        kind, _, digest = path.partition("/")
        if kind == "cas":
            return most, self._blocks(digest, most)
        try:
            answer = self._stub().GetActionResult(
                self._request("GetActionResultRequest", digest, inline_stdout=True),
                timeout=self._once,
                metadata=self._server.authorize(),
            )
        except Exception as error:
            raise _absent(error) from None
        if not answer.stdout_raw and answer.stdout_digest.size_bytes:
            size = answer.stdout_digest.size_bytes
            return size, self._blocks(answer.stdout_digest.hash, size)
        return len(answer.stdout_raw), iter([answer.stdout_raw])

    def _blocks(self, digest: str, size: int) -> Iterator[bytes]:
        try:
            yield from read(self._server, digest, size, self._once)
        except Exception as error:
            raise _absent(error) from None

    def put_file(self, digest: str, size: int, file: Path, seconds: float) -> None:
        """Write a file's content, if the server has it not yet."""
        from buildgrid.common.protos.build.bazel.remote.execution.v2.remote_execution_pb2 import Digest

        if missing(self._server, [Digest(hash=digest, size_bytes=size)], self._once):
            write(self._server, digest, size, file, seconds)

    def put_entry(self, path: str, text: bytes, content: tuple[str, int] | None) -> None:
        """Write an entry, whose content is there by now."""
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi

        result = reapi.ActionResult(stdout_raw=text)
        if content:
            result.output_files.add(
                path="content", digest=reapi.Digest(hash=content[0], size_bytes=content[1])
            )
        self._stub().UpdateActionResult(
            self._request("UpdateActionResultRequest", path.partition("/")[2], action_result=result),
            timeout=self._once,
            metadata=self._server.authorize(),
        )

    def _stub(self) -> Any:
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2_grpc

        return remote_execution_pb2_grpc.ActionCacheStub(self._server.channel)

    def _request(self, name: str, digest: str, **more: Any) -> Any:
        from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi

        action = reapi.Digest(hash=digest, size_bytes=_SIZE)
        return getattr(reapi, name)(instance_name=self._server.instance, action_digest=action, **more)

    @staticmethod
    def is_final(error: Exception) -> bool:
        """Whether no other write would fare better."""
        return code_of(error) in _FINAL

    @staticmethod
    def words(error: Exception) -> str:
        """One short reason, without what a server sent."""
        return words_of(error, _TOKEN)


def _absent(error: Exception) -> Exception:
    return FileNotFoundError() if code_of(error) == "NOT_FOUND" else error

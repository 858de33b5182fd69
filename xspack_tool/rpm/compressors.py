"""Payloads compressed as rpm 4.18 does, in the threads of one pool for all packages of a build."""

from __future__ import annotations

import functools
import hashlib
import lzma
import os
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from xspack_tool.rpm.relations import UnusualError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Sink = Callable[[bytes], object]

#: Of rpm's words for a payload: what the header calls it, and the feature that rpm must have.
NAMES = {
    "xzdio": (b"xz", (b"PayloadIsXz", b"5.2-1")),
    "gzdio": (b"gzip", None),
    "zstdio": (b"zstd", (b"PayloadIsZstd", b"5.4.18-1")),
    "ufdio": (None, None),
}
_PAYLOAD = re.compile(r"w(?P<level>[0-9]{1,2})?(?P<threads>T2)?\.(?P<way>xzdio|gzdio|zstdio|ufdio)")
_CHECK_SIZE, _CHUNK = 32, 1 << 16
#: The dictionaries of xz's presets.
_DICTIONARIES = (1 << 18, 1 << 20, 1 << 21, 1 << 22, 1 << 22, 1 << 23, 1 << 23, 1 << 24, 1 << 25, 1 << 26)
#: mallopt(3): the size from which memory comes from the kernel each time (M_MMAP_THRESHOLD), and how much is kept at
#: the end of a heap (M_TRIM_THRESHOLD).
_KEPT = {-3: 16 << 20, -1: 32 << 20}
#: How many bytes may wait for their compression.
_WAITING = 32 << 20


class Compressor(Protocol):
    """Takes an archive in pieces; compressed bytes go to its sink, the last of them in ``close``."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Payload(Struct, frozen=True):
    """rpm's `_binary_payload` in parts."""

    level: int
    in_blocks: bool
    way: str


_LEVELS = {"xzdio": range(10), "gzdio": range(1, 10), "zstdio": range(1, 20), "ufdio": range(-1, 1)}


def read_payload(text: str) -> Payload:
    """Read it. Raises UnusualError for one that is not written here."""
    found = _PAYLOAD.fullmatch(text)
    if found:
        payload = Payload(int(found["level"] or -1), bool(found["threads"]), found["way"])
        if payload.level in _LEVELS[payload.way] and not (payload.in_blocks and payload.way != "xzdio"):
            return payload
    raise UnusualError(f"the payload {text}")


def compressor(payload: Payload, sink: Sink) -> Compressor:
    """A compressor for such a payload."""
    level = payload.level
    if payload.way == "ufdio":
        return _Stored(sink)
    if payload.way == "zstdio":
        import zstandard

        return _Through(zstandard.ZstdCompressor(level=level, write_content_size=False).compressobj(), sink)
    if payload.way == "gzdio":
        return _Through(zlib.compressobj(level, zlib.DEFLATED, 31), sink)
    if payload.in_blocks:
        return _Blocks(sink, level)
    _keep_memory()
    return _Through(lzma.LZMACompressor(lzma.FORMAT_XZ, check=lzma.CHECK_SHA256, preset=level), sink)


@functools.cache
def _keep_memory() -> None:
    """Have what an encoder frees kept for the next one: its tables are megabytes, and to get new pages for them takes
    five times as long as to compress a small package."""
    import ctypes

    with suppress(AttributeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        for option, size in _KEPT.items():
            mallopt(option, size)


class _Stored:
    def __init__(self, sink: Sink) -> None:
        self.sink = sink

    def write(self, data: bytes) -> None:
        self.sink(data)

    def close(self) -> None:
        pass


class _Encoder(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Through:
    """One stream of a library's encoder."""

    def __init__(self, encoder: _Encoder, sink: Sink) -> None:
        self.encoder, self.sink = encoder, sink

    def write(self, data: bytes) -> None:
        if made := self.encoder.compress(data):
            self.sink(made)

    def close(self) -> None:
        self.sink(self.encoder.flush())


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """As many threads as there are cores, for all packages together: lzma lets other threads run."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="xz")


class _Blocks:
    """The blocks of liblzma's threaded encoder (5.4: stream_encoder_mt.c, block_buffer_encoder.c), whose bytes do
    not depend on the number of threads."""

    def __init__(self, sink: Sink, level: int) -> None:
        self.sink, self.level = sink, level
        self.block_size = max(3 * _DICTIONARIES[level], 1 << 20)
        self.ahead = max(1, min(3, _WAITING // self.block_size))
        self.held: list[bytes] = []
        self.length = 0
        self.jobs: list[Future[tuple[bytes, int, int]]] = []
        self.index: list[tuple[int, int]] = []
        flags = bytes([0, lzma.CHECK_SHA256])
        sink(b"\xfd7zXZ\0" + flags + struct.pack("<I", zlib.crc32(flags)))

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            part = view[: self.block_size - self.length]
            self.held.append(bytes(part))
            self.length += len(part)
            view = view[len(part) :]
            if self.length == self.block_size:
                self._send()

    def close(self) -> None:
        if self.length:
            self._send()
        while self.jobs:
            self._take(self.jobs.pop(0))
        index = b"\0" + _number(len(self.index)) + b"".join(_number(a) + _number(b) for a, b in self.index)
        index += bytes(-len(index) % 4)
        index += struct.pack("<I", zlib.crc32(index))
        footer = struct.pack("<I", len(index) // 4 - 1) + bytes([0, lzma.CHECK_SHA256])
        self.sink(index + struct.pack("<I", zlib.crc32(footer)) + footer + b"YZ")

    def _send(self) -> None:
        data, self.held, self.length = b"".join(self.held), [], 0
        self.jobs.append(_pool().submit(_block, data, self.level, self.block_size))
        if len(self.jobs) >= self.ahead:
            self._take(self.jobs.pop(0))

    def _take(self, job: Future[tuple[bytes, int, int]]) -> None:
        data, unpadded, plain = job.result()
        self.sink(data)
        self.index.append((unpadded, plain))


def _block(data: bytes, level: int, block_size: int) -> tuple[bytes, int, int]:
    """The bytes of a block, its size without padding, and that of its content."""
    bound = block_size + -(-block_size // _CHUNK) * 3 + 1
    room = 92 + (bound + 3 & ~3)
    size = _header_size(room, block_size)
    encoder = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": level}])
    packed = encoder.compress(data) + encoder.flush()
    bits = 2 * (_DICTIONARIES[level].bit_length() - 1) - 24
    if size + (len(packed) + 3 & ~3) + _CHECK_SIZE > room:  # nothing to gain: stored as it is
        parts = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
        chunks = (
            bytes([2 if n else 1]) + struct.pack(">H", len(part) - 1) + part for n, part in enumerate(parts)
        )
        packed = b"".join(chunks) + b"\0"
        bits, size = 0, _header_size(len(packed), len(data))
    head = bytes([size // 4 - 1, 0xC0]) + _number(len(packed)) + _number(len(data)) + bytes([0x21, 1, bits])
    head = head.ljust(size - 4, b"\0")
    made = (
        head,
        struct.pack("<I", zlib.crc32(head)),
        packed,
        bytes(-len(packed) % 4),
        hashlib.sha256(data).digest(),
    )
    return b"".join(made), size + len(packed) + _CHECK_SIZE, len(data)


def _header_size(packed: int, plain: int) -> int:
    return (1 + 1 + len(_number(packed)) + len(_number(plain)) + 3 + 4 + 3) & ~3


def _number(number: int) -> bytes:
    """A number as xz writes it: seven bits a byte, the lowest first."""
    made = bytearray()
    while number >= 0x80:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)

"""Compressed streams, unpacked block by block: payloads of RPMs, indexes, kernel modules."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO

from xspack_tool.errors import BadInput

_BLOCK = 256 * 1024
#: What xz may take to unpack: `xz -9` needs 65 MiB.
_XZ_MEMORY = 128 * 1024 * 1024
_ZSTD_WINDOW = 128 * 1024 * 1024
#: How they begin, and what rpm calls them; plain cpio is read under any name but is written without one.
_MAGICS = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x5d\x00\x00", "lzma"),
    (b"070701", "none"),
    (b"070702", "none"),
    (b"07070X", "none"),
)


def compression(begin: bytes) -> str:
    """What a payload (or a module) that begins so is compressed with; empty for what is not known."""
    return next((kind for magic, kind in _MAGICS if begin.startswith(magic)), "")


class _Gzip:
    """zlib with the interface of the decompressors of bz2 and lzma."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def _decompressor(kind: str) -> Any:
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    if kind in ("xz", "lzma"):
        import lzma

        form = lzma.FORMAT_XZ if kind == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMADecompressor(form, memlimit=_XZ_MEMORY)
    return _Gzip()


class Uncompressed:
    """A compressed stream's content, block by block. ``kind`` is one of :func:`compression`'s."""

    def __init__(self, file: BinaryIO, kind: str, name: str) -> None:
        self.name, self._file, self._held = name, file, b""
        self._inflate: Any = None
        if kind == "zstd":
            import zstandard

            self._file = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(file)
        elif kind != "none":
            self._inflate = _decompressor(kind)

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes; none means that the stream is at its end."""
        if not self._held:
            self._held = self._block()
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def exactly(self, count: int) -> bytes:
        """``count`` bytes; BadInput where there are less."""
        parts = []
        while count:
            if not (part := self.read(count)):
                raise BadInput(self.name, "truncated: its payload ends too early")
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes."""
        while count:
            count -= len(self.exactly(min(count, _BLOCK)))

    @property
    def is_whole(self) -> bool:
        """Whether the end that was reached is the end of the compressed stream."""
        return self._inflate is None or bool(self._inflate.eof)

    def finish(self) -> None:
        """Go to the end of the stream, where checksums are; nothing but a little padding may be left."""
        left = _BLOCK
        while part := self.read(left):
            left -= len(part)
            if not left:
                raise BadInput(self.name, "bytes follow the end of its payload")
        if not self.is_whole:
            raise BadInput(self.name, "truncated: its payload ends too early")

    def _block(self) -> bytes:
        import lzma

        try:
            if self._inflate is None:
                return self._file.read(_BLOCK)
            return self._inflated()
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as why:
            raise BadInput(self.name, f"damaged payload: {why}") from None
        except Exception as why:
            if type(why).__name__ != "ZstdError":
                raise
            raise BadInput(self.name, f"damaged payload: {why}") from None

    def _inflated(self) -> bytes:
        while not self._inflate.eof:
            data = self._file.read(_BLOCK) if self._inflate.needs_input else b""
            if block := self._inflate.decompress(data, _BLOCK):
                return bytes(block)
            if not data and self._inflate.needs_input:
                break
        return b""

"""Reading any ISO back: nothing is mounted, nothing leaves the folder it is unpacked to."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from xspack_tool.errors import BadInput, HostileInput
from xspack_tool.pack.iso_tree import ByPosition, IsoEntry, Metadata, Tree, Trick

#: Several names may share one content, but reading all files must not cost many times the image.
_TIMES_IMAGE = 4
_BLOCK = 1 << 20


class IsoReader:
    """An ISO 9660 image opened for reading: ``with IsoReader(path) as iso``.

    Raises BadInput, one line, for whatever is not an image, is truncated, or plays tricks: names that climb,
    directories that loop, content outside of the image, many files that share one content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115
        except OSError as error:
            raise BadInput(path, error.strerror or "cannot be read") from None
        try:
            self._image_size = os.fstat(self._file.fileno()).st_size
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> IsoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def entries(self) -> tuple[IsoEntry, ...]:
        """Everything in it, sorted by path; the root is left out."""
        return tuple(self._entries.values())

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def open(self, path: str) -> BinaryIO:
        """The content of a file, as a stream that can seek. Raises BadInput if there is no such file."""
        return io.BufferedReader(_Content(self._file.fileno(), self._file_entry(path)), 1 << 16)

    def digest(self, path: str, progress: Callable[[int], None] = lambda count: None) -> str:
        """The SHA-256 of a file's content, in hexadecimal, read block by block: in half the time that it takes by
        :meth:`open`. Raises BadInput if there is no such file, or the image ends before it."""
        digest = hashlib.sha256()
        for offset, length in self._file_entry(path).ranges:
            end = offset + length
            while offset < end:
                block = os.pread(self._file.fileno(), min(end - offset, _BLOCK), offset)
                if not block:
                    raise self._bad(f"ends within {path}")
                digest.update(block)
                offset += len(block)
                progress(len(block))
        return digest.hexdigest()

    def _file_entry(self, path: str) -> IsoEntry:
        entry = self._entries.get(path)
        if entry is None or entry.kind != "file":
            raise self._bad(f"holds no file {path}")
        return entry

    def read(self, path: str, largest: int = 16 << 20) -> bytes:
        """The content of a file of at most ``largest`` bytes."""
        with self.open(path) as stream:
            if self._entries[path].size > largest:
                raise self._bad(f"{path} is larger than {largest} bytes")
            return stream.read()

    def extract(self, folder: Path) -> None:
        """Unpack everything into ``folder``, which must be new or empty.

        Files become 0644 and folders 0755; links are made where they stay in the tree. Raises BadInput.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BadInput(folder, "is not empty")
        for entry in self.entries:
            target = folder / entry.path
            if entry.kind == "dir":
                target.mkdir(mode=0o755)
            elif entry.kind == "link":
                target.symlink_to(entry.link)
            else:
                with self.open(entry.path) as stream, open(target, "xb") as out:
                    shutil.copyfileobj(stream, out, 1 << 20)
                target.chmod(0o644)

    def _bad(self, why: str) -> BadInput:
        return BadInput(self.path, why)

    def _read(self) -> None:
        from pycdlib.pycdlibexception import PyCdlibException

        iso = _plain_reader()
        try:
            iso.open_fp(Metadata(self._file.fileno(), self._image_size))
            self.has_rock_ridge: bool = iso.has_rock_ridge()
            self.volume_id: str = iso.pvd.volume_identifier.decode("ascii", "replace").strip(" \0")
            self._entries = Tree(iso, self._image_size).entries()
        except Trick as trick:
            raise self._bad(str(trick)) from None
        except (KeyboardInterrupt, MemoryError):
            raise
        except (PyCdlibException, OverflowError) as error:
            raise self._bad(f"is not a readable ISO image: {' '.join(str(error).split())[:200]}") from None
        except Exception as error:  # whatever else pycdlib trips over in a foreign file
            raise self._bad(f"is not a readable ISO image: damaged ({type(error).__name__})") from None
        if sum(entry.size for entry in self.entries) > _TIMES_IMAGE * self._image_size:
            raise HostileInput(self.path, "its files overlap: they are many times its size")


def _plain_reader() -> Any:
    """pycdlib's reader that leaves UDF alone, which images may have besides: xapi and the installer mount what is of
    ISO 9660, and UDF's marks lie at the end of the image, which pycdlib is not told of here."""
    import pycdlib

    class Plain(pycdlib.PyCdlib):  # type: ignore[misc]  # it has no types
        def _parse_udf_descriptors(self) -> None:
            pass

        def _walk_udf_directories(self, extent_to_inode: object) -> None:
            pass

    return Plain()


class _Content(ByPosition):
    """The content of one file of an image."""

    def __init__(self, descriptor: int, entry: IsoEntry) -> None:
        super().__init__(descriptor, entry.size)
        self._ranges = entry.ranges

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        start = 0
        for offset, length in self._ranges:
            if self._at < start + length:
                skip = self._at - start
                data = os.pread(self._descriptor, min(len(buffer), length - skip), offset + skip)
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
            start += length
        return 0

"""Reading an ISO back, whoever made it: nothing is mounted, nothing leaves the folder it is unpacked to."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal

from xspack_tool.errors import BadInput

if TYPE_CHECKING:
    import pycdlib

#: How much of an image may be directories and descriptors: enough for 30 000 files.
_METADATA = 8 << 20
#: How deep folders may be; ISO 9660 itself ends at 8.
_DEPTH = 16
_SECTOR = 2048
#: Several names may share one content, but a small image does not unpack to a huge tree.
_TIMES_IMAGE = 4


@dataclass(frozen=True)
class IsoEntry:
    """A path of an ISO, relative to its root, without a leading slash; ``size`` in bytes."""

    path: str
    kind: Literal["file", "dir", "link"]
    size: int = 0
    link: str = ""
    #: Where its content is in the image: (offset, length) in bytes.
    ranges: tuple[tuple[int, int], ...] = ()


class _Metadata(io.RawIOBase):
    """The image as pycdlib sees it while it reads directories: it may read so much and no more.

    Its end is said to be far away: pycdlib would silently shorten what points behind it.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self._size, self._at, self._left = descriptor, size, 0, _METADATA

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: 1 << 48}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        size = _METADATA if size is None or size < 0 else size
        self._left -= size
        if self._left < 0:
            raise OverflowError(f"more than {_METADATA >> 20} MiB of directories")
        data = os.pread(self._descriptor, size, self._at) if self._at < self._size else b""
        self._at += len(data)
        return data


class IsoReader:
    """An ISO 9660 image opened for reading: ``with IsoReader(path) as iso``.

    Raises BadInput, one line, for whatever is not an image, is truncated, or plays tricks: names that climb,
    directories that loop, content outside of the image.
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
        entry = self._entries.get(path)
        if entry is None or entry.kind != "file":
            raise self._bad(f"holds no file {path}")
        return io.BufferedReader(_Content(self._file.fileno(), entry), _SECTOR * 32)

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
        if sum(entry.size for entry in self.entries) > _TIMES_IMAGE * self._image_size:
            raise self._bad("its files overlap: it would unpack to many times its size")
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
        import pycdlib
        from pycdlib.pycdlibexception import PyCdlibException

        iso = pycdlib.PyCdlib()
        try:
            iso.open_fp(_Metadata(self._file.fileno(), self._image_size))
            self.has_rock_ridge: bool = iso.has_rock_ridge()
            self.volume_id: str = iso.pvd.volume_identifier.decode("ascii", "replace").strip(" \0")
            self._entries = _Tree(iso, self._image_size).entries()
        except _Trick as trick:
            raise self._bad(str(trick)) from None
        except (KeyboardInterrupt, MemoryError):
            raise
        except (PyCdlibException, OverflowError) as error:
            raise self._bad(
                f"is no ISO image that can be read: {' '.join(str(error).split())[:200]}"
            ) from None
        except Exception as error:  # whatever else pycdlib trips over in a foreign file
            raise self._bad(f"is no ISO image that can be read: damaged ({type(error).__name__})") from None


class _Trick(Exception):
    """What is wrong with an image."""


class _Tree:
    """The directories of an image that pycdlib has read, as entries that are safe to use as paths."""

    def __init__(self, iso: pycdlib.PyCdlib, image_size: int) -> None:
        self._iso, self._size = iso, image_size
        self._rock_ridge = iso.has_rock_ridge()

    def entries(self) -> dict[str, IsoEntry]:
        """By path, in sorted order."""
        found: dict[str, IsoEntry] = {}
        waiting = [("", self._iso.get_record(iso_path="/"))]
        while waiting:
            above, directory = waiting.pop()
            if above.count("/") > _DEPTH:
                raise _Trick(f"its folders are deeper than {_DEPTH}")
            for path, records in self._children(above, directory):
                if path in found:
                    raise _Trick(f"{path!r} is there twice")
                found[path] = self._entry(path, records)
                if found[path].kind == "dir":
                    waiting.append((f"{path}/", records[0]))
        if self._iso.pvd.space_size * self._iso.pvd.logical_block_size() > self._size:
            raise _Trick("is truncated: its descriptor tells of more blocks than there are")
        return dict(sorted(found.items()))

    def _children(
        self, above: str, directory: pycdlib.dr.DirectoryRecord
    ) -> list[tuple[str, list[pycdlib.dr.DirectoryRecord]]]:
        """(path, its records) in a directory; a file of more than 4 GiB has several."""
        found: list[tuple[str, list[pycdlib.dr.DirectoryRecord]]] = []
        more = False
        for record in directory.children:
            if record.is_dot() or record.is_dotdot():
                continue
            path = above + self._name(record)
            if more and found[-1][0] == path:
                found[-1][1].append(record)
            else:
                found.append((path, [record]))
            more = bool(record.file_flags & 0x80)  # ECMA-119 9.1.6: not the last of its extents
        return found

    def _name(self, record: pycdlib.dr.DirectoryRecord) -> str:
        raw = record.rock_ridge.name() if self._rock_ridge and record.rock_ridge is not None else b""
        raw = raw or record.file_identifier().partition(b";")[0].rstrip(b".")
        try:
            name: str = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise _Trick(f"the name {raw!r} is not UTF-8") from None
        if name in ("", ".", "..") or "/" in name or any(ord(sign) < 32 or ord(sign) == 127 for sign in name):
            raise _Trick(f"the name {name!r} is none of a file")
        return name

    def _entry(self, path: str, records: list[pycdlib.dr.DirectoryRecord]) -> IsoEntry:
        first = records[0]
        if self._rock_ridge and first.rock_ridge is not None and first.rock_ridge.child_link_record_exists():
            raise _Trick(f"{path!r} is a relocated folder, which packs do not have")
        if first.is_dir():
            return IsoEntry(path, "dir")
        if first.is_symlink():
            return IsoEntry(path, "link", link=self._link(path, first))
        # data_length as the record has it: get_data_length() is that of the first name of the same content
        ranges = tuple((record.extent_location() * _SECTOR, record.data_length) for record in records)
        for offset, length in ranges:
            if length and (offset < 0 or offset + length > self._size):
                raise _Trick(f"the content of {path!r} is outside of the image, which may be truncated")
        return IsoEntry(path, "file", sum(length for _, length in ranges), ranges=ranges)

    def _link(self, path: str, record: pycdlib.dr.DirectoryRecord) -> str:
        target: str = record.rock_ridge.symlink_path().decode("utf-8", "replace")
        depth = path.count("/")
        for name in target.split("/"):
            depth += -1 if name == ".." else 0 if name == "." else 1
            if depth < 0 or not name or "\0" in name:
                raise _Trick(f"the link {path!r} leads out of the image: {target!r}")
        return target


class _Content(io.RawIOBase):
    """The content of one file of an image, read by position: several may be open at once."""

    def __init__(self, descriptor: int, entry: IsoEntry) -> None:
        self._descriptor, self._entry, self._at = descriptor, entry, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._entry.size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        start = 0
        for offset, length in self._entry.ranges:
            if self._at < start + length:
                skip = self._at - start
                data = os.pread(self._descriptor, min(len(buffer), length - skip), offset + skip)
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
            start += length
        return 0

"""The directories of a foreign ISO, as paths that are safe to use."""

from __future__ import annotations

import io
import itertools
import os
import re
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    import pycdlib

#: How much of an image may be directories and descriptors: enough for 30 000 files.
_METADATA = 8 << 20
#: How deep folders may be; ISO 9660 itself ends at 8.
_DEPTH = 16
#: What no name of a file holds.
_NO_NAME = re.compile(r"[/\x00-\x1f\x7f]")


class IsoEntry(Struct, frozen=True):
    """A path of an ISO, relative to its root, without a leading slash; ``size`` in bytes."""

    path: str
    kind: Literal["file", "dir", "link"]
    size: int = 0
    link: str = ""
    #: Where its content is in the image: (offset, length) in bytes.
    ranges: tuple[tuple[int, int], ...] = ()


class ByPosition(io.RawIOBase):
    """A part of a file that is open, with a place of its own in it: several may be read at once."""

    def __init__(self, descriptor: int, end: int) -> None:
        self._descriptor, self._end, self._at = descriptor, end, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = max(0, begin + offset)
        return self._at


class Metadata(ByPosition):
    """The image as pycdlib sees it while it reads directories: it may read so much and no more.

    Its end is said to be far away: pycdlib would silently shorten what points behind it.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        super().__init__(descriptor, end=1 << 48)
        self._size, self._left = size, _METADATA

    def read(self, size: int | None = -1) -> bytes:
        size = _METADATA if size is None or size < 0 else size
        self._left -= size
        if self._left < 0:
            raise OverflowError(f"more than {_METADATA >> 20} MiB of directories")
        data = os.pread(self._descriptor, size, self._at) if self._at < self._size else b""
        self._at += len(data)
        return data


class Trick(Exception):
    """What is wrong with an image."""


class Tree:
    """The directories of an image that pycdlib has read, as entries that are safe to use as paths."""

    def __init__(self, iso: pycdlib.PyCdlib, image_size: int) -> None:
        self._iso, self._size = iso, image_size
        self._block: int = iso.pvd.logical_block_size()
        self._rock_ridge = iso.has_rock_ridge()

    def entries(self) -> dict[str, IsoEntry]:
        """By path, in sorted order."""
        entries: dict[str, IsoEntry] = {}
        waiting = [("", self._iso.get_record(iso_path="/"))]
        while waiting:
            above, directory = waiting.pop()
            if above.count("/") > _DEPTH:
                raise Trick(f"its folders are deeper than {_DEPTH}")
            for path, records in self._children(above, directory):
                if path in entries:
                    raise Trick(f"{path!r} is there twice")
                entries[path] = self._entry(path, records)
                if entries[path].kind == "dir":
                    waiting.append((f"{path}/", records[0]))
        if self._iso.pvd.space_size * self._block > self._size:
            raise Trick("is truncated: its descriptor claims more blocks than there are")
        return dict(sorted(entries.items()))

    def _children(
        self, above: str, directory: pycdlib.dr.DirectoryRecord
    ) -> list[tuple[str, list[pycdlib.dr.DirectoryRecord]]]:
        """(path, its records) in a directory; a file of more than 4 GiB has several."""
        children: list[tuple[str, list[pycdlib.dr.DirectoryRecord]]] = []
        continues = False
        for record in directory.children:
            if record.is_dot() or record.is_dotdot():
                continue
            path = above + self._name(record)
            if continues and children[-1][0] == path:
                children[-1][1].append(record)
            else:
                children.append((path, [record]))
            continues = bool(record.file_flags & 0x80)  # ECMA-119 9.1.6: not the last of its extents
        return children

    def _name(self, record: pycdlib.dr.DirectoryRecord) -> str:
        raw = record.rock_ridge.name() if self._rock_ridge and record.rock_ridge is not None else b""
        raw = raw or record.file_identifier().partition(b";")[0].rstrip(b".")
        try:
            name: str = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Trick(f"the name {raw!r} is not UTF-8") from None
        if name in ("", ".", "..") or _NO_NAME.search(name):
            raise Trick(f"the name {name!r} is none of a file")
        return name

    def _entry(self, path: str, records: list[pycdlib.dr.DirectoryRecord]) -> IsoEntry:
        first = records[0]
        if self._rock_ridge and first.rock_ridge is not None and first.rock_ridge.child_link_record_exists():
            raise Trick(f"{path!r} is a relocated folder, which packs do not have")
        if first.is_dir():
            return IsoEntry(path, "dir")
        if first.is_symlink():
            return IsoEntry(path, "link", link=self._link(path, first))
        # data_length as the record has it: get_data_length() is that of the first name of the same content
        ranges = tuple((record.extent_location() * self._block, record.data_length) for record in records)
        for offset, length in ranges:
            if length and (offset < 0 or offset + length > self._size):
                raise Trick(f"the content of {path!r} is outside of the image, which may be truncated")
        return IsoEntry(path, "file", sum(length for _, length in ranges), ranges=ranges)

    def _link(self, path: str, record: pycdlib.dr.DirectoryRecord) -> str:
        target: str = record.rock_ridge.symlink_path().decode("utf-8", "replace")
        names = [name for name in target.split("/") if name != "."]
        up = len(names) - len(list(itertools.dropwhile(lambda name: name == "..", names)))
        # A '..' behind a name may start at the end of another link: only those in front can be counted.
        if up > path.count("/") or not all(names) or ".." in names[up:] or "\0" in target:
            raise Trick(f"the link {path!r} leads out of the image: {target!r}")
        return target

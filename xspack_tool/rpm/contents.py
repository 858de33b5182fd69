"""The files of a package in the order of its archive, and where their content comes from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from xspack_tool.errors import StepError
from xspack_tool.model.package import FileEntry
from xspack_tool.rpm.info import CONFIG, DOC, GHOST, LICENSE, MISSINGOK, NOREPLACE
from xspack_tool.rpm.relations import UnusualError
from xspack_tool.rpm.stage import is_plain_member, shipped_mode

BLOCK = 1 << 18
_ROLES = {
    "": 0,
    "config": CONFIG | NOREPLACE,
    "config-replace": CONFIG,
    "config-missingok": CONFIG | NOREPLACE | MISSINGOK,
    "config-replace-missingok": CONFIG | MISSINGOK,
    "doc": DOC,
    "license": LICENSE,
    "ghost": GHOST,
}
#: Folders whose files rpm takes for documentation without being told.
_DOC_FOLDERS = tuple(
    f"{folder}/".encode()
    for folder in (
        *(
            "/usr/share/doc",
            "/usr/share/man",
            "/usr/share/info",
            "/usr/share/gtk-doc/html",
            "/usr/share/gnome/help",
        ),
        *("/usr/doc", "/usr/man", "/usr/info", "/usr/X11R6/man"),
    )
)


class File(Struct):
    """One path of an RPM. The content of a regular file is ``data``, or ``size`` bytes of ``source`` from ``offset``
    on; ``whole`` where that is all of the source."""

    path: bytes
    mode: int
    flags: int
    owner: bytes
    group: bytes
    size: int = 0
    link: bytes = b""
    data: bytes | None = None
    source: str = ""
    offset: int = 0
    whole: bool = True
    digest: bytes = b""
    kind: bytes = b""
    color: int = 0

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_ghost(self) -> bool:
        return bool(self.flags & GHOST)

    @property
    def is_executable(self) -> bool:
        return self.is_file and bool(self.mode & 0o111)

    def read(self, offset: int, length: int) -> bytes:
        """Up to so many bytes of its content."""
        length = max(0, min(length, self.size - offset))
        if self.data is not None or not length:
            return (self.data or b"")[offset : offset + length]
        with open(self.source, "rb", buffering=0) as file:
            return os.pread(file.fileno(), length, self.offset + offset)

    def blocks(self) -> Iterator[bytes]:
        """Its content. Raises StepError if the source changed since its size was asked for."""
        if self.data is not None:
            yield self.data
            return
        with open(self.source, "rb", buffering=0) as file:
            file.seek(self.offset)
            left = self.size
            while left and (block := file.read(min(BLOCK, left))):
                left -= len(block)
                yield block
            if left or (self.whole and file.read(1)):
                raise StepError(f"{os.path.basename(self.source)} changed while it was read; build again")


def collect(entries: Sequence[FileEntry], contents: Mapping[str, Path]) -> list[File]:
    """The files of a package, sorted as rpm sorts them."""
    files: list[File] = []
    for entry in entries:
        if entry.kind == "archive":
            files += _members(entry, contents[entry.source])
        else:
            files.append(_file(entry, contents))
    files.sort(key=lambda file: file.path)
    for file in files:
        if not stat.S_ISDIR(file.mode) and file.path.startswith(_DOC_FOLDERS):
            file.flags |= DOC
    return files


def _file(entry: FileEntry, contents: Mapping[str, Path]) -> File:
    source = contents[entry.source] if entry.kind == "file" and entry.text is None else None
    mode = shipped_mode(entry, source)
    made = File(entry.path.encode(), mode, _ROLES[entry.role], entry.owner.encode(), entry.group.encode())
    if entry.kind == "dir":
        made.mode |= stat.S_IFDIR
        made.flags &= ~(CONFIG | DOC | LICENSE)  # what rpm takes from a folder, and no more
    elif entry.kind == "link":
        made.mode = stat.S_IFLNK | 0o777
        made.link = entry.link.encode()
        made.size = len(made.link)
    elif source is not None:
        made.mode |= stat.S_IFREG
        made.source = os.fspath(source)
        made.size = os.stat(made.source).st_size
    else:
        made.mode |= stat.S_IFREG
        made.data = (entry.text or "").encode()
        made.size = len(made.data)
    return made


def _members(entry: FileEntry, source: Path) -> Iterator[File]:
    """The regular files of a tar archive that a step of ours made."""
    import tarfile

    with tarfile.open(source, "r:") as archive:
        for member in archive:
            if not is_plain_member(member):
                raise StepError(f"{source}: {member.name!r} is no plain file below the archive's root")
            if member.issparse():
                raise UnusualError(f"the sparse file {member.name!r} in {source.name}")
            yield File(
                f"{entry.path}/{member.name}".encode(),
                stat.S_IFREG | member.mode & 0o777,
                _ROLES[entry.role],
                entry.owner.encode(),
                entry.group.encode(),
                size=member.size,
                source=os.fspath(source),
                offset=member.offset_data,
                whole=False,
            )

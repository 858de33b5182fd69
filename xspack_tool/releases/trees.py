"""The files of a repository, wherever it lies: in a folder, on an ISO, or as ISOs in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from xspack_tool.errors import BadInput
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rpm.read import read_info


class Tree(Protocol):
    """Files by their paths below the root of a repository (``repodata/repomd.xml``)."""

    name: str

    def paths(self) -> list[str]:
        """All files, sorted."""

    def open(self, path: str) -> BinaryIO:
        """One of them."""


class FolderTree:
    """A folder on disk."""

    def __init__(self, folder: Path) -> None:
        self.name, self._folder = str(folder), folder

    def paths(self) -> list[str]:
        """All files, sorted; links to folders are not followed."""
        found = []
        for folder, _, names in os.walk(self._folder, onerror=_raise):
            below = Path(folder).relative_to(self._folder)
            found += [(below / name).as_posix() for name in names]
        return sorted(found)

    def open(self, path: str) -> BinaryIO:
        """One of them."""
        return open(self._folder / path, "rb")


def _raise(error: OSError) -> None:
    raise error


class IsoTree:
    """An ISO 9660 image, opened."""

    def __init__(self, iso: IsoReader) -> None:
        self.name, self._iso = str(iso.path), iso

    def paths(self) -> list[str]:
        """All files, sorted."""
        return [entry.path for entry in self._iso.entries if entry.kind == "file"]

    def open(self, path: str) -> BinaryIO:
        """One of them. Raises BadInput where there is none."""
        return self._iso.open(path)


@contextmanager
def open_tree(path: Path) -> Iterator[Tree]:
    """The files below a folder or on an ISO. Raises BadInput for what is neither, or cannot be read."""
    path = repository_root(path)
    if path.is_dir():
        yield FolderTree(path)
        return
    with IsoReader(path) as iso:
        if not iso.has_rock_ridge:
            raise BadInput(path, "an ISO without Rock Ridge names")
        yield IsoTree(iso)


def read_rpms(path: Path) -> Iterator[tuple[str, RpmInfo]]:
    """Every binary RPM in a folder, on an ISO, or on the ISOs in a folder: its path there, and its header. Raises
    BadInput where there is none: rules that compare with nothing would pass everything."""
    is_empty = True
    for found in _read_rpms(path):
        is_empty = False
        yield found
    if is_empty:
        raise BadInput(path, "no binary RPM in it")


def _read_rpms(path: Path) -> Iterator[tuple[str, RpmInfo]]:
    path = repository_root(path)
    with open_tree(path) as tree:
        for name in tree.paths():
            if name.endswith(".rpm"):
                with tree.open(name) as file:
                    info, _ = read_info(file, f"{tree.name}: {name}")
                if not info.is_source:
                    yield name, info
            elif name.endswith(".iso") and path.is_dir():
                yield from _read_rpms(path / name)


def repository_root(path: Path) -> Path:
    """The folder (or ISO) itself, where a ``file:`` URL, its ``repodata`` or its ``repomd.xml`` is named."""
    if str(path).startswith("file:/"):
        path = Path("/" + str(path).removeprefix("file:").lstrip("/"))
    if path.name == "repomd.xml" and path.parent.name == "repodata":
        path = path.parent
    return path.parent if path.name == "repodata" and (path / "repomd.xml").is_file() else path


def repository_files(path: Path) -> list[Path]:
    """The files by which a change of a repository is noticed.

    An ISO itself; of a folder every RPM and ISO in it, and its index: what repomd.xml names may be gone though that is
    as it was.
    """
    path = repository_root(path)
    if not path.is_dir():
        return [path]
    return [path / name for name in FolderTree(path).paths() if is_repository_file(name)]


def is_repository_file(name: str) -> bool:
    """Whether a file, by its path below a repository's root, is an RPM, an ISO with such, or a part of the index."""
    return PurePosixPath(name).suffix in (".rpm", ".iso") or name.startswith("repodata/")

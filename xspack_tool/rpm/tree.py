"""Folders as they lie on the disk: walked for a declaration, or when all that fills them was built."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from xspack_tool.errors import StepError
from xspack_tool.model.package import FileEntry, Package
from xspack_tool.model.syntax import check_destination
from xspack_tool.rpm.stage import normal_mode

#: What SCons and git keep for themselves in a folder of sources.
_BOOKKEEPING = re.compile(r"\.git|\.sconsign.*|\.sconf_temp|\.scons(?:_temp)?")


class Found(Struct, frozen=True):
    """One path of the disk, relative to the folder that was walked. ``text`` is a link's target, or what is
    wrong."""

    relative: str
    kind: Literal["file", "dir", "link", "wrong"]
    place: str
    text: str = ""


def walk_disk(folder: str, prefix: str = "", exclude: frozenset[str] = frozenset()) -> Iterator[Found]:
    """Everything below a folder. ``exclude`` are absolute paths to leave out, besides what SCons and git keep for
    themselves. Links are kept as links; nothing behind one is read."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield Found(prefix.rstrip("/"), "wrong", folder, error.strerror or "cannot be read")
        return
    for entry in entries:
        relative = prefix + entry.name
        if entry.path in exclude or _BOOKKEEPING.fullmatch(entry.name):
            continue
        yield (item := _one(relative, entry.path))
        if item.kind == "dir":
            yield from walk_disk(entry.path, relative + "/", exclude)


def _one(relative: str, place: str) -> Found:
    try:
        mode = os.lstat(place).st_mode
    except OSError as error:
        return Found(relative, "wrong", place, error.strerror or "cannot be read")
    if stat.S_ISLNK(mode):
        return Found(relative, "link", place, os.readlink(place))
    if stat.S_ISDIR(mode):
        return Found(relative, "dir", place)
    if stat.S_ISREG(mode):
        return Found(relative, "file", place)
    return Found(relative, "wrong", place, "neither file, folder nor link")


class Tree(Struct, frozen=True):
    """Where the files of a ``tree`` entry lie: known paths (relative name, place), each a file, a link or a folder
    when all was built, and links that a builder makes, though not where it takes its target from a cache."""

    places: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...] = ()
    exclude: frozenset[str] = frozenset()

    def found(self) -> list[Found]:
        """What lies there now, sorted."""
        items: dict[str, Found] = {}
        for relative, target in self.links:
            items[relative] = Found(relative, "link", "", target)
        for relative, place in self.places:
            items[relative] = item = _one(relative, place)
            if item.kind == "dir":
                below = walk_disk(place, f"{relative}/" if relative else "", self.exclude)
                items.update((item.relative, item) for item in below)
        for relative in list(items):
            while relative := os.path.dirname(relative):
                items.setdefault(relative, Found(relative, "dir", ""))
        return [items[relative] for relative in sorted(items)]

    def signature(self, known: frozenset[str]) -> str:
        """A digest of what lies there now; the content of ``known`` places is left to those who know it."""
        total = hashlib.sha256()
        for item in self.found():
            words = [item.relative, item.kind, item.text]
            if item.kind == "file":
                words.append(f"{normal_mode(stat.S_IMODE(os.stat(item.place).st_mode)):o}")
                if item.place not in known:
                    words.append(_digest(item.place))
            total.update("\0".join(words).encode(errors="surrogateescape") + b"\n")
        return total.hexdigest()


def _digest(place: str) -> str:
    total = hashlib.sha256()
    with open(place, "rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def grown(
    package: Package, contents: Mapping[str, Path], trees: Mapping[str, Tree]
) -> tuple[Package, Mapping[str, Path]]:
    """The package with each ``tree`` entry replaced by what lies there now, and its contents then. ``trees`` are
    those of its entries, by path. Raises StepError for what can be in no package."""
    if not trees:
        return package, contents
    placed = {entry.path: entry for entry in package.entries if entry.kind != "tree"}
    contents = dict(contents)
    for tree in package.entries:
        for item in trees[tree.path].found() if tree.kind == "tree" else ():
            path = f"{tree.path}/{item.relative}" if item.relative else tree.path
            if wrong := [problem.rule for problem in check_destination("", path)] or (
                [item.text] if item.kind == "wrong" else []
            ):
                raise StepError(f"{package.name}: {item.place or path!r}: {wrong[0]}")
            entry, other = _entry(tree, path, item), placed.get(path)
            if other and not other.kind == entry.kind == "dir":
                raise StepError(f"{path}: provided twice, once by a folder that was built; keep one of them")
            placed.setdefault(path, entry)
            if item.kind == "file":
                contents[path] = Path(item.place)
    return replace(package, entries=tuple(placed[path] for path in sorted(placed))), contents


def _entry(tree: FileEntry, path: str, item: Found) -> FileEntry:
    """What a tree's entry says of one path below it."""
    plain = FileEntry(path, "file", owner=tree.owner, group=tree.group)
    if item.kind == "link":
        return FileEntry(path, "link", link=item.text)
    if item.kind == "dir":
        return replace(plain, kind="dir", mode=tree.folder_mode)
    return replace(plain, mode=tree.mode, limit=tree.limit, role=tree.role, source=path)

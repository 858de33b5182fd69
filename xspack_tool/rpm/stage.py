"""The buildroot of a package: its payload laid out as it will be on the host."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from xspack_tool.errors import StepError
from xspack_tool.model.package import FileEntry

if TYPE_CHECKING:
    import tarfile


def normal_mode(mode: int) -> int:
    """The mode with which a file of the user's is shipped where the declaration gives none.

    Its owner's bits and the special bits count; group and others get what the owner may read and execute.
    So a checkout made under another umask gives the same package, as git itself keeps only the x bit.
    """
    owner = mode & 0o700
    return mode & 0o7000 | owner | (owner & 0o500) >> 3 | (owner & 0o500) >> 6


def stage(
    entries: Sequence[FileEntry], contents: Mapping[str, Path], root: Path, time: int
) -> list[FileEntry]:
    """Fill ``root`` with the payload, whose files ``contents`` has by name, and return the entries as they really
    are: modes known, archives unfolded. Times are ``time``, never the sources': an older one would show in the RPM."""
    made: list[FileEntry] = []
    above: set[Path] = set()
    for entry in entries:
        if entry.kind == "archive":
            made += _archive(entry, contents[entry.source], root)
            continue
        target = root / entry.path.lstrip("/")
        if target.parent not in above:
            target.parent.mkdir(parents=True, exist_ok=True)
            above.add(target.parent)
        made.append(_one(entry, contents, target))
    for place, folders, files in os.walk(root, topdown=False):
        for name in (*files, *folders):  # among the folders are links to one
            os.utime(os.path.join(place, name), (time, time), follow_symlinks=False)
    return made


def _one(entry: FileEntry, contents: Mapping[str, Path], place: Path) -> FileEntry:
    if entry.kind == "dir":
        place.mkdir(exist_ok=True)
        return replace(entry, mode=shipped_mode(entry, None))
    if entry.kind == "link":
        place.symlink_to(entry.link)
        return entry
    if entry.text is None:
        source = contents[entry.source]
        shutil.copyfile(source, place)
        mode = shipped_mode(entry, source)
    else:
        place.write_text(entry.text, encoding="utf-8")
        mode = shipped_mode(entry, None)
    # The dependency generators look at executable files only; they must be able to read them, too.
    place.chmod(mode | 0o400)
    return replace(entry, mode=mode)


def shipped_mode(entry: FileEntry, source: Path | None) -> int:
    """The mode of a path on the host; ``source`` is where its content comes from, if that is a file."""
    if entry.mode is not None:
        return entry.mode
    if source is not None:
        return normal_mode(stat.S_IMODE(source.stat().st_mode)) & entry.limit
    return 0o755 if entry.kind == "dir" else 0o644


def is_plain_member(member: tarfile.TarInfo) -> bool:
    """Whether a member of an archive is a regular file that stays below its root."""
    return member.isfile() and not member.name.startswith("/") and ".." not in member.name.split("/")


def _archive(entry: FileEntry, source: Path, root: Path) -> list[FileEntry]:
    """The regular files of a tar archive that a step of ours made, below the entry's path."""
    import tarfile

    made = []
    with tarfile.open(source) as archive:
        for member in archive:
            if not is_plain_member(member):
                raise StepError(f"{source}: {member.name!r} is no plain file below the archive's root")
            path = f"{entry.path}/{member.name}"
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            assert content is not None  # a regular file always has content
            with content, place.open("wb") as out:
                shutil.copyfileobj(content, out)
            place.chmod(member.mode & 0o777 | 0o400)
            made.append(replace(entry, kind="file", path=path, mode=member.mode & 0o777))
    return made

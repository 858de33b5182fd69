"""What goes where on the ISO of a pack, and what its parts are made of: pure functions, which SCons and the commands
call with their own kinds of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from xspack_tool.repo import REPOMD

File = TypeVar("File")

DOCUMENT = "update.xml"
#: What has a detached signature beside it.
SIGNED = (DOCUMENT, REPOMD)


class Totals(NamedTuple):
    """What the document and the generated RPMs say about the payload: its installed size in bytes, and its time."""

    size: int
    time: int


def totals_of(rpms: Iterable[Any]) -> Totals:
    """Of headers or of fragments of the index: whatever has ``installed_size`` and ``build_time``."""
    known = [(rpm.installed_size, rpm.build_time) for rpm in rpms]
    return Totals(sum(size for size, _ in known), max(time for _, time in known))


def rpm_path(name: str) -> str:
    """Where an RPM goes, by its file name."""
    return f"Packages/{name}"


def iso_files(
    document: File, repomd: File, rpms: Mapping[str, File], sign: Callable[[File], File | None]
) -> dict[str, File]:
    """Path on the ISO -> file, but for those that repomd.xml names (:func:`with_index`). ``rpms`` are by their path;
    ``sign`` gives the detached signature of a file, None in an unsigned pack."""
    files: dict[str, File] = {}
    for path, file in zip(SIGNED, (document, repomd), strict=True):
        files[path] = file
        signature = sign(file)
        if signature is not None:
            files[f"{path}.asc"] = signature
    return {**files, **rpms}


def with_index(
    files: Mapping[str, File], records: Mapping[str, File], places: Mapping[str, str]
) -> dict[str, File]:
    """The files with those that repomd.xml names: ``records`` by the names that they were built under, ``places`` what
    repomd.xml calls each (:func:`xspack_tool.repo.repodata.iso_names`)."""
    return {**files, **{places[name]: file for name, file in records.items()}}

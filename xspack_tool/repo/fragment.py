"""What one RPM contributes to the yum index: read once for each RPM, kept as JSON."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from xspack_tool.binary.decoders import decoder_of
from xspack_tool.binary.module import MODULE
from xspack_tool.errors import BadInput, damaged
from xspack_tool.model.dependency import evr_text
from xspack_tool.repo.library import createrepo

if TYPE_CHECKING:
    import msgspec


class Fragment(Struct, frozen=True):
    """An RPM in the index. ``location`` is relative to the repository's root; sizes are bytes, times
    seconds since 1970; ``primary``, ``filelists`` and ``other`` are its elements of those files;
    ``holds_modules`` says whether a kernel module is among its files."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    location: str
    sha256: str
    size: int
    installed_size: int
    build_time: int
    primary: str
    filelists: str
    other: str
    holds_modules: bool = False

    @property
    def evr(self) -> str:
        """``[epoch:]version-release``."""
        return evr_text(self.epoch, self.version, self.release)


def read_fragments(paths: Iterable[Path]) -> list[Fragment]:
    """The fragments in files of one or more lines; msgspec, since a pack reads those of all its RPMs in every
    build. Raises BadInput."""
    return read_lines(Fragment, paths)


_Line = TypeVar("_Line")


def line_of(value: object) -> str:
    """A value as a line of JSON, which :func:`read_lines` reads."""
    import msgspec

    return msgspec.json.encode(value).decode() + "\n"


def read_lines(kind: type[_Line], paths: Iterable[Path]) -> list[_Line]:
    """What files of one or more lines of JSON hold, each line a value of a type. Raises BadInput."""
    import msgspec

    lines: list[_Line] = []
    for path in paths:
        try:
            lines += _decoded(decoder_of(kind), path.read_bytes())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise damaged(path) from None
    return lines


@functools.lru_cache(maxsize=8)
def _decoded(decoder: msgspec.json.Decoder[_Line], content: bytes) -> tuple[_Line, ...]:
    """Several steps of a pack read the same lines, one after the other: two files of its payload's, two of its
    generated RPMs'."""
    return tuple(decoder.decode_lines(content))


def make_fragment(rpm: Path, location: str) -> Fragment:
    """Index ``rpm`` under ``location``, such as ``Packages/x-1-1.noarch.rpm``; the clock and the file's times
    do not show.

    It is read by createrepo_c in this process: give it RPMs that rpm itself has read before, as signed ones
    were. Raises BadInput if it is no RPM.
    """
    createrepo_c = createrepo()
    try:
        # Its path may hold bytes that are no UTF-8, which the library does not take.
        with open(rpm, "rb") as file:
            package = createrepo_c.package_from_rpm(f"/proc/self/fd/{file.fileno()}", location_href=location)
    except (createrepo_c.CreaterepoCError, OSError) as error:
        raise BadInput(rpm, f"cannot be indexed: {' '.join(str(error).split())}") from None
    package.time_file = package.time_build
    return Fragment(
        name=package.name,
        epoch=int(package.epoch or 0),
        version=package.version,
        release=package.release,
        arch=package.arch,
        location=location,
        sha256=package.pkgId,
        size=package.size_package,
        installed_size=package.size_installed,
        build_time=package.time_build,
        primary=createrepo_c.xml_dump_primary(package),
        filelists=createrepo_c.xml_dump_filelists(package),
        other=createrepo_c.xml_dump_other(package),
        holds_modules=any(not kind and MODULE.search(name) for kind, _, name, *_ in package.files),
    )

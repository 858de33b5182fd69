"""Debug data of a package's programs and libraries, apart from them: what find-debuginfo does for rpmbuild."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from posixpath import basename, dirname, relpath

from msgspec import Struct
from msgspec.structs import replace

from xspack_tool.errors import StepError
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import FileEntry, Package
from xspack_tool.run import WORKING, run

#: Where gdb looks for it, by the file's path and by its build id.
FOLDER = "/usr/lib/debug"
IDS = f"{FOLDER}/.build-id"
#: The programs that take it apart.
PROGRAMS = ("objcopy", "strip")
_MAGIC = b"\x7fELF"
_KINDS = ("ET_EXEC", "ET_DYN")


def debug_package(package: Package) -> Package:
    """The RPM of the debug data of a package, without its files."""
    return Package(
        name=f"{package.name}-debuginfo",
        version=package.version,
        release=package.release,
        epoch=package.epoch,
        arch=package.arch,
        summary=f"Debug data of {package.name}",
        description=f"Debug data of {package.name}, for gdb. No host needs it.",
        group="Development/Debug",
        license=package.license,
        vendor=package.vendor,
        packager=package.packager,
        url=package.url,
        changelog=package.changelog,
        automatic_dependencies=False,
    )


class Apart(Struct, frozen=True):
    """The contents of a package with stripped programs, and the RPM of their debug data with its contents."""

    contents: Mapping[str, Path]
    debug: Package
    debug_contents: Mapping[str, Path]


def split_debug(package: Package, contents: Mapping[str, Path], debug: Package, work: Path) -> Apart:
    """Strip copies of a package's programs and libraries in ``work``, with their debug data beside them.

    Modules, objects and what is stripped already are left as they are. Raises StepError where nothing has any.
    """
    stripped, kept = dict[str, Path](), dict[str, Path]()
    links, provides = dict[str, str](), list[Dependency]()
    for number, entry in enumerate(package.entries):
        if entry.kind != "file" or entry.text is not None or entry.role == "ghost":
            continue
        source = contents[entry.source]
        build_id = _build_id(source)
        if build_id is None:
            continue
        path = f"{FOLDER}{entry.path}.debug"
        stripped[entry.source], kept[path] = _split(source, work / str(number), basename(path))
        place = f"{IDS}/{build_id[:2]}/{build_id[2:]}"
        if build_id and place not in links:  # of equal files the first one's
            links |= {place: entry.path, f"{place}.debug": path}
            provides.append(Dependency("debuginfo(build-id)", "=", build_id))
    if not kept:
        raise StepError(
            f"{package.name}: debuginfo=True, and no program or library in it has debug data; compile with -g, "
            "or leave debuginfo out"
        )
    entries = [
        *(FileEntry(path, "file", mode=0o644, source=path) for path in kept),
        *(FileEntry(path, "link", link=relpath(to, dirname(path))) for path, to in links.items()),
    ]
    entries += [FileEntry(path, "dir", mode=0o755) for path in _folders(entries)]
    entries.sort(key=lambda entry: entry.path)
    made = replace(debug, entries=tuple(entries), provides=tuple(sorted(provides)))
    return Apart({**contents, **stripped}, made, kept)


def _build_id(path: Path) -> str | None:
    """The build id of a program or library that has something to take apart, empty without one; None for any other
    file."""
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            return None
        from elftools.elf.elffile import ELFFile

        try:
            elf = ELFFile(file)
            names = {section.name for section in elf.iter_sections()}
            if elf["e_type"] not in _KINDS or not names & {".symtab", ".debug_info", ".zdebug_info"}:
                return None
            notes = elf.get_section_by_name(".note.gnu.build-id")
            ids = [note["n_desc"] for note in notes.iter_notes()] if notes else []
            return str(ids[0]) if ids else ""
        except Exception:  # pyelftools fails in many ways on damaged files; those are shipped as they are
            return None


def _split(source: Path, folder: Path, name: str) -> tuple[Path, Path]:
    """A stripped copy, with the mode of its source, and the debug data, which it names."""
    folder.mkdir()
    program, apart = folder / "stripped", folder / name
    shutil.copyfile(source, program)
    run(["objcopy", "--only-keep-debug", program, apart], timeout=WORKING, what=f"debug data of {name}")
    run(["strip", "--strip-unneeded", program], timeout=WORKING, what=f"stripping {name}")
    run(
        ["objcopy", f"--add-gnu-debuglink={apart}", program],
        timeout=WORKING,
        what=f"naming the debug data of {name}",
    )
    os.chmod(program, source.stat().st_mode & 0o7777)
    return program, apart


def _folders(entries: list[FileEntry]) -> Iterator[str]:
    """The folders below the one that every host has, so that none is left when the RPM is removed."""
    found = {dirname(entry.path) for entry in entries}
    while found:
        yield from sorted(found)
        found = {dirname(path) for path in found} - found
        found = {path for path in found if path.startswith(f"{FOLDER}/")}

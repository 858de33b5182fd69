"""Mastering the ISO: a function of its files, its volume id and one time."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xspack_tool.errors import StepError, system_words
from xspack_tool.files import whole
from xspack_tool.pack.iso_clock import fixed_clock

if TYPE_CHECKING:
    import pycdlib

_BLOCK = 1 << 20
#: What ISO 9660 itself allows for a name, with its version (level 3); hosts read the Rock Ridge name.
_STEM, _SUFFIX = 20, 3
_POORER = re.compile("[^A-Z0-9_]")


def master_iso(
    files: Mapping[str, Path],
    out: Path,
    volume_id: str,
    time: int,
    check: Callable[[Path], None] = lambda image: None,
) -> None:
    """Write an ISO that holds ``files``: path from its root, such as ``Packages/x.rpm`` -> the file.

    It has Rock Ridge names; files are 0644, folders 0755 (the root 0555, as pycdlib has it), all of the user
    root and of ``time`` (seconds since 1970).
    The result depends on names, content, ``volume_id`` and ``time`` alone. Files may be larger than 4 GiB.
    ``check`` is called with the whole image before it gets its name, and raises StepError if it may not.
    Raises StepError; ``out`` appears whole or not at all.
    """
    import pycdlib
    from pycdlib.pycdlibexception import PyCdlibException

    iso = pycdlib.PyCdlib()
    try:
        with whole(out) as beside:
            with fixed_clock(time):
                iso.new(
                    interchange_level=3,
                    sys_ident="LINUX",
                    vol_ident=volume_id,
                    app_ident_str="XSPACK",
                    rock_ridge="1.09",
                )
                _add(iso, {_checked(path): source for path, source in files.items()})
                with open(beside, "wb") as file:
                    iso.write_fp(file, blocksize=_BLOCK)
            check(beside)
    except (PyCdlibException, OSError) as error:
        why = system_words(error) if isinstance(error, OSError) else error
        raise StepError(f"writing {out.name}: {why}") from None
    finally:
        iso.close()


def _checked(path: str) -> str:
    names = path.split("/")
    if any(name in ("", ".", "..") or len(os.fsencode(name)) > 248 for name in names) or len(names) > 7:
        rule = "a path in an ISO is relative, has no '..', at most 7 names and 248 bytes a name"
        raise StepError(f"{path!r}: {rule}")
    return path


def _add(iso: pycdlib.PyCdlib, files: Mapping[str, Path]) -> None:
    plain_names = _plain_names(files)
    for folder in sorted(path for path in plain_names if path not in files):
        name = posixpath.basename(folder)
        iso.add_directory(iso_path=plain_names[folder], rr_name=name, file_mode=0o040755)
    for path in sorted(files):
        name = posixpath.basename(path)
        source = os.fspath(files[path])
        iso.add_file(source, iso_path=f"{plain_names[path]};1", rr_name=name, file_mode=0o100644)


def _plain_names(paths: Iterable[str]) -> dict[str, str]:
    """Each path and each folder above one -> its path in ISO 9660's own, poorer names, none of them twice."""
    names = {"": ""}
    taken: set[str] = set()
    folders = {path[:end] for path in paths for end in (match.start() for match in re.finditer("/", path))}
    for path in sorted({*paths, *folders}):
        above, _, name = path.rpartition("/")
        stem, dot, suffix = name.rpartition(".") if path not in folders else (name, "", "")
        stem, suffix = (stem, suffix) if dot else (name, "")
        stem = _POORER.sub("_", stem.upper()[:_STEM]) or "_"
        suffix = _POORER.sub("_", suffix.upper()[:_SUFFIX])
        ending = f".{suffix}" if path not in folders else ""
        plain, number = f"{names[above]}/{stem}{ending}", 0
        while plain in taken:
            number += 1
            plain = f"{names[above]}/{stem}_{number}{ending}"
        taken.add(plain)
        names[path] = plain
    del names[""]
    return names

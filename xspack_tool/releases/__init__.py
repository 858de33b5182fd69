"""dom0 releases as data: one TOML file a release, and their loader."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from xspack_tool.errors import DeclarationError, Problem
from xspack_tool.model.profile import Profile, make_profile, profile_problems

_FOLDER = Path(__file__).parent


def profile_names() -> tuple[str, ...]:
    """The names of the releases that come with xspack, sorted."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def load_profile(name_or_path: str, read: Callable[[Path], dict[str, Any]] | None = None) -> Profile:
    """The profile of that name, or of a TOML file: a text that holds a ``/`` or ends in ``.toml`` is a path. ``read``
    is :func:`read_values`, or one that remembers what our own files say.

    Raises DeclarationError with every mistake found: unknown name, file that cannot be read, unknown,
    missing or unfit keys. ``local`` is filled in from this machine, once a process.
    """
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        file = Path(name_or_path)
        return _profile(file, file.name.removesuffix(".toml"), read_values(file))
    return _of_ours(name_or_path, read) if read else _known(name_or_path)


@cache
def _known(name: str) -> Profile:
    return _of_ours(name, read_values)


def _of_ours(name: str, read: Callable[[Path], dict[str, Any]]) -> Profile:
    file = _FOLDER / f"{name}.toml"
    if not file.is_file():
        import difflib

        names = profile_names()
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        remedy = f"{hint}known are {', '.join(names)}, or the path of a TOML file of your own"
        raise DeclarationError([Problem("XSPACK_TARGET", name, "dom0 profile not found", remedy)])
    values = read(file)
    if name == "local":
        from xspack_tool.releases.local import local_values

        values = values | local_values()
    return _profile(file, name, values)


def read_values(file: Path) -> dict[str, Any]:
    """What a profile's file says."""
    # A build with nothing to do remembers what it read, and needs no parser.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        values: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as why:
        raise _unreadable(file, why.strerror or str(why), "name an existing file") from None
    except UnicodeDecodeError:
        raise _unreadable(file, "not UTF-8", "save it as UTF-8") from None
    except tomllib.TOMLDecodeError as why:
        raise _unreadable(file, f"not TOML: {why}", "correct it") from None
    return values


def _profile(file: Path, name: str, values: dict[str, Any]) -> Profile:
    if problems := profile_problems(str(file), values):
        raise DeclarationError(problems)
    return make_profile(name, values)


def _unreadable(file: Path, why: str, remedy: str) -> DeclarationError:
    return DeclarationError(
        [Problem("XSPACK_TARGET", str(file), f"the profile cannot be read: {why}", remedy)]
    )

"""dom0 releases as data: one TOML file a release, and their loader."""

from __future__ import annotations

import difflib
import sys
from functools import cache
from pathlib import Path
from typing import Any

from xspack_tool.errors import DeclarationError, Problem
from xspack_tool.model.profile import Profile, make_profile, profile_problems
from xspack_tool.releases.local import local_values

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = Path(__file__).parent


def profile_names() -> tuple[str, ...]:
    """The names of the releases that come with xspack, sorted."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def load_profile(name_or_path: str) -> Profile:
    """The profile of that name, or of a TOML file: a text that holds a ``/`` or ends in ``.toml`` is a path.

    Raises DeclarationError with every mistake found: unknown name, file that cannot be read, unknown,
    missing or unfit keys. ``local`` is filled in from this machine, once a process.
    """
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return _read(Path(name_or_path), Path(name_or_path).name.removesuffix(".toml"))
    return _known(name_or_path)


@cache
def _known(name: str) -> Profile:
    names = profile_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        remedy = f"{hint}known are {', '.join(names)}, or the path of a TOML file of your own"
        raise DeclarationError([Problem("XSPACK_TARGET", name, "dom0 profile not found", remedy)])
    return _read(_FOLDER / f"{name}.toml", name)


def _read(file: Path, name: str) -> Profile:
    try:
        data: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as why:
        raise _unreadable(file, why.strerror or str(why), "name an existing file") from None
    except UnicodeDecodeError:
        raise _unreadable(file, "not UTF-8", "save it as UTF-8") from None
    except tomllib.TOMLDecodeError as why:
        raise _unreadable(file, f"not TOML: {why}", "correct it") from None
    if name == "local" and file.parent == _FOLDER:
        data |= local_values()
    if problems := profile_problems(str(file), data):
        raise DeclarationError(problems)
    return make_profile(name, data)


def _unreadable(file: Path, why: str, remedy: str) -> DeclarationError:
    return DeclarationError(
        [Problem("XSPACK_TARGET", str(file), f"the profile cannot be read: {why}", remedy)]
    )

"""The versions of what writes our outputs: parts of signatures, so that another version rebuilds."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from contextlib import suppress
from typing import Any

from xspack_tool.plan.memo import file_state, remembered
from xspack_tool.run import run

#: Programs that come from one source package answer alike: one question serves all.
_ASKED = {"rpmbuild": "rpm", "rpmsign": "rpm", "rpm": "rpm", "gpg": "gpg", "strip": "strip"}

_versions: dict[str, str] = {}


def version_of(env: Any, tool: str) -> str:
    """The version of a program or of a Python distribution, empty where it is missing. A program is asked again
    when its file changes."""
    if tool not in _ASKED:
        return _distribution_version(tool)
    found = _which(_ASKED[tool])
    if not found:
        return ""
    path, state = found
    if path not in _versions:
        _versions[path] = remembered(env, f"version of {path}", state, lambda: _ask(path))
    return _versions[path]


@functools.cache
def _which(program: str) -> tuple[str, list[int]] | None:
    path = shutil.which(program)
    return (path, file_state(path)) if path else None


def _ask(path: str) -> str:
    return run([path, "--version"], check=False, timeout=30).out.partition("\n")[0].strip()


@functools.cache
def _distribution_version(name: str) -> str:
    found = _distributions().get(_normal(name))
    if found:
        return found
    # Imported here: with what it brings along it costs more than all the rest of reading a small tree.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@functools.cache
def _distributions() -> dict[str, str]:
    """Distribution -> its version, as both stand in the name of its .dist-info folder; the first of sys.path counts."""
    versions: dict[str, str] = {}
    for folder in sys.path:
        with suppress(OSError):
            for entry in os.listdir(folder or "."):
                if entry.endswith(".dist-info"):
                    name, _, version = entry.removesuffix(".dist-info").rpartition("-")
                    versions.setdefault(_normal(name), version)
    return versions


def _normal(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")

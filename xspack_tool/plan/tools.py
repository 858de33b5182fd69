"""The versions of what writes our outputs: parts of signatures, so that another version rebuilds."""

from __future__ import annotations

import os
import re
import shutil
import sys
from contextlib import suppress
from typing import Any

from xspack_tool.plan.read_cache import file_state, read_cached
from xspack_tool.plan.session import once_a_run, session
from xspack_tool.run import ASKING, run

#: Programs that come from one source package answer alike: one question serves all.
_ASKED = {
    "rpmbuild": "rpm",
    "rpmsign": "rpm",
    "rpm": "rpm",
    "gpg": "gpg",
    "strip": "strip",
    "openssl": "openssl",
    "shellcheck": "shellcheck",
}


def version_of(env: Any, tool: str) -> str:
    """The version of a program or of a Python distribution, empty where it is missing. A program is asked again
    when its file changes."""
    if tool not in _ASKED:
        return _distribution_version(tool)
    program, versions = _ASKED[tool], session().tool_versions
    if program not in versions:
        versions[program] = _program_version(env, program)
    return versions[program]


def _program_version(env: Any, program: str) -> str:
    path = shutil.which(program)
    if not path:
        return ""
    return str(read_cached(env, f"version of {path}", file_state(path), lambda: _ask(path)))


def _ask(path: str) -> str:
    """The first line that holds a number: shellcheck's first one is its name alone."""
    lines = run([path, "--version"], check=False, timeout=ASKING).out.splitlines()
    return next((line.strip() for line in lines if re.search(r"\d", line)), "")


@once_a_run
def _distribution_version(name: str) -> str:
    if installed := _distributions().get(_normal(name)):
        return installed
    # Imported here: with what it brings along it costs more than all the rest of reading a small tree.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@once_a_run
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

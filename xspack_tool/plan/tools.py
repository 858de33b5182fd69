"""The versions of what writes our outputs: parts of signatures, so that another version rebuilds."""

from __future__ import annotations

import functools
import os
import shutil
import sys

from xspack_tool.run import run

#: Programs that come from one source package answer alike: one question serves all.
_ASKED = {"rpmbuild": "rpm", "rpmsign": "rpm", "rpm": "rpm", "gpg": "gpg"}


@functools.cache
def version_of(tool: str) -> str:
    """The version of a program or of a Python distribution, empty where it is missing."""
    return _program_version(_ASKED[tool]) if tool in _ASKED else _distribution_version(tool)


def _distribution_version(name: str) -> str:
    """The version as it stands in the name of the distribution's .dist-info folder."""
    for folder in sys.path:
        try:
            for entry in os.listdir(folder or "."):
                if entry.startswith(f"{name}-") and entry.endswith(".dist-info"):
                    return entry[len(name) + 1 : -len(".dist-info")]
        except OSError:
            continue
    # Imported here: with what it brings along it costs more than all the rest of reading a small tree.
    from importlib.metadata import version

    return version(name)


@functools.cache
def _program_version(program: str) -> str:
    if not shutil.which(program):
        return ""
    return run([program, "--version"], check=False, timeout=30).out.partition("\n")[0].strip()

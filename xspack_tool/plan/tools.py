"""The versions of what writes our outputs: parts of signatures, so that another version rebuilds."""

from __future__ import annotations

import functools
import shutil

from xspack_tool.run import run

#: Programs that come from one source package answer alike: one question serves all.
_ASKED = {"rpmbuild": "rpm", "rpmsign": "rpm", "rpm": "rpm", "gpg": "gpg"}


@functools.cache
def version_of(tool: str) -> str:
    """The version of a program or of a Python distribution, empty where it is missing."""
    if tool not in _ASKED:
        # Imported here: it costs a tenth of the tool's start, and only a tree with packs needs it.
        from importlib.metadata import version

        return version(tool)
    return _program_version(_ASKED[tool])


@functools.cache
def _program_version(program: str) -> str:
    if not shutil.which(program):
        return ""
    return run([program, "--version"], check=False, timeout=30).out.partition("\n")[0].strip()

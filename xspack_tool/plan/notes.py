"""What is noted between runs, below XSPACK_OUT/.xspack: JSON behind a line with its digest, one object a file.

None of it is believed as it lies there: notes that are damaged are told and begun anew, which costs time only.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import SCons.Node.FS

from xspack_tool.binary.decoders import decoder_of, sorted_json
from xspack_tool.files import write_whole


def read_notes(file: Path) -> dict[str, Any] | None:
    """The notes in a file; empty where there is none, None (and told) where it is damaged."""
    try:
        digest, _, text = file.read_bytes().partition(b"\n")
        if hashlib.sha256(text).hexdigest().encode() == digest:
            return _decoded(text)
    except FileNotFoundError:
        return {}
    except OSError:
        pass
    name = os.path.relpath(file, SCons.Node.FS.get_default_fs().Top.get_abspath())
    sys.stderr.write(f"xspack: {name}: damaged; what it noted is found out again\n")
    return None


def write_notes(file: Path, notes: dict[str, Any]) -> None:
    """Write notes, whole or not at all."""
    text = sorted_json(notes)
    write_whole(file, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


def _decoded(text: bytes) -> dict[str, Any]:
    """Notes by msgspec, which takes a third of the time of json; but for names that are no UTF-8."""
    try:
        notes: dict[str, Any] = decoder_of(dict[str, Any]).decode(text)
    except msgspec.DecodeError:
        notes = json.loads(text)
    return notes

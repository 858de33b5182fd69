"""What is noted between runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xspack_tool.plan.notes import read_notes, write_notes


@pytest.mark.parametrize("name", ["plain", "\u00e9\u2028", os.fsdecode(b"no \xff utf-8")])
def test_notes_come_back(tmp_path: Path, name: str) -> None:
    notes = {"b": {name: [1, 1 << 62, None]}, "a": [name, -0.5, True]}
    write_notes(tmp_path / "notes.json", notes)
    assert read_notes(tmp_path / "notes.json") == notes
    (tmp_path / "other").mkdir()
    write_notes(tmp_path / "other/notes.json", dict(reversed(notes.items())))
    assert (tmp_path / "other/notes.json").read_bytes() == (tmp_path / "notes.json").read_bytes()

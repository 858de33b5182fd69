"""The names that files have in the journal of what was built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import SCons.Node.FS

from xspack_tool.plan.outputs import Journal


@pytest.mark.parametrize("path", ["out/build/x/y", "out/z", "out/src/z", "z", "/z", "/etc/z"])
def test_a_file_is_named_from_the_folder_of_outputs(tmp_path: Path, path: str) -> None:
    journal = Journal(tmp_path / "out" / "build")
    node = SCons.Node.FS.FS(str(tmp_path)).File(path)
    assert journal.relative(node) == os.path.relpath(node.get_abspath(), journal.folder)

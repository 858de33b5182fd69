"""Folders in which programs work."""

from __future__ import annotations

import os
from pathlib import Path

from xspack_tool.run import work_folder


def test_a_folder_that_a_program_made_read_only_goes_too(short_dir: Path) -> None:
    """Root may remove all; so it is tried as somebody else."""
    short_dir.chmod(0o777)
    child = os.fork()
    if not child:
        left = 1
        try:
            if not os.getuid():
                os.setuid(65534)
            with work_folder(short_dir / "out") as work:
                inner = work.path / "a" / "b"
                inner.mkdir(parents=True)
                (inner / "file").touch()
                (work.path / "link").symlink_to(inner)
                inner.chmod(0o500)
                inner.parent.chmod(0o500)
            left = len(os.listdir(short_dir))
        finally:
            os._exit(left)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

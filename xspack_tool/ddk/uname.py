"""``uname`` for the programs of a driver's build, which must hear of the kit's kernel and not of the running one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

#: In all that uname says, the running kernel's version is replaced by the kit's.
UNAME = """\
#!/bin/sh
command -p uname "$@" | sed "s#$(command -p uname -r)#{kernel}#"
"""


def path_with_uname(folder: Path, kernel: str) -> str:
    """A PATH on which uname knows ``kernel``; the program is written into ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    program = folder / "uname"
    program.write_text(UNAME.format(kernel=kernel))
    program.chmod(0o755)
    return f"{folder}:{os.environ.get('PATH', os.defpath)}"

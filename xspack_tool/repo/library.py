"""createrepo_c, on machines without rpm, too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_FOLDER = "RPM_CONFIGDIR"
#: Where the librpm that createrepo_c brings looks for rpm's settings, of which an index needs none.
_RPMRC = Path("/usr/lib/rpm/rpmrc")


def createrepo() -> Any:
    """The module. Without rpm its librpm would tell of a missing file, as it is loaded."""
    if _RPMRC.exists() or _FOLDER in os.environ:
        import createrepo_c

        return createrepo_c
    os.environ[_FOLDER] = str(Path(__file__).parent / "rpm")
    try:
        import createrepo_c
    finally:
        del os.environ[_FOLDER]
    return createrepo_c

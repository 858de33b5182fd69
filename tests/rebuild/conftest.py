"""What the tests of rebuilding share: a signing key that outlives every tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rebuild.lab import LabKey, lab_keys
from support import need, short_folder


@pytest.fixture(scope="session")
def lab_key() -> Iterator[LabKey]:
    """Two RSA keys in a folder with a path short enough for gpg's sockets."""
    need("gpg")
    with lab_keys() as keys:
        yield keys


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A folder with a short path, which other users may enter."""
    with short_folder() as folder:
        yield folder

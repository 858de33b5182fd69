"""What the tests of rebuilding share: a signing key that outlives every tree."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import need

from xspack_tool.signing.home import end_agent
from xspack_tool.signing.keys import make_test_key


@dataclass(frozen=True)
class LabKey:
    """A keyring, and its public key file's content."""

    home: Path
    public: str


@pytest.fixture(scope="session")
def lab_key() -> Iterator[LabKey]:
    """An RSA key in a folder with a path short enough for gpg's sockets."""
    need("gpg")
    folder = Path(tempfile.mkdtemp(prefix="xs-key-", dir="/tmp"))
    make_test_key(folder / "gnupg", folder / "KEY", "Lab", 1_500_000_000)
    yield LabKey(folder / "gnupg", (folder / "KEY").read_text())
    end_agent(folder / "gnupg")
    shutil.rmtree(folder)

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
    """A keyring with two keys, and the content of their public key files."""

    home: Path
    public: str
    other: str


@pytest.fixture(scope="session")
def lab_key() -> Iterator[LabKey]:
    """Two RSA keys in a folder with a path short enough for gpg's sockets."""
    need("gpg")
    folder = Path(tempfile.mkdtemp(prefix="xs-key-", dir="/tmp"))
    make_test_key(folder / "gnupg", folder / "KEY", "Lab", 1_500_000_000)
    make_test_key(folder / "gnupg", folder / "KEY2", "Other", 1_500_000_000)
    yield LabKey(folder / "gnupg", (folder / "KEY").read_text(), (folder / "KEY2").read_text())
    end_agent(folder / "gnupg")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A folder with a short path, which other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="xs-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)

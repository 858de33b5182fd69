"""RPMs for the tests of reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forge import forged

__all__ = ["forged"]


@pytest.fixture
def altered(tmp_path: Path) -> Callable[..., Path]:
    """A copy of a file with bytes replaced (each old text must be there), named bad.rpm."""

    def alter(path: Path, *changes: tuple[bytes, bytes], **kept: Any) -> Path:
        data = path.read_bytes()
        for old, new in changes:
            assert old in data and len(old) == len(new)
            data = data.replace(old, new)
        copy = tmp_path / "bad.rpm"
        copy.write_bytes(data[: kept.get("size", len(data))])
        return copy

    return alter

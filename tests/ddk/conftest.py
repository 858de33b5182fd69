"""What the tests of drivers share: real kernel build trees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_INSTALL = "apt-get install linux-headers-amd64 (EL: dnf install kernel-devel)"


def need(found: object, what: str, install: str) -> None:
    """Skip where something is missing; in CI that is a failure."""
    if not found:
        message = f"{what} is needed: {install}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="session")
def headers() -> Path:
    """The build tree of an installed kernel."""
    trees = sorted(Path("/usr/src").glob("linux-headers-*[0-9]-amd64")) or sorted(
        Path("/usr/src/kernels").glob("*")
    )
    need(trees, "a kernel build tree", _INSTALL)
    return trees[-1]

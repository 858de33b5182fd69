"""A fleet of clones, and the server that it shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cache_fleet import Fleet
from cache_servers import Nginx, nginx
from support import need, need_module


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    need("make", "gcc", "strip")
    need_module("obstore")
    return Fleet(tmp_path)


@pytest.fixture
def server(short_dir: Path) -> Iterator[Nginx]:
    with nginx(short_dir) as one:
        yield one

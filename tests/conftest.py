"""Fixtures for every room."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from support import need_root

# Time limits a single example would break under load; what fails must fail again.
hypothesis.settings.register_profile("xspack", deadline=None, derandomize=True)
hypothesis.settings.load_profile("xspack")


@pytest.fixture(autouse=True)
def _no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """What steers a build must come from the test."""
    for name in list(os.environ):
        if name.startswith(("XSPACK_", "SCONS")) or name in ("SOURCE_DATE_EPOCH", "GNUPGHOME"):
            monkeypatch.delenv(name)
    # The user's own cache key is made there.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(_settings()))


@functools.cache
def _settings() -> Path:
    folder = tempfile.mkdtemp(prefix="xs-settings-", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A folder with a path short enough for sockets, which other users may enter; pytest's own is neither."""
    folder = Path(tempfile.mkdtemp(prefix="xs-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def scratch_root(short_dir: Path) -> Path:
    """An empty root folder to install into, as root."""
    need_root()
    root = short_dir / "root"
    root.mkdir()
    return root


@pytest.fixture(autouse=os.environ.get("SHADOW") == "1")
def shadow(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With SHADOW=1 each RPM that a test has written in process is written by rpmbuild 4.18, too, and compared."""
    from rpm_oracle import OWN_TAGS, differences, machine

    from xspack_tool.errors import StepError
    from xspack_tool.rpm import write

    machine()
    build = write.build_rpm

    def both(package: Any, contents: Any, scripts: Any, out: Path, *, payload: str, time: int) -> None:
        build(package, contents, scripts, out, payload=payload, time=time)
        theirs = tmp_path_factory.mktemp("shadow") / out.name
        try:
            write.write_by_rpmbuild(package, contents, theirs, payload=payload, time=time)
        except StepError as refused:  # a meant difference: a text that rpmbuild would lose
            assert "rpmbuild" in str(refused), refused
        else:
            assert payload.endswith(".zstdio") or differences(theirs, out, OWN_TAGS) == []

    monkeypatch.setattr(write, "build_rpm", both)

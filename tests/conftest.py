"""Fixtures for every room."""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from marks import LEFT_OUT, PROGRAMS, needs
from support import ROOT, need_root, short_folder

# Time limits a single example would break under load; what fails must fail again.
hypothesis.settings.register_profile("xspack", deadline=None, derandomize=True)
hypothesis.settings.load_profile("xspack")


_STARTS = re.compile(
    r"^(?:from|import) subprocess\b|\b(?:need|need_root|need_module|run|Popen)\(", re.MULTILINE
)
_IMPORTS = re.compile(r"^(?:from|import) (\w+)", re.MULTILINE)
#: The test that runs.
_running: list[pytest.Item] = []


def pytest_configure(config: pytest.Config) -> None:
    """A plain `pytest` leaves out what needs servers, containers, a browser or minutes; CI runs it."""
    asked = config.args_source is not config.ArgsSource.TESTPATHS or config.option.markexpr != "not long"
    if not asked and os.environ.get("CI") != "true":
        config.option.markexpr = f"not ({' or '.join(('long', *LEFT_OUT))})"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # In the background of a shell it is ignored, and what tests start and interrupt would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> str:
    """Which tests are chosen by their marks."""
    return f"marks: {config.option.markexpr}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs more than usual programs, by what it calls. Mark as quick what starts no program, by its file,
    those of its fixtures, and what of ours they import."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        fixtures = [one.func for found in item._fixtureinfo.name2fixturedefs.values() for one in found]
        for mark in needs(item.function, fixtures, item.callspec.params if hasattr(item, "callspec") else ()):
            item.add_marker(mark)
        files = [Path(inspect.getsourcefile(fixture) or "") for fixture in fixtures]
        ours = {item.path, *(file for file in files if file.is_relative_to(ROOT))} - {Path(__file__)}
        if (
            not item.get_closest_marker("long")
            and "scratch_root" not in item.fixturenames
            and not any(map(_starts_programs, ours))
        ):
            item.add_marker("quick")


@functools.cache
def _starts_programs(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    imported = (ROOT / "tests" / f"{name}.py" for name in _IMPORTS.findall(text) if name != "support")
    return bool(_STARTS.search(text)) or any(_starts_programs(one) for one in imported if one.is_file())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Note which test's fixtures are made; what ends with another test's fixtures is no fault of its marks."""
    _running[:] = [item]
    try:
        return (yield)
    finally:
        _running.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note which test runs."""
    return (yield from pytest_runtest_setup(item))


def _audit(event: str, args: Any) -> None:
    if not _running or event not in ("subprocess.Popen", "os.posix_spawn", "os.system"):
        return
    item = _running[0]
    program = os.path.basename(os.fsdecode(args[0] or args[1][0]))
    wrong = [
        mark
        for mark, programs in PROGRAMS.items()
        if program in programs and not item.get_closest_marker(mark)
    ]
    if wrong:
        raise RuntimeError(
            f"{item.nodeid} starts {program}, but is not marked {wrong[0]}; see tests/marks.py"
        )
    if item.get_closest_marker("quick"):
        raise RuntimeError(
            f"{item.nodeid} is marked quick, but starts a program: {args}; see tests/conftest.py"
        )


sys.addaudithook(_audit)


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
    with short_folder() as folder:
        yield folder


@pytest.fixture
def scratch_root(short_dir: Path) -> Path:
    """An empty root folder to install into, as root."""
    need_root()
    root = short_dir / "root"
    root.mkdir()
    return root


@pytest.fixture(autouse=os.environ.get("SHADOW") == "1")
def shadow(monkeypatch: pytest.MonkeyPatch) -> None:
    """With SHADOW=1 each RPM that a test has written in process is written by rpmbuild 4.18, too, and compared: here,
    and in the builds of :meth:`trees.Tree.scons`."""
    from rpm_oracle import shadowed

    from xspack_tool.rpm import write

    monkeypatch.setattr(write, "build_rpm", shadowed())

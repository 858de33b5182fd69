"""The marks that say what a test needs are complete, and a plain `pytest` leaves out what CI alone must run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from marks import LEFT_OUT, needs
from support import ROOT, need

SETTINGS = ROOT / "pyproject.toml"


def _server() -> None:
    need("nginx")


def _by_path() -> str:
    return "/usr/sbin/sshd"


class _Kit:
    def start(self) -> None:
        def inside() -> None:
            _server()

        inside()


def _through_a_class() -> None:
    _Kit().start()


_TABLE = {"one": [(1, _through_a_class)]}


def _through_a_table() -> None:
    _TABLE["one"]


def _of_either_kind() -> None:
    need("gcc", "podman", "make")
    _by_path()


def _neither() -> str:
    return f"{need('gcc')} nginx is spoken of, and podman run"


@pytest.mark.parametrize(
    ("function", "marks"),
    [
        (_server, {"server"}),
        (_by_path, {"server"}),
        (_through_a_class, {"server"}),
        (_through_a_table, {"server"}),
        (_of_either_kind, {"server", "container"}),
        (_neither, set()),
    ],
)
def test_what_a_function_starts(function: Callable[[], object], marks: set[str]) -> None:
    assert needs(function) == marks
    assert needs(_neither, [function], {"serving": function}) == marks


def test_who_reads_the_settings_finds_the_marks() -> None:
    text = SETTINGS.read_text(encoding="utf-8")
    registered = re.findall(r'^    "(\w+): ', text.partition("markers = [")[2].partition("\n]")[0], re.M)
    assert set(registered) == {"long", "quick", *LEFT_OUT}
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [mark for mark in registered if f"`{mark}`" not in page] == []


SUITE = """
import subprocess
import pytest
from cache_servers import nginx

def test_plain():
    pass

@pytest.mark.parametrize("server", [nginx])
def test_marked(server):
    pass

@pytest.mark.slow
def test_takes_minutes():
    pass

@pytest.mark.long
def test_takes_hours():
    pass

def test_forgotten(tmp_path):
    subprocess.run([tmp_path / "nginx"])
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite of our settings and conftest."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_it.py").write_text(SUITE)
    text = SETTINGS.read_text(encoding="utf-8").replace(
        'pythonpath = ["tests"]', f'pythonpath = ["{ROOT}/tests"]'
    )
    (tmp_path / "pyproject.toml").write_text(text)
    return tmp_path


def ran(suite: Path, *words: str, ci: str = "") -> tuple[list[str], str]:
    """The tests that were chosen, and all that was said."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-v", "-p", "conftest", "-p", "no:cacheprovider", *words],
        cwd=suite,
        env={**os.environ, "CI": ci, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert "collected" in done.stdout, done.stdout + done.stderr
    return re.findall(r"^tests/test_it\.py::test_(\w+)", done.stdout, re.M), done.stdout


def test_a_plain_run_leaves_out_what_ci_runs(suite: Path) -> None:
    plain, said = ran(suite)
    assert plain == ["plain", "forgotten"]
    assert f"marks: not ({' or '.join(['long', *LEFT_OUT])})" in said
    everything = ["plain", "marked", "takes_minutes", "forgotten"]
    assert ran(suite, ci="true")[0] == everything
    assert ran(suite, "tests")[0] == everything
    assert ran(suite, "-m", "server")[0] == ["marked"]
    assert ran(suite, "-m", "server or slow")[0] == ["marked", "takes_minutes"]


def test_what_starts_a_server_without_a_mark_fails(suite: Path) -> None:
    _, said = ran(suite)
    assert "test_forgotten starts nginx, but is not marked server; see tests/marks.py" in said
    assert "1 failed, 1 passed" in said

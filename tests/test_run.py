"""Programs, and folders in which they work."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, need

from xspack_tool.errors import Interrupted, StepError
from xspack_tool.run import ASKING, plain_work_folder, run, work_folder
from xspack_tool.signing.keys import python_gnupg


def test_a_folder_that_a_program_made_read_only_goes_too(short_dir: Path) -> None:
    """Root may remove all; so it is tried as somebody else."""
    short_dir.chmod(0o777)
    child = os.fork()
    if not child:
        left = 1
        try:
            if not os.getuid():
                os.setuid(65534)
            with work_folder(short_dir / "out") as work:
                inner = work.path / "a" / "b"
                inner.mkdir(parents=True)
                (inner / "file").touch()
                (work.path / "link").symlink_to(inner)
                inner.chmod(0o500)
                inner.parent.chmod(0o500)
            left = len(os.listdir(short_dir))
        finally:
            os._exit(left)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_how_a_program_that_a_signal_ended_is_told() -> None:
    """Its status is no answer, unless it is asked for."""
    argv = ["sh", "-c", "kill -TERM $$"]
    with pytest.raises(Interrupted, match=r"^asking: sh was ended by SIGTERM\n  command: sh -c "):
        run(argv, timeout=ASKING, check=False, what="asking")
    assert run(argv, timeout=ASKING, check=False, killed=True).status == -15


def test_a_program_that_does_not_end() -> None:
    with pytest.raises(StepError, match=r"^waiting: sleep did not end within 0\.1 s\n  sleep 60$"):
        run(["sleep", "60"], timeout=0.1, what="waiting")


def test_gpg_has_a_limit_too(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which python-gnupg starts by itself."""
    need("gpg")
    (short_dir / "gpg").write_text("#!/bin/sh\nexec sleep 60\n")
    (short_dir / "gpg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{short_dir}:{os.environ['PATH']}")
    monkeypatch.setattr("xspack_tool.signing.keys.WORKING", 0.1)
    with pytest.raises(Interrupted, match="gpg was ended by SIGTERM"):
        python_gnupg(str(short_dir))


_WORKS = """
import sys
from xspack_tool.run import plain_work_folder, run
with plain_work_folder(sys.argv[1]):
    run(["sh", "-c", f"touch {sys.argv[2]}; sleep 2; touch {sys.argv[2]}.after"], timeout=60)
"""


def test_a_work_folder_is_not_free_while_a_program_works_in_it(tmp_path: Path) -> None:
    """Not even where the build that started it was killed."""
    name, mark = f"test-{os.getpid()}", tmp_path / "mark"
    with subprocess.Popen([sys.executable, "-c", _WORKS, name, mark], cwd=ROOT) as build:
        while not mark.exists():
            assert build.poll() is None
        build.kill()
    with plain_work_folder(name) as work:
        assert Path(f"{mark}.after").exists() and work.path.name == f"xspack-{name}"


def test_nothing_else_starts_programs() -> None:
    """Whoever would start one beside run.py would have neither its limit nor its end."""
    starters = {"Popen", "run", "call", "system", "popen", "fork", "spawnv", "posix_spawn", "execv", "execvp"}
    found = {
        (str(path.relative_to(ROOT / "xspack_tool")), node.attr)
        for path in (ROOT / "xspack_tool").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in starters
        if getattr(node.value, "id", "") in ("os", "subprocess", "asyncio")
    }
    # A worker goes on with the same program, and ends with its parent; become_root goes on as another program.
    assert found == {("run.py", "Popen"), ("plan/workers.py", "fork"), ("sandbox/root.py", "execvp")}

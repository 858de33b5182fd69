"""What holds for a run of SCons as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import need
from trees import HEAD, Tree

from xspack_tool.plan import session

TWO = """\
import atexit, sys
atexit.register(lambda: print("gcc tool:", "SCons.Tool.gcc" in sys.modules))
for name in ("one", "two"):
    env.Userspace(name, version="1", arch="noarch", files={f"/opt/acme/{name}": "SConstruct"})
"""


def test_building_loads_no_tools(tmp_path: Path) -> None:
    """SCons would load all of its default tools then: in each of several threads, where one finds those that another
    has loaded by half."""
    need("rpmbuild")
    ran = Tree(tmp_path / "tree").declare(TWO, HEAD).real_scons("-j2").good()
    assert "gcc tool: False\n" in ran.said and len(ran.built) == 2


def test_what_was_read_once_is_read_again_in_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def count(name: str) -> int:
        asked.append(name)
        return len(asked)

    kept = session.once_a_run(count)
    assert (kept("a"), kept("b"), kept("a")) == (1, 2, 1)
    monkeypatch.setattr(session, "_session", session.Session())
    assert (kept("a"), asked) == (3, ["a", "b", "a"])

"""What holds for a run of SCons as a whole."""

from __future__ import annotations

from pathlib import Path

from support import need
from trees import HEAD, Tree

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

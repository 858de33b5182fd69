"""Mistakes in declarations, and what is said of each: ``from mistakes import TABLE``."""

from __future__ import annotations

from support import ROOT

#: What the declarations below name.
WORLD = {
    "a.txt": "a\n",
    "a.conf": "b\n",
    "tree/a.txt": "c\n",
    "good.spec": "Name: x\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n%description\n%files\n",
}
START = """\
from uuid import uuid4
env = Environment(tools=["xspack"], XSPACK_LICENSE="MIT")
good = env.Userspace("good", version="1", files={"/opt/g": "a.txt"})
def S(**more): return {"version": "1", "files": {"/opt/a": "a.txt"}, **more}
def P(**more):
    return {"version": "1", "uuid": str(uuid4()), "description": "d", "packages": good, "unsigned": True, **more}
prebuilt = "acme-tools-5.2-1.noarch.rpm"
KEY = {"key": env.TestKey("KEY"), "unsigned": False}
"""


def _table() -> dict[str, list[str]]:
    """Of mistakes.txt: a declaration in one line -> what is said of it, after the place."""
    table: dict[str, list[str]] = {}
    declaration = ""
    for line in (ROOT / "tests/kinds/mistakes.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            table[declaration].append(line.strip())
        elif line and not line.startswith("#"):
            declaration = line
            table[declaration] = []
    return table


TABLE = _table()

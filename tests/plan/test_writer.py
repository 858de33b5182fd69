"""Who wrote an RPM is told: by --debug=explain with the reason, by `xspack info` of the finished pack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support import need
from trees import Tree

PACK = """\
packages = [env.Userspace(name, version="1", **words) for name, words in DECLARED.items()]
env.Pack("p", version="1", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="d", packages=packages,
         unsigned=True)
"""
#: Package -> its keywords, and what is said of its writer.
LEFT = {
    "module": ({"files": {"/usr/share/perl5/A.pm": "a"}}, "/usr/share/perl5/A.pm is a module of Perl"),
    "pkgconfig": (
        {"files": {"/usr/lib64/pkgconfig/a.pc": "a"}},
        "/usr/lib64/pkgconfig/a.pc is for pkg-config",
    ),
    "choice": ({"automatic_provides": False}, "a choice among what rpm finds by itself"),
    "hidden": ({"hide_requires": ["libx*"]}, "a choice among what rpm finds by itself"),
    "usual": ({"files": {"/opt/a": "a"}}, ""),
}


def test_it_is_told(tmp_path: Path) -> None:
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").write({"a": "1\n"})
    declared = {name: words for name, (words, _) in LEFT.items()}
    tree.declare(f"DECLARED = {declared!r}\n{PACK}")
    said = tree.scons("--debug=explain", "pack").good().said
    told = {
        name: before.partition("\n")[0].strip()
        for name in LEFT
        for before in [said.partition(f"rpms/{name}-1-1.x86_64.rpm' because it doesn't exist\n")[2]]
    }
    for name, (_, why) in LEFT.items():
        assert told[name].startswith("written by") == bool(why), said
        assert not why or told[name] == f"written by rpmbuild: {why}"

    words = [sys.executable, "-m", "xspack_tool.cli", "info", "build/p-1.iso"]
    run = {"cwd": tree.path, "capture_output": True, "text": True, "check": True, "env": os.environ}
    shown = subprocess.run(words, **run).stdout  # type: ignore[call-overload]
    (row,) = (line for line in shown.splitlines() if line.startswith("by rpmbuild"))
    by_rpmbuild = [f"{name}-1-1.x86_64" for name in LEFT if LEFT[name][1]]
    assert sorted(row.removeprefix("by rpmbuild").strip().split(", ")) == sorted(by_rpmbuild)
    rpms = json.loads(subprocess.run([*words, "--json"], **run).stdout)["rpms"]  # type: ignore[call-overload]
    assert {one["nevra"] for one in rpms if one["writer"] != "xspack"} == set(by_rpmbuild)

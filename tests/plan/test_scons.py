"""A SCons that lacks what it promised to nobody: xspack does without it, or says so in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import SCons
import SCons.Node
import SCons.Taskmaster.Job
from support import ROOT, need
from trees import Tree

from xspack_tool.plan import scons

DECLARED = """
env.Pack("p", version="1", uuid="9a1f0f0e-0000-4000-8000-000000000000", description="d", unsigned=True,
         packages=env.Userspace("a", version="1", arch="noarch", files={"/opt/a": "f"}))
"""
HEAD = 'env = Environment(tools=["xspack"], XSPACK_LICENSE="MIT", ENV={"PATH": "/usr/bin:/bin"})\n'
#: A scheduler of another SCons.
OTHER = "import SCons.Taskmaster.Job as job\nclass Other(job.NewParallel): pass\njob.NewParallel = Other"
#: What is taken away -> the name that is told.
NEEDED = {
    "import SCons.Script.Main as m\nm._build_targets = lambda fs, options, targets: None": (
        "Script.Main._build_targets(fs, options, targets, target_top)"
    ),
    "import SCons.Script.Main as m\ndel m.exit_status": "Script.Main.exit_status",
    "import SCons.CacheDir as c\ndel c.CacheDir.cachepath": "CacheDir.cachepath",
}


def test_nothing_else_names_them() -> None:
    """Private names of SCons stand in one file."""
    private = re.compile(
        r"SCons\.[\w.]*\b_[a-z]\w+|\bMain\.|store_info|get_stored_info|NewParallel|Node\.explain|clear_memoized_values"
        r"|get_ninfo|binfo|\.csig\b|cache_show|cache_timestamp_newer|shliblinks|\.nocache\b|_memo\b|DB_sync_list"
    )
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in sorted((ROOT / "xspack_tool").rglob("*.py"))
        if file.name != "scons.py"
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if private.search(line)
    ]
    assert found == []


def test_another_scheduler_is_left_alone(tmp_path: Path) -> None:
    need("rpmbuild")
    tree = Tree(tmp_path).write({"f": "f\n"}).declare(DECLARED, head=f"{OTHER}\n{HEAD}")
    told = 'import atexit\natexit.register(lambda: print("scheduled by", job.NewParallel.__name__))\n'
    tree.write({"SConstruct": (tree.path / "SConstruct").read_text() + told})
    first = tree.real_scons("-j2").good()
    assert "build/p-1.iso" in first.built
    assert "scheduled by Other" in first.said
    assert tree.real_scons("-j2").good().built == set()


def test_without_its_table_outputs_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[object] = []
    monkeypatch.delattr(SCons.Node, "store_info_map")
    node = SCons.Node.Node()
    before = node.store_info
    scons.note_by(noted.append)(node)
    assert node.store_info == before


def test_without_explanations_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(SCons.Node.Node, "explain")
    scons.explain_by(lambda node, explain: "")
    assert not hasattr(SCons.Node.Node, "explain")


def test_who_ends_a_build_is_told_of_where_scons_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    state = SCons.Taskmaster.Job.InterruptState
    monkeypatch.setattr(state, "set", state.set)
    scons.interrupt_by(lambda: told.append("ended"))
    (one := state()).set()
    assert one() and told == ["ended"]
    monkeypatch.delattr(SCons.Taskmaster.Job, "InterruptState")
    scons.interrupt_by(lambda: told.append("never"))
    assert told == ["ended"]


@pytest.mark.parametrize("code", NEEDED)
def test_it_says_what_it_cannot_do_without(tmp_path: Path, code: str) -> None:
    tree = Tree(tmp_path).write({"f": "f\n"}).declare(DECLARED, head=f"{code}\n{HEAD}")
    ran = tree.real_scons()
    assert ran.status == 2
    assert "Traceback" not in ran.said
    line = f"xspack does not know SCons {SCons.__version__}, which has no {NEEDED[code]}: install the newest xspack"
    assert line in ran.said

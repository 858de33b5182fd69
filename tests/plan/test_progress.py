"""What a build says while it runs: a line at the foot of a terminal, and one line a pack everywhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
import sentences
from trees import HEAD, SCONS, Tree

PACK = """
quick = env.Userspace("acme-quick", version="1", summary="Quick", arch="noarch", files={"/opt/quick": "payload"})
slow = env.SpecRpm("slow.spec")
pack = env.Pack("acme-pack", version="1.0", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="Acme",
                packages=[quick, slow], key=None, unsigned=True)
"""
SPEC = """
Name: acme-slow
Version: 1
Release: 1
Summary: Takes its time
License: MIT
BuildArch: noarch
%description
Takes its time.
%install
sleep 3
mkdir -p %{buildroot}/opt
echo slow >%{buildroot}/opt/slow
%files
/opt/slow
"""
MADE = re.compile(
    r"build/acme-pack-1\.0\.iso: [\d.]+ KiB, sha256 (\w{64}), 3 packages, 0 errors, \d+ warnings?, 1 note, 0 waived"
)
LINE = re.compile(r"\r\x1b\[2K(\d+) of (\d+) steps[^\r\x1b]*")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree").declare(PACK).write({"slow.spec": SPEC, "payload": "1"})


def environment(**more: str) -> dict[str, str]:
    hidden = ("CI", "XSPACK_VERBOSE")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1", **more}


def on_terminal(tree: Tree, *args: str, **env: str) -> str:
    """What a build prints on a real pseudo-terminal."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [*SCONS, *args],
        cwd=tree.path,
        env=environment(**env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            block = os.read(ours, 1 << 16)
        except OSError:  # EIO: the last holder of the other side ended
            break
        if not block:
            break
        said += block
    os.close(ours)
    assert child.wait() == 0, said.decode()
    return said.decode()


def in_pipe(tree: Tree, *args: str) -> str:
    done = subprocess.run(
        [*SCONS, *args], cwd=tree.path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


def before_findings(said: str) -> list[str]:
    """The lines until the findings, which are told when the build has ended."""
    lines = said.replace("\r\n", "\n").splitlines()
    return [line for line in lines if not re.match(r"[EWI] |    |acme-pack-1\.0: ", line)]


def test_a_terminal_sees_what_runs(tree: Tree) -> None:
    said = on_terminal(tree, "pack")
    lines = list(LINE.finditer(said))
    assert lines, said
    assert any("SpecRpm build/rpms/" in line[0] for line in lines), said
    assert all(int(line[1]) < int(line[2]) for line in lines)
    # What is printed stands in the line's place, and nothing of the line stays.
    assert MADE.search(said), said
    seen = on_screen(said)
    assert " steps" not in seen
    assert [line.split()[0] for line in before_findings(seen)] == [
        "RPM",
        "SpecRpm",
        "ISO",
        "build/acme-pack-1.0.iso:",
    ]


def on_screen(said: str) -> str:
    """What is left of a terminal's text when every erased line is gone."""
    return re.sub(r"\r\x1b\[2K[^\r\x1b\n]*(?=\r\x1b\[2K)", "", said).replace("\r\x1b[2K", "")


@pytest.mark.parametrize(("args", "env"), [(("-s",), {}), ((), {"CI": "true"})], ids=["silent", "ci"])
def test_one_line_a_pack_else(tree: Tree, args: tuple[str, ...], env: dict[str, str]) -> None:
    (line,) = before_findings(on_terminal(tree, "pack", *args, **env))
    assert MADE.fullmatch(line)


def test_silent_tells_of_packs_and_of_what_was_found(tree: Tree) -> None:
    """Not of what could not be checked, nor the counts again."""
    lines = in_pipe(tree, "-s", "pack").splitlines()
    assert MADE.fullmatch(lines[0])
    assert [line[:4] for line in lines[1:]] == ["I G2"]
    tree.scons("-c", "pack").good()
    said = in_pipe(tree, "pack")
    assert lines[1] in said and " not checked: " in said and said.count("0 errors") == 1
    assert "\nacme-pack-1.0: 0 errors" in in_pipe(tree, "check")  # which makes no pack


def test_one_line_a_pack_in_a_pipe(tree: Tree) -> None:
    (line,) = before_findings(in_pipe(tree, "pack"))
    found = MADE.fullmatch(line)
    assert found
    assert (tree.path / "build/acme-pack-1.0.iso.sha256").read_text().split()[0] == found[1]
    assert before_findings(in_pipe(tree, "pack")) == [sentences.UP_TO_DATE]


def test_verbose_tells_each_step(tree: Tree) -> None:
    said = in_pipe(tree, "pack", "XSPACK_VERBOSE=1")
    assert {"RPM", "SpecRpm", "Repodata", "ISO"} <= {line.split()[0] for line in said.splitlines()}


def test_a_dry_run_tells_what_it_would_make(tree: Tree) -> None:
    words = [line.split()[0] for line in in_pipe(tree, "-n", "pack").splitlines()]
    assert words == ["RPM", "SpecRpm", "ISO"]


def test_other_programs_have_the_terminal_for_themselves(tree: Tree) -> None:
    """While a builder of SCons's own runs, which may write as it likes, there is no line."""
    slow = 'env.Command("out", [], "sleep 3; echo from a program; touch $TARGET")\n'
    tree.declare(slow, head=HEAD)
    said = on_terminal(tree, "out")
    assert not LINE.search(said)
    assert "from a program" in said


def test_bytes_of_what_is_large(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree").declare(
        """
from xspack_tool.plan.progress import told
from xspack_tool.plan.pack import MasterIso
from xspack_tool.plan.step import add_step
open("big", "wb").truncate(12 << 20)
node = add_step(env, MasterIso("V", False), inputs={"files": {"a": env.File("big")}}, outputs={"iso": "x.iso"}).iso
print(told(3, 10, [node], 30.0))
open(".x.iso.new", "wb").truncate(6 << 20)
print(told(3, 10, [node], 300.0))
print(told(0, 10, [], 3.0))
"""
    )
    assert tree.scons("-n", "SConstruct").good().said.splitlines()[:3] == [
        "3 of 10 steps, about 70 s left: ISO x.iso",
        "3 of 10 steps, about 12 min left: ISO x.iso, 6.0 MiB of 12.0 MiB",
        "0 of 10 steps",
    ]

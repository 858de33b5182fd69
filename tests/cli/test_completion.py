"""Completion, as a shell does it; help with examples that are right."""

from __future__ import annotations

import contextlib
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pack_maker import xspack
from support import ROOT, need
from trees import Tree

from xspack_tool import cli


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("xspack ver", {"verify"}),
        ("xspack verify --bas", {"--base", "--baseline"}),
        ("xspack completion z", {"zsh"}),
    ],
)
def test_bash_completes(tmp_path: Path, line: str, offered: set[str]) -> None:
    need("bash")
    script = tmp_path / "xspack"
    script.write_text(xspack("completion", "bash").out)
    words = line.split()
    ask = (
        f". {shlex.quote(str(script))}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
        f'$(complete -p xspack | sed "s/.*-F \\([^ ]*\\).*/\\1/") xspack {words[-1]} {words[-2]}; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True)
    assert set(done.stdout.split()) == offered, done.stderr


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("xspack ver", {"verify"}),
        ("xspack verify --bas", {"--base", "--baseline"}),
        ("xspack verify --format ", {"github", "gitlab", "junit", "sarif"}),
    ],
)
def test_fish_completes(tmp_path: Path, line: str, offered: set[str]) -> None:
    need("fish")
    script = tmp_path / "xspack.fish"
    script.write_text(xspack("completion", "fish").out)
    ask = f"source {shlex.quote(str(script))}; complete -C {shlex.quote(line)}"
    done = subprocess.run(
        ["fish", "--private", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert {word.split("\t")[0] for word in done.stdout.splitlines()} == offered, done.stderr


def test_zsh_completes(tmp_path: Path) -> None:
    """On a terminal, which its completion needs: each Tab writes what is missing."""
    need("zsh")
    (tmp_path / "_xspack").write_text(xspack("completion", "zsh").out)
    (tmp_path / "xspack").write_text('#!/bin/sh\nfor word; do echo "<$word>"; done\n')
    (tmp_path / "xspack").chmod(0o755)
    (tmp_path / ".zshrc").write_text(
        f"fpath=({shlex.quote(str(tmp_path))} $fpath); path=({shlex.quote(str(tmp_path))} $path)\n"
        "autoload -U compinit && compinit -u -D; PS1=; setopt no_beep\n"
    )
    ours, theirs = pty.openpty()
    env = {**os.environ, "ZDOTDIR": str(tmp_path), "TERM": "dumb"}
    with subprocess.Popen(
        ["zsh", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    ) as shell:
        os.close(theirs)
        os.write(ours, b"xspack ver\t--format gith\t; exit\n")
        said = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while block := os.read(ours, 1 << 16):
                said += block
        shell.wait()
    os.close(ours)
    assert [line for line in said.decode().splitlines() if line.startswith("<")] == [
        *("<verify>", "<--format>", "<github>")
    ], said.decode()


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    need("bash", "sed")
    tree = Tree(tmp_path_factory.mktemp("completion") / "tree").write({"a": "a\n", "pa file": ""})
    packs = "".join(
        f'env.Pack("{label}", version="1", uuid="9a1f0f0e-1111-4222-8333-44445555666{number}", description="d", '
        "packages=one, unsigned=True)\n"
        for number, label in enumerate(("acme", "acme-more"))
    )
    return tree.declare(f'one = env.Userspace("one", version="1", files={{"/opt/a": "a"}})\n{packs}')


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("scons pac", {"pack", "pack:acme", "pack:acme-more"}),
        ("scons -j2 XSPACK_STRICT=1 che", {"check", "check:acme", "check:acme-more"}),
        ("scons pack:", {"acme", "acme-more"}),
        ("scons check:acme-", {"acme-more"}),
        ("scons pack:acme ch", {"check", "check:acme", "check:acme-more"}),
        ("scons -C {tree} pack:acme-", {"acme-more"}),
        ("scons -f {tree}/none pac", set()),
        ("scons build/pa", set()),
        ("scons --pa", set()),
    ],
)
def test_bash_completes_the_aliases_of_packs(
    packs: Tree, tmp_path: Path, line: str, offered: set[str]
) -> None:
    """In a bash that splits the line itself: an interactive one, to which Tab is typed."""
    script = tmp_path / "scons"
    script.write_text(xspack("completion", "bash", "--scons").out)
    program = tmp_path / "bin/scons"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m SCons --site-dir={ROOT / "site_scons"} "$@"\n'
    )
    program.chmod(0o755)
    line = line.format(tree=packs.path)
    show = (
        'show() { _xspack_scons "$@"; printf "<%s>\\n" "${COMPREPLY[@]}" >answer; }\ncomplete -F show scons\n'
    )
    script.write_text(script.read_text() + show)
    main, side = pty.openpty()
    cwd = tmp_path if "{" in line or "-C" in line else packs.path
    bash = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=side, stdout=side, stderr=side, cwd=cwd, start_new_session=True,
        env={"PATH": f"{program.parent}:/usr/bin:/bin", "TERM": "dumb", "PS1": ""},
    )  # fmt: skip
    os.close(side)
    os.write(main, f". {shlex.quote(str(script))}; PS1=RE''ADY\n".encode())
    said = b""
    while b"READY" not in said:  # before, the terminal itself would take ^U
        said += os.read(main, 4096)
    os.write(main, f"{line}\t\x15exit\n".encode())
    with contextlib.suppress(OSError):  # the end of a terminal, as Linux tells it
        while os.read(main, 4096):
            pass
    bash.wait()
    os.close(main)
    answer = cwd / "answer"
    found = {word[1:-1] for word in answer.read_text().split()}
    answer.unlink()
    assert found - {""} == offered


def test_what_scons_of_another_shell_is_said() -> None:
    said = xspack("completion", "zsh", "--scons")
    assert said.status == 2 and "bashcompinit" in said.err


@pytest.mark.parametrize("module", cli.MODULES)
def test_the_examples_of_each_help_can_be_parsed(module: str) -> None:
    command = cli.load(module)
    assert command.examples
    parser = cli.make_parser()
    for example in command.examples:
        program, *words = shlex.split(example.partition(" > ")[0])
        words = words if program == "xspack" else [program, *words]
        assert parser.parse_args(words).run is command.run
        assert example in xspack(command.name, "--help").out

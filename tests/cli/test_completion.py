"""Completion, as a shell does it; help with examples that are right."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from pack_maker import xspack
from support import need

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

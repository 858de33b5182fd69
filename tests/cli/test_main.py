"""The program itself: help, exit status, terminals and pipes."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pack_maker import PackMaker, xspack
from support import ROOT

from xspack_tool import cli
from xspack_tool.errors import visible

NAMES = (
    *("new", "bump", "info", "verify", "try", "unpack", "resign", "diff", "devices", "sbom", "report"),
    *("rules", "build-update", "cache-key", "stubs", "completion"),
)
REPORTING = ("info", "verify", "try", "diff", "devices", "rules")


def test_help_names_every_command() -> None:
    said = xspack("--help")
    assert said.status == 0
    assert re.findall(r"^    ([a-z-]+)(?: |$)", said.out, re.MULTILINE) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_help(name: str) -> None:
    said = xspack(name, "--help")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(f"usage: xspack {name} ")
    assert ("--json" in said.out) == (name in REPORTING)


def test_who_says_nothing_is_shown_what_there_is() -> None:
    said, help = xspack(), xspack("--help")
    assert (said.status, said.out, said.err) == (2, "", help.out)
    assert "\nexamples:\n  xspack new acme-tools --vendor Acme\n" in help.out


def test_wrong_usage_is_status_2(make_pack: PackMaker) -> None:
    for words in (
        (),
        ("bogus",),
        ("info",),
        ("verify", make_pack(), "--target", "xenserver-88"),
        ("info", "a", "b"),
    ):
        said = xspack(*words)
        assert (said.status, said.out) == (2, "")
    assert said.err


def test_an_unknown_release_names_the_nearest(make_pack: PackMaker) -> None:
    said = xspack("verify", make_pack(), "--target", "xenserver-88")
    assert said.err.count("\n") == 1
    assert "did you mean 'xenserver-8'?" in said.err


def test_files_that_are_not_there(tmp_path: Path) -> None:
    nowhere = tmp_path / "no.iso"
    for name in ("info", "verify", "diff", "devices", "unpack"):
        said = xspack(name, nowhere, *([nowhere] if name in ("diff", "unpack") else []))
        assert (said.status, said.err) == (1, f"xspack: {nowhere}: No such file or directory\n")


def test_what_cannot_be_written_is_one_line(make_pack: PackMaker) -> None:
    said = xspack("unpack", make_pack(), "/proc/nothing/here")
    assert (said.status, said.err.count("\n")) == (1, 1)


def test_a_reader_that_goes_away_is_no_failure_of_ours(make_pack: PackMaker) -> None:
    argv = [sys.executable, "-m", "xspack_tool.cli", "rules"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_its_own_name_for_build_update(tmp_path: Path) -> None:
    said = xspack("--help", main=cli.build_update_main)
    assert said.out.startswith("usage: build-update [-h] --uuid UUID")
    assert xspack("x.rpm", main=cli.build_update_main).status == 2


def on_terminal(*argv: str | Path) -> str:
    """What a command prints on a terminal."""
    return on_terminal_python("from xspack_tool.cli import main; main()", *map(str, argv))


def on_terminal_python(code: str, *argv: str) -> str:
    """What Python code prints on a terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    env.pop("NO_COLOR", None)
    words = [sys.executable, "-c", code, *argv]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    seen = bytearray()

    def read() -> None:
        while True:
            try:
                if not (data := os.read(ours, 4096)):
                    return
            except OSError:  # the other end is closed
                return
            seen.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    process.wait()
    reader.join()
    os.close(ours)
    return seen.decode()


def test_colour_on_a_terminal_and_none_in_a_pipe(make_pack: PackMaker) -> None:
    iso = make_pack()
    assert "\x1b[32mxapi: takes it" in on_terminal("verify", iso, "--key", make_pack.key.file)
    assert "\x1b[1m" in on_terminal("info", iso)
    assert "\x1b" not in xspack("verify", iso).out + xspack("info", iso).out


def test_progress_is_shown_for_what_takes_long() -> None:
    """Work that goes on after the bar's time has come, and work that has ended before it."""
    code = (
        "import threading; from xspack_tool.cli import progress\n"
        "progress._PATIENCE = {}\n"
        "with progress.progress('reading', 4) as tell:\n"
        " tell(1); [one.join() for one in threading.enumerate() if isinstance(one, threading.Timer) and {}]; tell(1)"
    )
    assert "reading" in (shown := on_terminal_python(code.format(0, True)))
    assert "2/4" in shown
    assert on_terminal_python(code.format(3600, False)) == ""


def test_foreign_text_is_made_harmless() -> None:
    assert visible("a\x1b[31mb\x07\u202ec\td\n", "\n\t") == "a\\x1b[31mb\\x07\\u202ec\td\n"
    assert visible("a\x9bb\u2028\ufffe\td\n\u00e4\u20ac\U0001f600") == (
        "a\\x9bb\\u2028\\ufffe\\x09d\\x0a\u00e4\u20ac\U0001f600"
    )


def test_start_up_is_quick() -> None:
    """Nothing heavy is loaded for the help."""
    code = (
        "import sys; from xspack_tool.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    heavy = {
        "createrepo_c",
        "defusedxml",
        "elftools",
        "gnupg",
        "pycdlib",
        "rich",
        "rpmfile",
        "solv",
        "tree_sitter",
    }
    assert heavy & set(done.stderr.split()) == set()

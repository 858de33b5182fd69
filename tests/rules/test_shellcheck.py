"""S11: what the real shellcheck says of scriptlets; nothing where it is not, or does not end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import need
from trees import Tree

from xspack_tool.rpm import shellcheck
from xspack_tool.rules.context import DriverData

Verdict = Callable[..., list[str]]
ASKED = DriverData(shellcheck=True)
CD = "cd /opt/acme\nrm -f old\n"
SAID = "I %post: SC2164: Use 'cd ... || exit' or 'cd ... || return' in case cd fails."


@pytest.fixture(autouse=True)
def _ask_anew() -> None:
    shellcheck.shellcheck.cache_clear()


def test_what_it_warns_of(verdict: Verdict) -> None:
    need("shellcheck")
    assert verdict("S11", driver_data=ASKED, scripts={"%post": CD}) == [SAID]
    assert verdict("S11", scripts={"%post": CD}) == []  # a machine that has it says no more than another
    # Of style it says nothing; nor of what another rule tells, or another shell's scriptlet.
    assert verdict("S11", driver_data=ASKED, scripts={"%post": "echo $HOME\n"}) == []
    assert verdict("S11", driver_data=ASKED, scripts={"%post": f"if true; then\n{CD}"}) == []
    assert verdict("S11", driver_data=ASKED, scripts={"%post -p <lua>": "cd = 1"}) == []
    assert verdict("S11", driver_data=ASKED, scripts={"%post": f"# shellcheck disable=SC2164\n{CD}"}) == []


def test_of_one_scriptlet_no_more_than_five(verdict: Verdict) -> None:
    need("shellcheck")
    said = verdict(
        "S11", driver_data=ASKED, scripts={"%post": "".join(f"cd /opt/{number}\n" for number in range(8))}
    )
    assert said == [SAID] * 5 + ["I %post: 3 more, see shellcheck's own output"]


def test_the_forms_of_kernel_devels_macros(verdict: Verdict) -> None:
    need("shellcheck")
    mark = "/var/lib/rpm-state/regenerate-initrd-4.19.0+1"
    text = f"/sbin/depmod 4.19.0+1\nif [ $1 -eq 0 ]; then\n    dracut -f /boot/i.img 4.19.0+1\nelse\n    > {mark}\nfi\n"
    assert verdict("S11", driver_data=ASKED, scripts={"%postun": text}) == []


def put(folder: Path, text: str) -> Path:
    """A program called shellcheck in a folder of its own."""
    folder.mkdir()
    (folder / "shellcheck").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "shellcheck").chmod(0o755)
    return folder


def test_where_it_is_not_or_does_not_end(
    verdict: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (others := tmp_path / "others").mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name != "shellcheck":
            (others / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(others))
    assert verdict("S11", driver_data=ASKED, scripts={"%post": CD}) == []
    monkeypatch.setattr(shellcheck, "_TIME_LIMIT", 0.2)
    for name, text in (("slow", "exec sleep 60"), ("odd", "echo no JSON")):
        shellcheck.shellcheck.cache_clear()
        monkeypatch.setenv("PATH", f"{put(tmp_path / name, text)}:/usr/bin:/bin")
        assert verdict("S11", driver_data=ASKED, scripts={"%post": CD}) == []


def test_another_shellcheck_is_asked_anew(tmp_path: Path) -> None:
    """Its version is in the key of what the rules find: one that was installed since is asked."""
    tree = Tree(tmp_path / "tree").write({"a": "x"})
    declared = """\
tool = env.Userspace("tool", version="1", arch="noarch", files={"/opt/acme/a": "a"}, scripts={"post": "cd /opt/acme"})
env.Alias("pack", env.Pack("acme", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-00000000000a", description="d",
                           packages=[tool], unsigned=True))
"""
    comment = '{"line": 1, "code": 1, "message": "said by %s"}'
    answer = 'if test "$1" = --version; then printf "ShellCheck\\nversion: %s\\n"; else echo \'{"comments": [%s]}\'; fi'
    for name in ("1.0", "2.0"):
        folder = put(tmp_path / name, answer % (name, comment % name))
        tree.declare(declared)
        ran = tree.scons("check", env={"PATH": f"{folder}:/usr/bin:/bin", "XSPACK_SHELLCHECK": "1"}).good()
        assert f"I S11 acme: tool-1-1.noarch.rpm: %post:1: SC1: said by {name}" in ran.said
    assert (
        tree.scons("check", env={"PATH": f"{folder}:/usr/bin:/bin", "XSPACK_SHELLCHECK": "1"}).good().built
        == set()
    )

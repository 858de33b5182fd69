"""What modprobe is told: lines that are none, and modprobe itself on those that are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support import need

from xspack_tool.rpm.modprobe import kept_out, modprobe_problems, modprobe_text

GOOD = [
    "# the old driver",
    "blacklist acme-old",
    'options acme queues=4 name="a b" debug',
    "alias pci:v00001AF4d*sv*sd*bc*sc*i* acme",
    "softdep acme pre: acme_core post: acme-late",
    "install acme_bad /bin/true",
    "install acme /sbin/modprobe --ignore-install acme && echo ok",
    "remove acme /bin/false",
]


def test_modprobe_takes_them(tmp_path: Path) -> None:
    need("modprobe")
    assert modprobe_problems(GOOD) == []
    (tmp_path / "acme.conf").write_text(modprobe_text(GOOD))
    said = subprocess.run(["modprobe", "-C", tmp_path, "-c"], capture_output=True, text=True)
    assert said.stderr == ""
    for line in (
        "blacklist acme_old",
        'options acme queues=4 name="a b" debug',
        "install acme_bad /bin/true",
    ):
        assert line in said.stdout.splitlines()
    assert kept_out(GOOD) == ("acme_bad", "acme_old")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", 'one line of text, without \\ at its end; such as "options acme queues=4"'),
        ("blacklist a\nb", 'one line of text, without \\ at its end; such as "options acme queues=4"'),
        ("blacklist a \\", 'one line of text, without \\ at its end; such as "options acme queues=4"'),
        ("option acme x=1", "modprobe has no command 'option'; did you mean 'options'?"),
        ("include x", "modprobe has no command 'include'; use one of options, "),
        ("blacklist", "not a valid blacklist line of modprobe.d; write blacklist MODULE"),
        ("blacklist a b", "not a valid blacklist line of modprobe.d; write blacklist MODULE"),
        ("options acme", "not a valid options line of modprobe.d; write options MODULE NAME=VALUE .."),
        ('options acme x="a b', "not a valid options line of modprobe.d; write options MODULE NAME=VALUE .."),
        ("options acme =3", "not a valid options line of modprobe.d; write options MODULE NAME=VALUE .."),
        ("options acme.ko x=3", "not a valid options line of modprobe.d; write options MODULE NAME=VALUE .."),
        ("alias acme", "not a valid alias line of modprobe.d; write alias PATTERN MODULE"),
        (
            "softdep acme foo",
            "not a valid softdep line of modprobe.d; write softdep MODULE pre: MODULE .. post: ",
        ),
        (
            "softdep acme pre:",
            "not a valid softdep line of modprobe.d; write softdep MODULE pre: MODULE .. post: ",
        ),
        ("install acme", "not a valid install line of modprobe.d; write install MODULE COMMAND .."),
    ],
)
def test_lines_that_are_none(line: str, words: str) -> None:
    (problem,) = modprobe_problems([line])
    assert str(problem).startswith(f"modprobe={line!r}: {words}")

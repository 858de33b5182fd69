"""Hostile scripts: no crash, no hang, and said where a script could not be judged; and the price of the usual ones."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xspack_tool.rules.shell.walk import analyse

USUAL = """\
# %post of an agent
if [ "$1" = 1 ]; then
    getent group acme >/dev/null || groupadd -r acme
    systemctl --no-reload preset acme.service >/dev/null 2>&1 || :
fi
if runlevel >/dev/null 2>&1; then
    systemctl try-restart acme.service || :
fi
exit 0
"""
DEEP = {
    "parentheses": "(" * 5000 + ":" + ")" * 5000,
    "open parentheses": "(" * 30000,
    "substitutions": "$(" * 5000 + ":" + ")" * 5000,
    "quoted substitutions": 'x="' + '$(echo "' * 1500 + "a" + '")' * 1500 + '"',
    "if": "if a; then " * 1500 + ":" + "; fi" * 1500,
    "and": "a && " * 6000 + "b",
    "pipes": "a | " * 6000 + "b",
    "groups": "{ " * 5000 + ":" + "; }" * 5000,
    "defaults": "${a:-" * 5000 + "x" + "}" * 5000,
    "here-documents": "cat <<E\n" * 3000,
    "cases": "case x in a) " * 2000,
    "functions": "f() { " * 3000,
    "tests": "[ " + "! " * 9000 + "a ]",
    "words": "a " * 15000,
    "long word": "a" * 32000,
    "quotes": "'" * 30001,
    "nothing readable": "\0\x1b\udcff" * 5000,
    "nested shells": "sh -c '" * 2000,
}


_SYNTAX = (
    "if then fi else case in esac for do done while { } ( ) $( ` ' \" <<E E ; & && || | ! [ ] [[ ]] $1 x= f()"
)
PIECES = (
    *_SYNTAX.split(),
    *("\n", "${a:-", "f", "sh -c", "eval", "set -e", "exit 1", "return", "runlevel", "systemctl start a"),
    *(">", "< /x", "iptables -A", "\\", "#", "\0", "\udc80", "é"),
)


@pytest.mark.parametrize("name", DEEP)
def test_nesting_ends_in_time(name: str) -> None:
    start = time.process_time()
    analyse.__wrapped__(DEEP[name])
    assert time.process_time() - start < 10


def test_what_is_too_deep_or_too_long_is_said() -> None:
    assert not analyse("if a; then " * 100 + ":" + "; fi" * 100).complete
    assert not analyse(":\n" * 20_000).complete
    assert analyse("if a; then " * 10 + ":" + "; fi" * 10).complete


def test_functions_that_call_each_other_end() -> None:
    doubling = (
        "".join(f"f{n}() {{ f{n + 1}; f{n + 1}; }}\n" for n in range(30)) + "f30() { systemctl start x; }\nf0"
    )
    start = time.process_time()
    assert not analyse.__wrapped__(doubling).complete
    assert time.process_time() - start < 10
    assert [command.name for command in analyse("f() { f; g; }\ng() { f; x; }\nf").commands] == [
        "f",
        "f",
        "x",
    ]


def test_variables_that_hold_each_other_stay_small() -> None:
    growing = "a=xxxxxxxxxx\n" + "a=$a$a$a$a\n" * 100 + "echo $a"
    start = time.process_time()
    (command,) = analyse.__wrapped__(growing).commands
    assert sum(len(word.text) for word in command.words) <= 70_000
    assert time.process_time() - start < 5


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join))
def test_any_text_is_read_without_a_crash(text: str) -> None:
    script = analyse(text)
    assert all(command.words and command.shown is not None for command in script.commands)
    for command in script.commands:
        assert command not in script.downstream(command)
        assert len(script.before(command)) + len(script.after(command)) < len(script.commands)


def test_a_usual_scriptlet_takes_less_than_3_ms() -> None:
    analyse.__wrapped__(USUAL)
    times = []
    for _ in range(20):
        start = time.process_time()
        analyse.__wrapped__(USUAL)
        times.append(time.process_time() - start)
    assert min(times) < 0.003

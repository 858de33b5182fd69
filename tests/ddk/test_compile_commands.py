"""What kbuild noted of a compiler's command, in words."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from xspack_tool.ddk.compile_commands import _words


@given(st.text("ab= \t\r\n'\"\\#é", max_size=30))
def test_words_are_those_of_a_shell(command: str) -> None:
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    assert _words(command) == words

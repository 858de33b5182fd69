"""X4: texts of a header that no index can hold; what spec and prebuilt RPMs bring along."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Verdict = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Vendor: Ac\x1bme", "E vendor: U+001B at character 3"),
        ("Packager: A\x0c B", "E packager: U+000C at character 2"),
        ("URL: https://a.example/\ufffe", "E url: U+FFFE at character 19"),
        (
            "%changelog\n* Fri Nov 20 2026 A <a@b> 1-1\n- form\x0cfeed",
            "E changelog: U+000C at character 19, in line 2",
        ),
        ("%description -l C\nfirst\nsecond \x9b", "E description: U+009B at character 14, in line 2"),
    ],
)
def test_x4_control_characters(verdict: Verdict, line: str, said: str) -> None:
    if line.startswith("%"):
        section, _, text = line.partition("\n")
        assert verdict("X4", scripts={section: text}) == [said]
    else:
        assert verdict("X4", lines=[line]) == [said]


def test_x4_good(verdict: Verdict) -> None:
    good = {"%changelog": "* Fri Nov 20 2026 Äcme <a@b> 1-1\n- tab\tand \U0001f600 are good"}
    assert verdict("X4", lines=["Vendor: Äcme"], scripts=good) == []

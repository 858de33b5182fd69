"""B1, B4, B5: debug packages and ELF files."""

from __future__ import annotations

from collections.abc import Callable

from forge import program

Verdict = Callable[..., list[str]]
TOOL = "/opt/acme/bin/tool"


def test_b4_the_newest_of_several(verdict: Verdict) -> None:
    """A program of this machine (glibc 2.34 or newer) needs more than one version."""
    found = verdict("B4", files={TOOL: program()}, modes={TOOL: 0o755})
    assert found == [f"E {TOOL}: needs GLIBC_2.34; XenServer 8 has glibc 2.17"]


def test_b4_on_this_machine(verdict: Verdict) -> None:
    assert verdict("B4", "local", files={TOOL: program()}) == []

"""B1, B4, B5: debug packages and ELF files."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from forge import for_machine, module, needing, program

Verdict = Callable[..., list[str]]
TOOL = "/opt/acme/bin/tool"


@pytest.mark.parametrize("name", ["acme-debuginfo", "acme-debugsource", "acme-debuginfo-common"])
def test_b1_debug_package(verdict: Verdict, name: str) -> None:
    assert verdict("B1", name=name) == [f"E name: {name} holds debug information only"]


@pytest.mark.parametrize("name", ["acme", "acme-debug", "acme-debuginfod-client"])
def test_b1_good(verdict: Verdict, name: str) -> None:
    assert verdict("B1", name=name) == []


@pytest.mark.parametrize(
    ("library", "version", "said"),
    [
        ("libc.so.6", "GLIBC_2.34", "needs GLIBC_2.34; XenServer 8 has glibc 2.17"),
        ("libm.so.6", "GLIBC_2.29", "needs GLIBC_2.29; XenServer 8 has glibc 2.17"),
        ("libc.so.6", "GLIBC_ABI_DT_RELR", "needs GLIBC_ABI_DT_RELR; XenServer 8 has glibc 2.17"),
        ("libstdc++.so.6", "GLIBCXX_3.4.26", "needs GLIBCXX_3.4.26; XenServer 8 has libstdc++ 3.4.19"),
        ("libstdc++.so.6", "CXXABI_1.3.9", "needs CXXABI_1.3.9; XenServer 8 has libstdc++ 3.4.19"),
        ("libstdc++.so.6", "CXXABI_1.3.99", "needs CXXABI_1.3.99; XenServer 8 has libstdc++ 3.4.19"),
        ("libc.so.6", "GLIBC_2.17", None),
        ("libc.so.6", "GLIBC_2.2.5", None),
        ("libc.so.6", "GLIBC_PRIVATE", None),
        ("libstdc++.so.6", "GLIBCXX_3.4.19", None),
        ("libstdc++.so.6", "CXXABI_1.3.7", None),
        ("libstdc++.so.6", "CXXABI_1.3", None),
        ("libacme.so.1", "ACME_99.0", None),
    ],
)
def test_b4_symbol_versions(verdict: Verdict, library: str, version: str, said: str | None) -> None:
    expected = [f"E {TOOL}: {said}"] if said else []
    assert verdict("B4", files={TOOL: needing(library, version)}, modes={TOOL: 0o755}) == expected


def test_b4_the_newest_of_several(verdict: Verdict) -> None:
    """A program of this machine (glibc 2.34 or newer) needs more than one version."""
    found = verdict("B4", files={TOOL: program()}, modes={TOOL: 0o755})
    assert found == [f"E {TOOL}: needs GLIBC_2.34; XenServer 8 has glibc 2.17"]


def test_b4_good(verdict: Verdict) -> None:
    newest = needing("libc.so.6", "GLIBC_2.38")
    assert verdict("B4", files={TOOL: program("-static")}) == []
    assert verdict("B4", "xenserver-9", files={TOOL: newest}) == []
    assert verdict("B4", files={"/lib/firmware/updates/4.19.0+1/acme.elf": newest}) == []
    cxx = needing("libstdc++.so.6", "GLIBCXX_3.4.30")
    assert verdict("B4", files={TOOL: cxx, "/opt/acme/lib/libstdc++.so.6": b"its own"}) == []


def test_b4_on_this_machine(verdict: Verdict) -> None:
    assert verdict("B4", "local", files={TOOL: program()}) == []


@pytest.mark.parametrize(("number", "name"), [(183, "AARCH64"), (3, "386"), (243, "RISCV")])
def test_b5_another_machine(verdict: Verdict, number: int, name: str) -> None:
    other = for_machine(module(), number)
    assert verdict("B5", files={TOOL: other}) == [f"E {TOOL}: an ELF file for {name} in an RPM for x86_64"]


def test_b5_elf_in_noarch(verdict: Verdict) -> None:
    assert verdict("B5", arch="noarch", files={TOOL: module()}) == [
        f"E {TOOL}: an ELF file (X86_64) in a noarch RPM"
    ]


def test_b5_an_rpm_for_another_machine(verdict: Verdict) -> None:
    elf = for_machine(module(), 183)
    assert verdict("B5", arch="aarch64", files={TOOL: elf}) == [
        "E arch: an RPM for aarch64; XenServer 8 is x86_64"
    ]


def test_b5_good(verdict: Verdict) -> None:
    assert verdict("B5", files={TOOL: program()}) == []
    assert (
        verdict("B5", arch="noarch", files={"/opt/acme/data": b"\x7fELF, but no more than that word" * 3})
        == []
    )
    firmware = {"/lib/firmware/updates/4.19.0+1/acme.elf": for_machine(module(), 183)}
    assert verdict("B5", arch="noarch", files=firmware) == []
    assert verdict("B5", arch="noarch", files={"/opt/acme/filter.o": for_machine(module(), 247)}) == []
    assert verdict("B5", arch="i686", files={TOOL: for_machine(module(), 3)}) == []

"""L1, L2: licences of drivers and firmware."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xspack_tool.rules.families.licences import gpl_problem, redistribution_problem

Verdict = Callable[..., list[str]]
MODULE = {"/lib/modules/4.19.0+1/updates/acme.ko": b"x"}
FIRMWARE = {"/lib/firmware/updates/4.19.0+1/acme.bin": b"x"}


@pytest.mark.parametrize(
    "licence",
    [
        "GPL-2.0-only",
        "GPL-2.0-or-later",
        "GPL-2.0-only WITH Linux-syscall-note",
        "GPLv2 and Redistributable, no modification permitted",
        "GPL-2.0-only and Redistributable",
        "GPL v2",
        "Dual BSD/GPL",
        "LGPL-2.1-only",
        "MIT",
        "BSD-3-Clause AND GPL-2.0-only",
        "Apache-2.0 OR GPL-2.0-only",
        "(MIT OR LicenseRef-Acme) AND ISC",
        "GPLv2",
        "GPLv2+",
        "GPL v2",
        "GPL",
        "Dual BSD/GPL",
        "BSD",
        "GPL-2.0",
    ],
)
def test_compatible_with_the_gpl(licence: str) -> None:
    assert gpl_problem(licence) == ""


@pytest.mark.parametrize(
    ("licence", "why"),
    [
        ("Apache-2.0", "not compatible with the GPL"),
        ("CDDL-1.0", "not compatible with the GPL"),
        ("GPL-2.0-only AND LicenseRef-Acme", "not compatible with the GPL"),
        ("BSD-4-Clause", "not compatible with the GPL"),
        ("Acme EULA", "no SPDX expression"),
        ("GPL-2.0-only AND", "no SPDX expression"),
        ("", "no SPDX expression"),
    ],
)
def test_not_compatible_with_the_gpl(licence: str, why: str) -> None:
    assert gpl_problem(licence) == why


@pytest.mark.parametrize(
    ("licence", "good"),
    [
        ("Redistributable, no modification permitted", True),
        ("Freely redistributable without restriction", True),
        ("LicenseRef-Callaway-Redistributable-no-modification-permitted", True),
        ("LicenseRef-Redistributable", True),
        ("BSD-3-Clause", True),
        ("GPL-2.0-only OR LicenseRef-Acme", True),
        ("LicenseRef-Acme", False),
        ("No redistribution", False),
        ("not redistributable", False),
        ("All rights reserved", False),
    ],
)
def test_redistribution(licence: str, good: bool) -> None:
    assert bool(redistribution_problem(licence)) is not good

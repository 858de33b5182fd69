"""What is said to kbuild, and mistakes in what is asked of it."""

from __future__ import annotations

import pytest

from xspack_tool.ddk.request import KbuildPlace, KbuildRequest, kbuild_arguments


def test_arguments() -> None:
    request = KbuildRequest(
        ("core", "nic"),
        {"TOP": "$(XSPACK_SOURCES)/inc", "KCFLAGS": "-DX", "CC": "gcc-9"},
        {"ACME": "m", "CONFIG_ACME_OLD": "n", "ACME_QUEUES": "8"},
    )
    place = KbuildPlace(
        "/tree", "/work/staged", ("/work/0.symvers",), "-ffile-prefix-map", "ccache", "gcc-12"
    )
    macros = list(request.macros().values())
    assert macros == ["-DCONFIG_ACME_MODULE=1", "-DCONFIG_ACME_QUEUES=8"]
    maps = "-ffile-prefix-map=/work/staged=. -ffile-prefix-map=/tree=/usr/src/kernel"
    assert kbuild_arguments(request, "nic", place, macros=macros, debug=True) == [
        *("-C", "/tree", "M=/work/staged/nic", "CC=ccache gcc-9", "TOP=$(XSPACK_SOURCES)/inc"),
        *("XSPACK_SOURCES=/work/staged", "CONFIG_ACME=m", "CONFIG_ACME_OLD=n", "CONFIG_ACME_QUEUES=8"),
        f"KCFLAGS=-DX -DCONFIG_ACME_MODULE=1 -DCONFIG_ACME_QUEUES=8 -g {maps}",
        *(f"KAFLAGS={maps}", "KBUILD_EXTRA_SYMBOLS=/work/0.symvers", "modules"),
    ]


def test_the_least() -> None:
    words = kbuild_arguments(KbuildRequest(), "", KbuildPlace("/t", "/s"))
    assert words[:3] == ["-C", "/t", "M=/s"] and words[-1] == "modules" and len(words) == 6


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (
            KbuildRequest(("../x",)),
            (
                "kbuild_dir='../x': a folder below the sources, without blanks and the characters : % $ #; "
                "name the folder that holds Kbuild or Makefile"
            ),
        ),
        (
            KbuildRequest(("a/b", "a")),
            (
                "kbuild_dir='a/b': the folder lies in another of them, or is named twice; "
                "name the outer folder alone (kbuild descends), or build two drivers"
            ),
        ),
        (
            KbuildRequest(make_variables={"M": "/"}),
            "make_variables='M': xspack sets this variable itself; leave it out",
        ),
        (
            KbuildRequest(make_variables={"CONFIG_X": "m"}),
            "make_variables='CONFIG_X': no name of a make variable; put CONFIG_ switches into kconfig=",
        ),
        (
            KbuildRequest(make_variables={"X": "a\nb"}),
            "make_variables='a\\nb': X is one line of text; remove line breaks",
        ),
        (
            KbuildRequest(config={"X-Y": "m"}),
            "kconfig='X-Y': no name of a CONFIG_ switch; write it as ACME_DEBUG",
        ),
        (
            KbuildRequest(config={"X": "yes"}),
            "kconfig='yes': X is y, m, n or a number; put texts into make_variables",
        ),
    ],
)
def test_problems(request_: KbuildRequest, problem: str) -> None:
    assert [str(found) for found in request_.problems()] == [problem]


def test_no_problems() -> None:
    assert KbuildRequest(("a", "ab", "b/c"), {"X": "1 2"}, {"CONFIG_Y": "0x1f"}).problems() == []

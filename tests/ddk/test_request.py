"""What is said to kbuild, and mistakes in what is asked of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from xspack_tool.ddk.request import KbuildPlace, KbuildRequest, kbuild_arguments

VERSIONS = {"BUILD_KERNEL", "KERNELRELEASE", "KERNELVER", "KERNEL_UNAME", "KVER", "KVERSION", "kernelver"}
#: In the order of make's words: the names that vendors give to the kernel's version and to its build tree.
USUAL = (
    *("BUILD_KERNEL", "KDIR", "KERNELDIR", "KERNELRELEASE", "KERNELVER", "KERNEL_DIR", "KERNEL_PATH"),
    *("KERNEL_SOURCE", "KERNEL_SOURCES", "KERNEL_SOURCE_DIR", "KERNEL_SRC", "KERNEL_TREE", "KERNEL_UNAME"),
    *("KERN_DIR", "KLIB_BUILD", "KSRC", "KVER", "KVERSION", "SYSOUT", "SYSSRC"),
    *("kernel_source_dir", "kernelver"),
)


def test_arguments() -> None:
    request = KbuildRequest(
        ("core", "nic"),
        {"TOP": "$(XSPACK_SOURCES)/inc", "KCFLAGS": "-DX", "CC": "gcc-9"},
        {"ACME": "m", "CONFIG_ACME_OLD": "n", "ACME_QUEUES": "8"},
    )
    place = KbuildPlace(
        "/tree", "/work/staged", "6.1.0-kit", ("/work/0.symvers",), "-ffile-prefix-map", "ccache", "gcc-12"
    )
    macros = list(request.macros().values())
    assert macros == ["-DCONFIG_ACME_MODULE=1", "-DCONFIG_ACME_QUEUES=8"]
    maps = "-ffile-prefix-map=/work/staged=. -ffile-prefix-map=/tree=/usr/src/kernel"
    usual = [f"{name}=6.1.0-kit" if name in VERSIONS else f"{name}=/tree" for name in USUAL]
    assert kbuild_arguments(request, "nic", place, macros=macros, debug=True) == [
        *("-C", "/tree", "M=/work/staged/nic", *usual[:1], "CC=ccache gcc-9", *usual[1:-2]),
        *(
            "TOP=$(XSPACK_SOURCES)/inc",
            *usual[-2:],
            "XSPACK_SOURCES=/work/staged",
            "CONFIG_ACME=m",
            "CONFIG_ACME_OLD=n",
            "CONFIG_ACME_QUEUES=8",
        ),
        f"KCFLAGS=-DX -DCONFIG_ACME_MODULE=1 -DCONFIG_ACME_QUEUES=8 -g {maps}",
        *(f"KAFLAGS={maps}", "KBUILD_EXTRA_SYMBOLS=/work/0.symvers", "modules"),
    ]


def test_the_least() -> None:
    words = kbuild_arguments(KbuildRequest(), "", KbuildPlace("/t", "/s", "6.1"))
    assert words[:3] == ["-C", "/t", "M=/s"] and words[-1] == "modules"
    assert len(words) == 6 + len(USUAL)


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ("objtree=.", "-g0"),
        ("", ""),  # a Makefile that is not the kernel's
        ("objtree=. CONFIG_DEBUG_INFO_BTF_MODULES=y", "-g0"),  # kbuild skips BTF without vmlinux
        ("objtree=with CONFIG_DEBUG_INFO_BTF_MODULES=y", ""),
        ("objtree=with", "-g0"),
        ("objtree=. CONFIG_GENDWARFKSYMS=y", ""),
    ],
)
def test_no_debug_data_but_where_kbuild_reads_it(tmp_path: Path, kernel: str, said: str) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "with/vmlinux").touch()
    (tmp_path / "Makefile").write_text("modules:\n\t@$(MAKE) -s -f inner\n")
    (tmp_path / "inner").write_text("all:\n\t@echo '$(filter -g%,$(KCFLAGS))'\n")
    words = kbuild_arguments(KbuildRequest(), "", KbuildPlace(str(tmp_path), "/s", "6.1"))
    done = subprocess.run(
        ["make", "--no-print-directory", *kernel.split(), *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [*filter(None, [said])]


def test_debug_data_is_made_for_modules_that_keep_it() -> None:
    words = kbuild_arguments(KbuildRequest(unstripped=("x",)), "", KbuildPlace("/t", "/s", "6.1"))
    assert [word for word in words if "-g" in word] == []


def test_a_users_own_variable_has_the_last_word() -> None:
    words = kbuild_arguments(
        KbuildRequest(make_variables={"KVER": "5", "X": "$(XSPACK_TREE)-$(XSPACK_KERNEL)"}),
        "",
        KbuildPlace("/t", "/s", "6.1"),
    )
    assert [word for word in words if word.startswith(("KVER=", "X"))] == [
        *("KVER=5", "X=$(XSPACK_TREE)-$(XSPACK_KERNEL)", "XSPACK_TREE=/t", "XSPACK_KERNEL=6.1")
    ]


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (
            KbuildRequest(("../x",)),
            (
                "kbuild_dir='../x': must be a folder below the sources, without blanks and the characters : % $ #; "
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
            "make_variables='CONFIG_X': not a valid name of a make variable; put CONFIG_ switches into kconfig=",
        ),
        (
            KbuildRequest(make_variables={"X": "a\nb"}),
            "make_variables='a\\nb': X must be one line of text; remove line breaks",
        ),
        (
            KbuildRequest(config={"X-Y": "m"}),
            "kconfig='X-Y': not a valid name of a CONFIG_ switch; write it as ACME_DEBUG",
        ),
        (
            KbuildRequest(config={"X": "yes"}),
            "kconfig='yes': X must be y, m, n or a number; put texts into make_variables",
        ),
    ],
)
def test_problems(request_: KbuildRequest, problem: str) -> None:
    assert [str(found) for found in request_.problems()] == [problem]


def test_no_problems() -> None:
    assert KbuildRequest(("a", "ab", "b/c"), {"X": "1 2"}, {"CONFIG_Y": "0x1f"}).problems() == []

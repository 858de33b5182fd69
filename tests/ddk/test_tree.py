"""Facts of kernel build trees, real ones and damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from xspack_tool.ddk.tree import KernelTree, config_value, read_tree
from xspack_tool.errors import Problem


def make_tree(folder: Path, **changed: str | None) -> Path:
    files: dict[str, str | None] = {
        "Makefile": "",
        "include/generated/utsrelease.h": '#define UTS_RELEASE "4.19.0+1"\n',
        "include/generated/autoconf.h": '#define CONFIG_X86_64 1\n#define CONFIG_CC_VERSION_TEXT "gcc 11"\n',
        "include/generated/compile.h": '#define UTS_MACHINE "x86_64"\n#define LINUX_COMPILER "gcc 4.8.5"\n',
        "Module.symvers": "0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\n",
    }
    for name, text in {**files, **changed}.items():
        if text is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return folder


def read(folder: Path) -> KernelTree:
    tree = read_tree("XSPACK_DDK", folder)
    assert isinstance(tree, KernelTree), tree
    return tree


def test_installed_headers(headers: Path) -> None:
    tree = read(headers)
    assert tree.path == headers
    assert headers.name == f"linux-headers-{tree.kernel}"
    assert tree.arch == "x86_64"
    assert tree.compiler.startswith("gcc-12 (Debian 12.")
    assert tree.symvers.is_file()
    assert (tree.config("MODULES"), tree.config("E1000E"), tree.config("NO_SUCH")) == ("y", "m", None)


def test_facts(tmp_path: Path) -> None:
    tree = read(make_tree(tmp_path))
    assert (tree.kernel, tree.arch, tree.compiler) == ("4.19.0+1", "x86_64", "gcc 4.8.5")


def test_kernels_without_compile_h(tmp_path: Path) -> None:
    tree = read(make_tree(tmp_path, **{"include/generated/compile.h": None}))
    assert (tree.arch, tree.compiler) == ("x86_64", "gcc 11")


def test_digest_knows_symbols_and_not_the_place(tmp_path: Path) -> None:
    first, same = read(make_tree(tmp_path / "a")), read(make_tree(tmp_path / "b"))
    other = read(
        make_tree(tmp_path / "c", **{"Module.symvers": "0x87654321\tprintk\tvmlinux\tEXPORT_SYMBOL\n"})
    )
    assert first.digest == same.digest != other.digest


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"Makefile": None}, "not a kernel build tree: it has no Makefile"),
        (
            {"Module.symvers": None},
            "a kernel build tree that was not built: it has no Module.symvers",
        ),
        (
            {"include/generated/utsrelease.h": None},
            "a kernel build tree that was not built: it has no include/generated/utsrelease.h",
        ),
        (
            {"include/generated/utsrelease.h": '#define UTS_RELEASE "../up"\n'},
            "its include/generated/utsrelease.h names no kernel version",
        ),
        (
            {
                "include/generated/compile.h": '#define UTS_MACHINE "s390x"\n',
                "include/generated/autoconf.h": "",
            },
            "its architecture must be one of aarch64, i686, x86_64",
        ),
    ],
)
def test_what_is_wrong(tmp_path: Path, changed: dict[str, str | None], rule: str) -> None:
    found = read_tree("XSPACK_DDK", make_tree(tmp_path, **changed))
    assert isinstance(found, Problem)
    assert (found.field, found.value, found.rule) == ("XSPACK_DDK", str(tmp_path), rule)


def test_no_such_folder(tmp_path: Path) -> None:
    assert str(read_tree("XSPACK_DDK", tmp_path / "gone")) == (
        f"XSPACK_DDK='{tmp_path}/gone': kernel build tree not found; "
        "install the kernel's development package (kernel-devel, linux-headers) and name its folder"
    )


def test_config_value() -> None:
    text = '#define CONFIG_A 1\n#define CONFIG_B_MODULE 1\n#define CONFIG_C "x y"\n#define CONFIG_D 64\n'
    assert [config_value(text, name) for name in "ABCDE"] == ["y", "m", "x y", "64", None]

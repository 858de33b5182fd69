"""What the tests of drivers share: real kernel build trees."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from sshd import sshd
from support import lacks, need

from xspack_tool.ddk.kbuild import build_modules
from xspack_tool.ddk.modules import Outputs
from xspack_tool.ddk.staging import driver_sources
from xspack_tool.ddk.tree import KernelTree, read_tree

__all__ = ["sshd"]

_INSTALL = "apt-get install linux-headers-amd64 (EL: dnf install kernel-devel)"


@pytest.fixture(scope="session")
def headers() -> Path:
    """The build tree of an installed kernel."""
    trees = sorted(Path("/usr/src").glob("linux-headers-*[0-9]-amd64")) or sorted(
        Path("/usr/src/kernels").glob("*")
    )
    if not trees:
        lacks(f"a kernel build tree is needed: {_INSTALL}")
    need("make", "gcc", "strip")
    return trees[-1]


@pytest.fixture
def tree(headers: Path) -> KernelTree:
    """The facts of an installed kernel's build tree."""
    found = read_tree("XSPACK_DDK", headers)
    assert isinstance(found, KernelTree)
    return found


_MAIN = """\
#include <linux/module.h>
{declarations}
static int __init acme_init(void) {{ return {calls}; }}
module_init(acme_init);
MODULE_LICENSE("GPL");
"""


@pytest.fixture(scope="session")
def flavours(headers: Path) -> list[KernelTree]:
    """The build trees of several kernels."""
    found = [read_tree("", path) for path in sorted(headers.parent.glob("linux-headers-*-amd64"))]
    if len(found) < 2:
        lacks("another kernel's build tree is needed: apt-get install linux-headers-cloud-amd64")
    return [tree for tree in found if isinstance(tree, KernelTree)]


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """The sources of a driver of 20 C files: one with the kernel's headers, 19 without."""
    folder = tmp_path / "driver"
    folder.mkdir()
    parts = [f"part{number}" for number in range(1, 20)]
    for part in parts:
        folder.joinpath(f"{part}.c").write_text(
            f'#include "acme.h"\nint acme_{part}(void) {{ return ACME; }}\n'
        )
    folder.joinpath("acme.h").write_text(
        "#define ACME 0\n" + "".join(f"int acme_{part}(void);\n" for part in parts)
    )
    calls = " + ".join(f"acme_{part}()" for part in parts)
    folder.joinpath("main.c").write_text(_MAIN.format(declarations='#include "acme.h"', calls=calls))
    objects = " ".join(f"{part}.o" for part in ["main", *parts])
    folder.joinpath("Makefile").write_text(f"obj-m := acme.o\nacme-y := {objects}\n")
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The sources of the smallest driver: one C file."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    folder.joinpath("tiny.c").write_text('#include <linux/module.h>\nMODULE_LICENSE("GPL");\n')
    folder.joinpath("Kbuild").write_text("obj-m := tiny.o\n")
    return folder


def _listing(folder: Path) -> dict[str, Path]:
    """A driver's sources by their relative names, as the build is given them."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name: folder / name for name in driver_sources(names)}


@pytest.fixture
def listing() -> Callable[[Path], dict[str, Path]]:
    """The function that lists a driver's sources."""
    return _listing


_ACME = """\
#include <linux/module.h>
#include <linux/pci.h>
static const struct pci_device_id ids[] = {
    {PCI_DEVICE(0x1af4, 0x1000)},
    {0x8086, 0x10d3, 0x1028, 0x0001, 0x020000, 0xffff00, 0},
    {}
};
MODULE_DEVICE_TABLE(pci, ids);
MODULE_FIRMWARE("acme/nic.bin");
MODULE_VERSION("2.1");
MODULE_LICENSE("GPL v2");
static int __init acme_init(void) { printk(KERN_INFO "acme\\n"); return 0; }
module_init(acme_init);
"""


@pytest.fixture(scope="session")
def module_of(headers: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compiles a small PCI driver, once a name."""

    @functools.cache
    def compile_module(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        texts = {"Kbuild": f"obj-m := {name}.o\n", f"{name}.c": _ACME}
        for file, text in texts.items():
            (folder / file).write_text(text)
        tree = read_tree("", headers)
        assert isinstance(tree, KernelTree)
        build_modules(tree, {file: folder / file for file in texts}, folder / "w", Outputs(folder / "m.tar"))
        return folder / "w" / "finished" / f"{name}.ko"

    return compile_module

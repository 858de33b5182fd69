"""docs/drivers.md does what it says, and the example of several kernels makes what its README promises."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from drivers import debian_dkms
from drivers.conftest import release
from drivers.test_keywords import CORE, DKMS, NIC
from drivers.test_submission import PATCH, members
from sshd import Start
from support import ROOT, blocks, need
from trees import Tree

PAGE = (ROOT / "docs/drivers.md").read_text(encoding="utf-8")
BLOCKS = blocks("docs/drivers.md", "python")
#: The files that the page speaks of.
WORLD = {
    "multi/core/Kbuild": "ccflags-y += -DLEVEL=$(ACME_DEBUG_LEVEL)\nobj-m := acme_core.o\n",
    "multi/core/acme_core.c": CORE + "\n#if LEVEL != 2 || !IS_ENABLED(CONFIG_ACME_STATS)\n#error\n#endif\n",
    "multi/port/Kbuild": "ccflags-y += -DACME=0\nobj-m := acme_port.o\n",
    "multi/port/acme_port.c": NIC,
    "dkms/dkms.conf": DKMS,
    "dkms/src/Kbuild": "obj-m := acme.o\n",
    "dkms/src/acme.c": CORE,
    "compat/configure": '#!/bin/sh\ntest "$1" = "--with-kernel=$KDIR"\n',
    "generator.sh": 'echo "#define KERNEL \\"$KVER\\"" > compat.h\n',
    "compat/Kbuild": "obj-m := acme.o acme_test.o\n",
    "compat/acme.c": '#include "compat.h"\n#include <linux/module.h>\nMODULE_LICENSE("GPL");\n'
    "MODULE_VERSION(KERNEL);\n",
    "compat/acme_test.c": '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n',
    "nic/COPYING": "GPL 2\n",
    "nic.bin": "firmware\n",
    "LICENCE.acme": "This file may be redistributed.\n",
    "ring.patch": PATCH,
}


@pytest.fixture
def tree(trees: dict[str, str], world: dict[str, str], tmp_path: Path) -> Tree:
    """A tree with all that the page names; its releases have the kernels of this machine."""
    need("rpmsign")
    tree = Tree(tmp_path / "tree").write(WORLD)
    tree.write(
        {name.replace("driver/", "nic/"): text for name, text in world.items() if name.startswith("driver/")}
    )
    for name, product, kernel in (("xcp-ng-8.2", "8.2.1", 0), ("xcp-ng-8.3", "8.3.0", 1)):
        tree.write({f"{name}.toml": release(list(trees)[kernel], product)})
    return tree


def declared(block: str, trees: dict[str, str]) -> str:
    """A SConstruct of the page, for the kernels of this machine."""
    head = BLOCKS[0].split("nic = ")[0]
    lines = "nic = " + BLOCKS[0].split("nic = ")[1].split("\n")[0] + "\n"
    text = block if "Environment(" in block else head + lines + block
    for name, folder in zip(("xcp-ng-8.2", "xcp-ng-8.3"), trees.values(), strict=True):
        text = text.replace(f"/kits/{name}/kernel", folder).replace(f'"{name}"', f'"{name}.toml"')
    return text


def block(words: str) -> str:
    """The SConstruct of the page that has these words."""
    (found,) = (text for text in BLOCKS if words in text)
    return found


def test_every_sconstruct_of_the_page_is_tried_here() -> None:
    assert len(BLOCKS) == 8
    tried = [
        "acme-nic-disk",
        "acme-there",
        "acme-fc",
        "acme-raid",
        "acme-core",
        "acme-compat",
        "acme-dkms",
        "acme-nic-release",
    ]
    assert [words for words in tried for text in BLOCKS if f'"{words}"' in text] == tried


def test_the_table_of_debians_packages_is_what_its_script_writes() -> None:
    text = debian_dkms.PAGE.read_text(encoding="utf-8")
    rows = debian_dkms.known_rows()
    (kernel,) = re.findall(r"^it for the kernel (\S+):$", text, re.M)
    assert text == debian_dkms.page(rows, kernel, re.findall(r" of Debian (\d+) ", text)[0])
    assert len([row for row in rows.values() if "| yes: " in row]) >= 25


def test_a_driver_disk(tree: Tree, trees: dict[str, str]) -> None:
    tree.write({"SConstruct": declared(BLOCKS[0], trees)}).scons("pack").good()
    assert (tree.path / "build/acme-nic-disk-2.1.iso").is_file()
    assert tree.scons("pack").good().built == set()
    tree.scons("build/srpms/acme-nic-2.1-1.src.rpm").good()
    assert not {name for name in tree.files("nic") if not name.endswith((".c", "Kbuild", "COPYING"))}


def test_a_kit_on_another_machine(tree: Tree, trees: dict[str, str], sshd: Start) -> None:
    ddk = sshd().ddk
    found = f'"{ddk.host}", port={ddk.port}, identity="{ddk.identity}", known_hosts="{ddk.known_hosts}"'
    text = declared(block("acme-there"), trees).replace('"root@ddk-8.3"', found)
    tree.write({"SConstruct": text}).scons("build/rpms/acme-there-2.1-1.x86_64.rpm").good()


def test_a_pack_of_each_release_and_one_of_all(tree: Tree, trees: dict[str, str]) -> None:
    text = declared(block("acme-fc"), trees) + block("acme-raid")
    tree.write({"SConstruct": text}).scons("pack").good()
    assert {name for name in tree.files("build") if name.endswith(".iso")} == {
        "acme-fc-disk-xcp-ng-8_2-4.0.iso",
        "acme-fc-disk-xcp-ng-8_3-4.0.iso",
        "acme-raid-disk-3.4.iso",
    }
    assert (tree.path / "build/rpms/xcp-ng-8.2/acme-fc-4.0-1.x86_64.rpm").is_file()


def test_how_kbuild_is_called(tree: Tree, trees: dict[str, str]) -> None:
    tree.write(
        {"SConstruct": declared(block("acme-core") + block("acme-dkms") + block("acme-compat"), trees)}
    )
    rpms = (
        "acme-core-1.0-1",
        "acme-port-1.0-1",
        "acme-port-debuginfo-1.0-1",
        "acme-dkms-2.1-1",
        "acme-compat-2.1-1",
    )
    tree.scons(*(f"build/rpms/{name}.x86_64.rpm" for name in rpms)).good()


def test_the_submission(tree: Tree, trees: dict[str, str]) -> None:
    tree.write({"SConstruct": declared(block("acme-nic-release"), trees)}).scons("submission").good()
    found = members(tree.path / "build/acme-nic-release-2.1-submission.tar")
    page = PAGE.split("| in the archive |")[1]
    named = {
        part.split("/")[0]
        for words in re.findall(r"^\| (`.*?) \|", page, re.M)
        for part in re.findall(r"`(.+?)`", words)
    }
    assert {name.split("/")[0] for name in found} == named


def test_the_example_of_several_kernels(trees: dict[str, str], tmp_path: Path) -> None:
    need("rpmsign")
    shutil.copytree(ROOT / "examples/driver_matrix", tmp_path / "tree")
    tree = Tree(tmp_path / "tree")
    tree.scons("pack", "submission", "-j2").good()
    assert {"acme-raid-disk-3.4.iso", "acme-raid-disk-3.4-submission.tar"} <= tree.files("build")
    assert tree.scons("pack", "submission").good().built == set()

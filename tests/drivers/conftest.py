"""What the tests of drivers' declarations share: installed kernel trees, and releases that have those kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from sshd import sshd
from support import ROOT, lacks, need

from xspack_tool.releases.local import kernel_trees

__all__ = ["sshd"]


@pytest.fixture(scope="session")
def trees() -> dict[str, str]:
    """The two newest installed kernel trees: kernel -> folder."""
    need("make", "gcc", "strip", "rpmbuild", "gpg")
    found = kernel_trees()
    if len(found) < 2:
        lacks(
            "two kernel build trees are needed: apt-get install linux-headers-amd64 linux-headers-cloud-amd64 "
            "(EL: dnf install kernel-devel)"
        )
    return dict(list(found.items())[:2])


def release(kernel: str, product: str) -> str:
    """The profile of a release like XCP-ng's with another kernel and product version."""
    text = (ROOT / "xspack_tool/releases/xcp-ng-8.3.toml").read_text()
    text = text.replace('kernels = ["4.19.0+1"]', f'kernels = ["{kernel}"]')
    return text.replace('product-version = "8.3.0"', f'product-version = "{product}"')


@pytest.fixture(scope="session")
def world(trees: dict[str, str]) -> dict[str, str]:
    """A driver of one C file with a PCI id, and the profiles one.toml and two.toml of two releases."""
    one, two = trees
    return {
        "driver/Kbuild": "obj-m := acme.o\n",
        "driver/acme.c": (Path(ROOT) / "examples/driver/driver/acme_nic.c").read_text(),
        "one.toml": release(one, "8.2.1"),
        "two.toml": release(two, "8.3.0"),
    }

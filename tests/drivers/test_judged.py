"""What the rules say of drivers, through SCons: their history, the release's own drivers, several kernels."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from forge import Forged, forge, forge_folder
from support import need
from trees import Ran, Tree

HEAD = 'env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", ENV={"PATH": "/usr/bin:/bin"})\n'
PACK = """\
driver = env.KernelModule("acme-nic", version="{version}", source="driver", ddk=[{kits}], {more})
env.Alias("pack", env.Pack("acme", version="1", uuid="{uuid}", description="d", packages=driver,
                           requires=["product-version >= 8.2.1"], key=env.TestKey("KEY")))
"""
UUIDS = [f"0f2d1a52-7a55-4f0c-9d0b-5a4b6b0c2e4{number}" for number in range(2)]


def declare(tree: Tree, kits: str, version: str = "2.1", uuid: str = UUIDS[0], more: str = "") -> Tree:
    return tree.declare(PACK.format(version=version, kits=kits, uuid=uuid, more=more), HEAD)


def shown(ran: Ran, rule: str) -> list[str]:
    """What was found by a rule."""
    lines = [line for line in ran.said.splitlines() if line[1:].startswith(f" {rule} acme")]
    return [line.rpartition(" [SConstruct:")[0] or line for line in lines]


@pytest.fixture
def kits(trees: dict[str, str]) -> list[str]:
    need("rpmsign", "createrepo_c")
    return [
        f'env.Ddk("{path}", release="{name}.toml", inbox="{name}.alias")'
        for name, path in zip(("one", "two"), trees.values(), strict=True)
    ]


@pytest.fixture
def tree(world: dict[str, str], tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "tree").write(world)
    claimed = "pci:v00001AF4d000010F1sv*sd*bc*sc*i*"
    return tree.write(
        {
            "one.alias": "alias usb:v1234p5678d*dc*dsc*dp*ic*isc*ip*in* other\n",
            "two.alias": f"alias {claimed} virtio_acme\n",
        }
    )


def test_a_change_needs_a_higher_version(tree: Tree, kits: list[str], trees: dict[str, str]) -> None:
    declare(tree, kits[0]).scons("pack").good()
    shutil.copytree(tree.path / "build/rpms", tree.path / "last")
    shutil.copytree(tree.path / "last", tree.path / "repository")
    subprocess.run(["createrepo_c", "-q", tree.path / "repository"], check=True)
    shutil.copy(tree.path / "build/acme-1.iso", tree.path / "last.iso")
    last = "XSPACK_BASELINE=last"
    target = "XSPACK_TARGET=one.toml"
    assert not shown(tree.scons("pack", last, target).good(), "V2")

    source = (tree.path / "driver/acme.c").read_text()
    tree.write({"driver/acme.c": source.replace("firmware of", "firmware with")})
    declare(tree, kits[0], more='requires=["bash"], scripts={"post": "echo $1 > /dev/null"}')
    module = f"/lib/modules/{next(iter(trees))}/updates/acme.ko"
    rpm = "E V2 acme: acme-nic-{}-1.x86_64.rpm: version"
    for place in ("last", "repository", "last.iso"):
        ran = tree.scons("pack", f"XSPACK_BASELINE={place}", target)
        assert ran.status == 2
        changed = f"{rpm.format('2.1')}: {module}, scripts, requires changed since the last release"
        assert shown(ran, "V2") == [f"{changed}, its version is still 2.1-1; raise version or release"], place
    ran = declare(tree, kits[0], "2.0").scons("pack", last, target)
    assert ran.status == 2
    assert shown(ran, "V2") == [
        f"{rpm.format('2.0')}: 2.0-1 is lower than 2.1-1 of the last release; raise version or release"
    ]
    assert not shown(declare(tree, kits[0], "2.2").scons("pack", last, target).good(), "V2")
    # A new kernel begins anew.
    assert not shown(declare(tree, kits[1], "1.0").scons("pack", last, "XSPACK_TARGET=two.toml").good(), "V2")


def test_devices_that_the_release_drives(tree: Tree, kits: list[str]) -> None:
    target = "XSPACK_TARGET=two.toml"
    ran = declare(tree, kits[1]).scons("pack", target).good()
    (said,) = shown(ran, "D2")
    assert "virtio_acme of the release drives pci:v00001AF4d000010F1sv*sd*bc*sc*i*" in said
    tree.write({"two.alias": "alias usb:v1234p5678d*dc*dsc*dp*ic*isc*ip*in* other\n"})
    ran = tree.scons("pack", target).good()
    assert not shown(ran, "D2") and "build/acme-findings.json" in ran.built
    made = ("build/modules/", "build/rpms/", "build/signed/")
    assert not [target for target in ran.built if target.startswith(made)]


def test_another_package_of_the_pack_keeps_the_releases_driver_out(tree: Tree, kits: list[str]) -> None:
    conf = 'env.Userspace("conf", version="1", arch="noarch", modprobe=["blacklist {}"])'
    declared = PACK.format(version="2.1", kits=kits[1], uuid=UUIDS[0], more="")
    for name, told in (("virtio_other", 1), ("virtio-acme", 0)):
        packages = f"packages=[driver, {conf.format(name)}]"
        tree.declare(declared.replace("packages=driver", packages), HEAD)
        ran = tree.scons("pack", "XSPACK_TARGET=two.toml").good()
        assert len(shown(ran, "D2")) == told, ran.said


def test_one_pack_for_hosts_of_several_kernels(
    tree: Tree, kits: list[str], trees: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The release of XSPACK_BASE_REPO has one of the kernels; the RPM for the other is for other hosts."""
    lines = [f"Provides: kernel-uname-r = {next(iter(trees))}", "Provides: product-version = 8.2.1"]
    lines += ["Provides: /usr/sbin/depmod", "Provides: /bin/sh"]
    host = forge(Forged(name="host", lines=lines), forge_folder(tmp_path_factory.getbasetemp()))
    (tree.path / "base").mkdir()
    shutil.copy(host, tree.path / "base")
    settings = ["pack", "XSPACK_BASE_REPO=base", "XSPACK_TARGET=one.toml"]
    ran = declare(tree, ", ".join(kits), more="kernel_in_name=True").scons(*settings).good()
    assert [line for line in ran.said.splitlines() if line.startswith(("E ", "W "))] == []

    # Alone, the driver for another kernel is one that nobody can install.
    ran = declare(tree, kits[1], more="kernel_in_name=True").scons(*settings)
    assert ran.status == 2
    other = list(trees)[1]
    rpm = f"acme-nic-modules-xen-{other}-2.1-1.x86_64.rpm"
    assert shown(ran, "D1")[0].startswith(
        f"E D1 acme: {rpm}: Requires: kernel-uname-r = {other}: neither the pack"
    )


def test_a_pack_for_several_releases_requires_the_lowest(tree: Tree, kits: list[str]) -> None:
    declare(tree, ", ".join(kits), more="kernel_in_name=True")
    text = (tree.path / "SConstruct").read_text().replace(">= 8.2.1", ">= 8.3.0")
    ran = tree.write({"SConstruct": text}).scons("pack", "XSPACK_TARGET=two.toml")
    assert ran.status == 2
    (said,) = shown(ran, "V1")
    assert (
        "product-version >= 8.3.0 in a pack for XCP-ng 8.3, XCP-ng 8.3; the lowest is 8.2.1, not 8.3.0"
        in said
    )

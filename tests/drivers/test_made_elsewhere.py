"""RPMs that were made elsewhere: which of them go into the pack of which release, by the kernel they are for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kits import CRC, toy, words_of
from kits import SPEC as KIT_SPEC
from sshd import Start
from support import need
from trees import Tree

from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.rpm.read import read_rpm

HEAD = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_TARGET="one.toml",
                  ENV={"PATH": "/usr/bin:/bin"})
kits = [env.Ddk(f"../{name}", release=f"{name}.toml") for name in ("one", "two")]
def D(name, **more):
    return env.KernelModule(name, version="2.1", source="driver", ddk=kits, **more)
def P(*packages, to=("one", "two")):
    uuids = {f"{name}.toml": f"0f2d1a52-7a55-4f0c-9d0b-00000000000{number}" for number, name in enumerate(to)}
    return env.Pack("acme", version="1", description="d", unsigned=True, packages=packages, releases=uuids,
                    requires=["product-version >= 8.2.1"])
"""
TOOL = 'tool = env.Userspace("tool", version="1", arch="noarch", files={"/opt/acme/x": "driver/Kbuild"})\n'
RPM = "acme-2.1-1.x86_64.rpm"
SPEC = """\
Name: acme
Version: 2.1
Release: %{flavour}
Summary: s
License: GPL-2.0-only
Source: acme.ko
%if 0%{?requires:1}
Requires: kernel-uname-r = 6.1.0-%{flavour}
%endif
%description
d
%package tools
Summary: s
%description tools
d
%install
install -D -m 644 %{SOURCE0} %{buildroot}/lib/modules/6.1.0-%{flavour}/updates/acme.ko
install -D -m 644 %{SOURCE0} %{buildroot}/opt/acme/%{flavour}
%files
/lib/modules/6.1.0-%{flavour}/updates/acme.ko
%files tools
/opt/acme/%{flavour}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A driver that two kits have built already: ``old/one`` and ``old/two``."""
    need("rpmbuild", "make", "gcc", "strip")
    tree = Tree(tmp_path / "tree")
    tree.write(
        {"driver/acme.c": CRC.format(crc="0x11"), "driver/Kbuild": "obj-m := acme.o\n", "acme.spec": SPEC}
    )
    for name in ("one", "two"):
        toy(tree, name)
    tree.declare('D("acme")\n', HEAD).scons("build/rpms").good()
    (tree.path / "build/rpms").rename(tree.path / "old")
    tree.scons("-c").good()
    return tree


def kernels(tree: Tree, label: str) -> dict[str, list[str]]:
    """The RPMs of a pack but those that we generate, each with the kernel that it requires."""
    folder = tree.path / ".isos" / label
    with IsoReader(tree.path / f"build/{label}-1.iso") as reader:
        reader.extract(folder)
    found = map(read_rpm, sorted((folder / "Packages").iterdir()))
    return {
        info.name: [one.evr for one in info.requires if one.name == "kernel-uname-r"]
        for info in found
        if not info.name.startswith(("update-", "control-"))
    }


def test_a_prebuilt_driver_goes_into_the_pack_of_its_kernel(tree: Tree) -> None:
    """By the kernel that it requires. Two of one name, version and release may come for two kernels."""
    drivers = ", ".join(f'env.PrebuiltRpm("old/{name}/{RPM}")' for name in ("one", "two"))
    tree.declare(f"{TOOL}P(tool, {drivers})\n", HEAD).scons().good()
    assert kernels(tree, "acme-one") == {"acme": ["6.1.0-one"], "tool": []}
    assert kernels(tree, "acme-two") == {"acme": ["6.1.0-two"], "tool": []}
    assert {f"rpms/{RPM}", f"rpms/6.1.0-two/{RPM}"} <= tree.files("build")
    assert tree.scons().good().built == set()


def test_a_prebuilt_driver_that_requires_no_kernel(tree: Tree) -> None:
    """The folder of its modules tells; that it lacks the requirement is for the rules to say."""
    spec = 'env.SpecRpm("acme.spec", sources="acme.ko", defines={"flavour": "two"})'
    tree.write({"acme.ko": b"x"}).declare(f"{spec}\n", HEAD).scons().good()
    (tree.path / "build/rpms/acme-2.1-two.x86_64.rpm").rename(tree.path / "acme.rpm")
    tree.declare(f'{TOOL}P(tool, env.PrebuiltRpm("acme.rpm"))\n', HEAD)
    assert tree.scons("build/acme-one-1.iso").good()
    assert kernels(tree, "acme-one") == {"tool": []}
    assert tree.scons("build/acme-two-1.iso").status == 2
    assert [(one["severity"], one["where"]) for one in findings(tree, "acme-two", "K4")] == [
        ("E", "Requires")
    ]


def findings(tree: Tree, label: str, rule: str) -> list[dict[str, str]]:
    found = json.loads((tree.path / f"build/{label}-findings.json").read_text())["findings"]
    return [one for one in found if one["rule"] == rule]


def test_a_spec_that_requires_its_kernel(tree: Tree) -> None:
    """What the rules say of it is said of the pack of its kernel alone."""
    one, two = (
        f'env.SpecRpm("acme.spec", sources="acme.ko", defines={{"flavour": "{name}", "requires": 1}})'
        for name in ("one", "two")
    )
    tree.write({"acme.ko": b"x"})
    tree.declare(f"{TOOL}P(tool, [{one}[0], {two}[0]])\n", HEAD)
    tree.scons("-k")
    for name in ("one", "two"):
        facts = json.loads((tree.path / f"build/acme-{name}-findings.json").read_text())
        assert {one["rpm"] for one in facts["findings"] if one["rule"] == "K3"} == {
            f"acme-2.1-{name}.x86_64.rpm"
        }
        assert findings(tree, f"acme-{name}", "K5") == []


def test_a_spec_that_does_not_say_its_kernel_is_found_out(tree: Tree) -> None:
    spec = 'env.SpecRpm("acme.spec", sources="acme.ko", defines={"flavour": "one"})'
    tree.write({"acme.ko": b"x"}).declare(f"P({spec})\n", HEAD)
    assert tree.scons("-k").status == 2
    assert findings(tree, "acme-one", "K5") == []
    (wrong,) = findings(tree, "acme-two", "K5")
    assert (wrong["severity"], wrong["rpm"]) == ("E", "acme-2.1-one.x86_64.rpm")
    assert wrong["found"] == "XCP-ng 8.3 runs 6.1.0-two, not 6.1.0-one"


def test_what_fits_no_release(tree: Tree) -> None:
    one, two = (f'env.PrebuiltRpm("old/{name}/{RPM}")' for name in ("one", "two"))
    tree.declare(f'{TOOL}P(tool, {one}, {two}, to=["two"])\n', HEAD)
    assert [line.partition(": ")[2] for line in tree.scons().refused()] == [
        (
            f"Pack 'acme': packages='{RPM}': it is for kernel 6.1.0-one, which none of the releases has; "
            "leave it out, or add its release"
        )
    ]
    tree.declare(f"P({two})\n", HEAD)
    assert [line.partition(": ")[2] for line in tree.scons().refused()] == [
        (
            "Pack 'acme': releases='one': none of the packages is for its kernel, 6.1.0-one; add one that is, "
            "or leave the release out"
        )
    ]


def test_a_spec_for_several_kits(tree: Tree, sshd: Start) -> None:
    """One kit is here, one on another machine: the RPMs of each lie in a folder of its own, and go into the pack of its
    release."""
    need("file")
    compile_it = "gcc -c -DKERNEL='\"%{kernel_version}\"' -o acme.o %{SOURCE0}"
    tree.write({"kit.spec": KIT_SPEC.format(build=compile_it), "m": "%flavour 7\n%of_two_lines echo one\n"})
    there = words_of(sshd(tree=str(tree.path.parent / "two")))[:-1]
    rpms = (
        'env.SpecRpm("kit.spec", sources="driver/acme.c", macros="m", waive={"K7": "x"},'
        f' ddk=[kits[0], {there}, release="two.toml")])'
    )
    tree.declare(f"{TOOL}P(tool, {rpms})\n", HEAD).scons().good()
    made = {path for path in tree.files("build/rpms") if path.endswith("x86_64.rpm")}
    # The release's own dist; that of the other machine, which has none.
    assert made == {"one/acme-1-7.xcpng8.3.x86_64.rpm", "two/acme-1-7.x86_64.rpm"}
    for name in ("one", "two"):
        assert kernels(tree, f"acme-{name}") == {"acme": [f"6.1.0-{name}"], "tool": []}
    assert tree.scons().good().built == set()
    # What one kit does not change is not built again.
    tree.write({"two.toml": (tree.path / "two.toml").read_text().replace('["updates"', '["extra"')})
    built = {path for path in tree.scons().good().built if path.startswith("build/rpms/")}
    assert built == {"build/rpms/two/acme-1-7.x86_64.rpm"}

"""What is built depends on what was declared, never on the order of the statements."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import pytest
from rebuild.lab import kernel
from support import ROOT, need
from trees import Tree

UUID = "9a1f0f0e-1111-4222-8333-44445555666{}"
WARNED = "from xspack_tool.rules.finding import Hit\n"
RULE = """\
env.XsRule("ACME1", "W", meaning="m", remedy="r", check=lambda context: [Hit("x", "no")])
"""


def package(name: str, env: str = "env") -> str:
    return (
        f'{name} = {env}.Userspace("{name}", version="1", arch="noarch", license="MIT", '
        f'files={{"/opt/{name}": "app.txt"}})\n'
    )


def pack(
    label: str, number: int, packages: str, env: str = "env", key: str = "key=None, unsigned=True"
) -> str:
    return (
        f'{env}.Pack("{label}", version="1", uuid="{UUID.format(number)}", description="d", '
        f"packages=[{packages}], {key})\n"
    )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need("rpmbuild", "createrepo_c")
    return Tree(tmp_path / "tree").write({"app.txt": "app\n"})


@pytest.mark.parametrize("order", list(itertools.permutations(["mild", "hard"])))
def test_each_environment_is_as_strict_as_it_says(tree: Tree, order: tuple[str, str]) -> None:
    """Two packs of one label in two folders; a W stops the one whose environment is strict."""
    made = {
        name: f'{name} = Environment(tools=["xspack"], XSPACK_OUT="#{name}", XSPACK_STRICT={strict})\n'
        + package("one", name)
        + pack("same", number, "one", name)
        for number, (name, strict) in enumerate({"mild": 0, "hard": 1}.items())
    }
    tree.declare("".join(made[name] for name in order) + WARNED + RULE)
    for words in (["mild"], ["check:same"], ["-k", "pack"]):
        ran = tree.scons(*words)
        assert (words, ran.status) == (words, 0 if words == ["mild"] else 2), ran.said
        count = 2 if words == ["check:same"] else 1  # what is up to date has no findings to tell again
        assert ran.said.count("W ACME1 same: one-1-1.noarch.rpm: x: no; r") == count
    assert (tree.path / "mild/same-1.iso").is_file()
    assert not (tree.path / "hard/same-1.iso").exists()


@pytest.mark.parametrize("before", [True, False])
def test_a_throwaway_key_may_be_named_by_its_path(tree: Tree, before: bool) -> None:
    need("gpg", "rpmsign")
    key, signed = 'env.TestKey("KEY")\n', package("one") + pack("p", 0, "one", key='key="build/keys/KEY"')
    tree.declare(key + signed if before else signed + key)
    tree.scons("pack").good()
    assert (tree.path / "build/p-1.iso").is_file()
    assert tree.scons("pack").good().built == set()


def test_an_alias_that_grows_after_the_pack(tree: Tree) -> None:
    one = package("one") + 'all = env.Alias("rpms", one)\n'
    two, packed = package("two") + 'env.Alias("rpms", two)\n', pack("p", 0, "all")
    tree.declare(one + two + packed)
    ran = tree.scons("pack").good()
    assert "build/rpms/two-1-1.noarch.rpm" in ran.built
    tree.declare(one + packed + two)
    rule = "it got more packages after the pack was declared: build/rpms/two-1-1.noarch.rpm"
    said = f"SConstruct:4: Pack 'p': packages='rpms': {rule}; declare the pack after them"
    assert tree.scons("pack").refused() == [said]


@pytest.mark.parametrize("before", [True, False])
def test_a_package_by_the_path_of_its_rpm(tree: Tree, before: bool) -> None:
    """Below its statement; above it, that is said."""
    packed = pack("p", 0, '"build/rpms/one-1-1.noarch.rpm"')
    tree.declare(package("one") + packed if before else packed + package("one"))
    if before:
        assert "build/p-1.iso" in tree.scons("pack").good().built
        return
    said = "SConstruct:2: Pack 'p': packages='build/rpms/one-1-1.noarch.rpm': not a package of xspack; name what "
    said += "env.Userspace and the like return, or a path below their statement"
    assert tree.scons("pack").refused() == [said]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("declaration", "file", "field", "remedy"),
    [
        (
            'env.PrebuiltRpm("acme-tools.rpm", sha256=digest)',
            "acme-tools.rpm",
            "PrebuiltRpm 'acme-tools.rpm': ",
            "declare it with env.SpecRpm, or commit the built file",
        ),
        (
            'env.KernelModule("acme", source="driver", license="GPL-2.0-only", dkms="driver/dkms.conf")',
            "driver/dkms.conf",
            "KernelModule 'acme': dkms='driver/dkms.conf': ",
            "commit it, or give version=, kbuild_dir= and the like",
        ),
    ],
    ids=["PrebuiltRpm", "dkms"],
)
def test_what_is_read_while_reading_is_not_built(
    tree: Tree, before: bool, declaration: str, file: str, field: str, remedy: str
) -> None:
    """What an earlier build left there is not taken for it, wherever the statement stands that builds it."""
    prebuilt = (ROOT / "examples/prebuilt/acme-tools-5.2-1.noarch.rpm").read_bytes()
    tree.write({"acme-tools.rpm": prebuilt, "driver/Kbuild": "obj-m := a.o\n"})
    tree.write({"driver/dkms.conf": 'PACKAGE_NAME="acme"\nPACKAGE_VERSION="1"\nBUILT_MODULE_NAME[0]=a\n'})
    build = f'env.Command("{file}", "app.txt", Copy("$TARGET", "$SOURCE"))\n'
    declared = f'digest = "{hashlib.sha256(prebuilt).hexdigest()}"\nmade = {declaration}\nDefault(made)\n'
    tree.declare(build + declared if before else declared + build)
    said = tree.scons().refused()
    rule = "it must exist while the SConstruct is read, and is built later"
    place = f"SConstruct:{3 if not before else 4}: "
    assert f"{place}{field}{rule}; {remedy}" in said


@pytest.mark.parametrize("before", [True, False])
def test_a_makefile_that_is_built_is_not_judged_as_it_was(tree: Tree, before: bool) -> None:
    """K10 of what an earlier build left there; a Makefile that nothing builds is judged."""
    asks = "K := $(shell uname -r)\n"
    tree.write({f"kernel/{name}": text for name, text in kernel().items()})
    tree.write({"driver/Kbuild": "obj-m := a.o\n", "driver/a.c": "int a;\n"})
    tree.write({"driver/built.mk": asks, "driver/kept.mk": asks})
    build = 'env.Command("driver/built.mk", "app.txt", Copy("$TARGET", "$SOURCE"))\n'
    declared = (
        'a = env.KernelModule("a", version="1", source="driver", license="GPL-2.0-only", ddk="kernel")\n'
    )
    declared += pack("p", 0, "a")
    tree.declare(build + declared if before else declared + build)
    tree.scons("-k", "build/p-findings.json")
    findings = json.loads((tree.path / "build/p-findings.json").read_text())["findings"]
    assert [one["where"] for one in findings if one["rule"] == "K10"] == ["driver/kept.mk"]

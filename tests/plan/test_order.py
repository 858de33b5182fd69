"""What is built depends on what was declared, never on the order of the statements."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from support import need
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

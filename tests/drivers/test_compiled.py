"""kbuild for real, through a SConstruct: one object after one change, ccache, the folder that XCP-ng wants."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cache_servers import nginx
from made_by import NOTED, processes
from rpm_asked import payload
from support import need
from trees import Tree

from xspack_tool.ddk.compiler import default_command
from xspack_tool.ddk.tree import KernelTree, read_tree

HEAD = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_DDK="{ddk}", XSPACK_TARGET="one.toml",
                  ENV={{"PATH": "/usr/bin:/bin"}})
"""
RPM = "build/rpms/acme-1-1.x86_64.rpm"
PARTS = [f"part{number}" for number in range(1, 20)]
MAIN = "#include <linux/module.h>\n{}static int __init start(void) {{ return {}; }}\nmodule_init(start);\n"


@pytest.fixture
def tree(trees: dict[str, str], world: dict[str, str], tmp_path: Path) -> Tree:
    given = 'version="1", source="driver", compiler_prefix=ARGUMENTS.get("CCACHE", "")'
    head = HEAD.format(ddk=next(iter(trees.values())))
    return Tree(tmp_path / "tree").write(world).declare(f'env.KernelModule("acme", {given})\n', head)


@pytest.fixture
def twenty(tree: Tree) -> Tree:
    """The driver in 20 C files."""
    (tree.path / "driver/acme.c").unlink()
    declared = "".join(f"int acme_{part}(void);\n" for part in PARTS)
    main = MAIN.format(declared, " + ".join(f"acme_{part}()" for part in PARTS)) + 'MODULE_LICENSE("GPL");\n'
    tree.write({"driver/main.c": main})
    for part in PARTS:
        tree.write({f"driver/{part}.c": f"{declared}int acme_{part}(void) {{ return 1; }}\n"})
    objects = " ".join(f"{part}.o" for part in ["main", *PARTS])
    return tree.write({"driver/Kbuild": f"obj-m := acme.o\nacme-y := {objects}\n"})


def objects(tree: Tree) -> dict[str, int]:
    """When each object of the driver was written."""
    found = (tree.path / "build/modules/.work").rglob("*.o")
    return {path.name: path.stat().st_mtime_ns for path in found if path.stem in ("main", *PARTS)}


def test_one_changed_file_of_twenty_compiles_one_object(twenty: Tree) -> None:
    twenty.scons(RPM).good()
    before, module = objects(twenty), payload(twenty.path / RPM)
    assert len(before) == 20
    assert twenty.files("driver") == {"Kbuild", "main.c", *(f"{part}.c" for part in PARTS)}
    changed = (twenty.path / "driver/part7.c").read_text().replace("return 1", "return 7")
    twenty.write({"driver/part7.c": changed}).scons(RPM).good()
    after = objects(twenty)
    assert {name for name in after if after[name] != before[name]} == {"part7.o"}
    assert payload(twenty.path / RPM) != module


AHEAD = """
import atexit, importlib, sys, xspack_tool.plan.ahead as ahead
def told():
    print("not loaded:", sorted({*modules} - {*sys.modules}))
modules, ahead.HERE, ahead.APART = [*ahead.HERE, *ahead.APART], (), ()
atexit.register(told)
"""
PACKED = """
pack = env.Pack("p", version="1", uuid="9a1f0f0e-0000-4000-8000-000000000000", description="d",
                packages=env.KernelModule("acme", version="1", source="driver"), key=env.TestKey("KEY"))
"""


def test_what_is_loaded_while_a_driver_compiles_is_needed_by_its_pack(
    tree: Tree, trees: dict[str, str]
) -> None:
    """All of it, and no fault of it is told but by the step that needs it."""
    head = HEAD.format(ddk=next(iter(trees.values())))
    ran = tree.declare(PACKED + AHEAD, head).real_scons()
    assert "not loaded: []" in ran.good().said
    broken = "import xspack_tool.plan.ahead as ahead\nahead.HERE = ahead.APART = ('no.such.module',)\n"
    tree.declare(PACKED + broken, head).scons("-c").good()
    for jobs in ("-j1", "-j2"):
        assert "build/p-1.iso" in tree.scons(jobs).good().built
        tree.scons("-c").good()


@pytest.mark.parametrize(("version", "tried"), [("gcc (GCC) 12.2.0", 0), ("acmecc 1.0", 1)])
def test_the_compiler_is_asked_once_what_it_can(
    tree: Tree, trees: dict[str, str], version: str, tried: int
) -> None:
    """One whose version tells it is not tried."""
    kernel = read_tree("ddk", next(iter(trees.values())))
    assert isinstance(kernel, KernelTree)
    command = default_command(kernel, {})
    told = f'[ "$1" != --version ] || {{ echo "{version}"; exit; }}\n'
    tree.write({"counted": f'#!/bin/sh\necho "$*" >>{tree.path}/asked\n{told}exec {command} "$@"\n'})
    (tree.path / "counted").chmod(0o755)
    text = (tree.path / "SConstruct").read_text()
    variables = f'make_variables={{"CC": "{tree.path}/counted"}}, version'
    tree.write({"SConstruct": text.replace("version", variables, 1)}).scons(RPM).good()
    asked = (tree.path / "asked").read_text().splitlines()
    assert len([words for words in asked if "-fsyntax-only" in words]) == tried


def test_a_pack_of_a_driver_alone_is_made_in_one_process(tree: Tree) -> None:
    """Others would load the same once more while kbuild needs the cores."""
    pack = 'env.Pack("p", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-000000000001", description="d", packages={})\n'
    text = NOTED + (tree.path / "SConstruct").read_text().replace(
        "env.KernelModule", "driver = env.KernelModule"
    )
    tree.write({"SConstruct": text + pack.format('[driver], key=env.TestKey("RPM-GPG-KEY-Lab")')})
    tree.scons("-j2").good()
    assert len({pid for pids in processes(tree).values() for pid in pids}) == 1


def test_ccache_as_compiler_prefix(tree: Tree, tmp_path: Path) -> None:
    """After everything was removed, the objects come out of the cache, and make the same module."""
    need("ccache")
    cache = {"CCACHE_DIR": str(tmp_path / "cache")}
    tree.scons(RPM).good()
    plain = payload(tree.path / RPM)
    tree.scons("-c").good()
    tree.scons(RPM, "CCACHE=ccache", env=cache).good()
    first = hits(cache)
    assert payload(tree.path / RPM) == plain
    tree.scons("-c").good()
    assert not (tree.path / "build").exists()
    tree.scons(RPM, "CCACHE=ccache", env=cache).good()
    assert hits(cache) - first > 0
    assert payload(tree.path / RPM) == plain
    ran = tree.scons(RPM, "CCACHE=no-such-cache")
    assert ran.status == 2 and "no-such-cache not found" in ran.said


def test_what_another_checkout_compiled_is_found(tree: Tree, tmp_path: Path, short_dir: Path) -> None:
    """By ccache's own remote storage, from a folder of another name and with an empty cache: nothing is compiled."""
    need("ccache")
    other = Tree(tmp_path / "of-another-name/deeper/clone")
    shutil.copytree(tree.path, other.path, dirs_exist_ok=True)
    with nginx(short_dir) as server:
        envs = [
            {"CCACHE_DIR": str(tmp_path / name), "CCACHE_REMOTE_STORAGE": f"{server.url}/ccache"}
            for name in ("one", "two")
        ]
        for one, env in zip((tree, other), envs, strict=True):
            one.scons(RPM, "CCACHE=ccache", env=env).good()
        assert misses(envs[0]) > 0 and misses(envs[1]) == 0 and hits(envs[1]) > 0
    assert payload(other.path / RPM) == payload(tree.path / RPM)
    # An editor finds how each file is compiled where it is without ccache.
    (entry, *_) = json.loads((tree.path / "build/compile_commands.json").read_text())
    assert entry["file"].startswith(str(tree.path))


def misses(cache: dict[str, str]) -> int:
    return stats(cache)["cache_miss"]


def stats(cache: dict[str, str]) -> dict[str, int]:
    said = subprocess.run(
        ["ccache", "--print-stats"], env=cache | {"PATH": "/usr/bin:/bin"}, capture_output=True
    )
    return {
        name: int(value) for name, value in (line.split("\t") for line in said.stdout.decode().splitlines())
    }


def hits(cache: dict[str, str]) -> int:
    found = stats(cache)
    return found["direct_cache_hit"] + found["preprocessed_cache_hit"]


@pytest.mark.parametrize(("place", "said"), [("override", "W"), ("kernel", "E")])
def test_the_folder_that_xcp_ng_wants(tree: Tree, trees: dict[str, str], place: str, said: str) -> None:
    text = (tree.path / "SConstruct").read_text().replace('version="1"', f'version="1", module_dir="{place}"')
    pack = (
        'env.Pack("disk", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-000000000001", description="d", unsigned=True,\n'
        '         packages=nic, requires=["product-version >= 8.2.1"])\n'
    )
    tree.write({"SConstruct": text.replace("env.KernelModule", "nic = env.KernelModule") + pack})
    assert (tree.scons().status == 0) is (said == "W")
    kernel = next(iter(trees))
    assert list(payload(tree.path / RPM)) == [f"/lib/modules/{kernel}/{place}/acme.ko"]
    findings = json.loads((tree.path / "build/disk-findings.json").read_text())["findings"]
    assert [one["severity"] for one in findings if one["rule"] == "K2"] == [said]

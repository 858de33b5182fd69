"""Drivers that a kit on another machine builds: the same as here, once, and again when the kit is another."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import rpmfile
from rebuild.lab import kernel
from sshd import Start, serving
from support import need, need_root
from trees import Ran, Tree

HEAD = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_TARGET="local",
                  ENV={"PATH": "/usr/bin:/bin"})
def D(name, **more):
    return env.KernelModule(name, **{"version": "2.1", "source": env.Dir("driver"), **more})
"""
DRIVER = {"driver/acme.c": "int acme;\n", "driver/Kbuild": "obj-m := acme.o\n"}


@pytest.fixture
def sshd(short_dir: Path) -> Iterator[Start]:
    need_root()
    need("rpmbuild", "make", "gcc", "strip")
    with serving(short_dir) as start:
        yield start


def kit(start: Start, tree: str) -> str:
    """The kit of a server, as a SConstruct names it."""
    ddk = start(tree=tree).ddk
    files = f'identity="{ddk.identity}", known_hosts="{ddk.known_hosts}"'
    return f'env.Ddk(host="{ddk.host}", port={ddk.port}, {files}, tree="{tree}", jobs=2)'


def payload(rpm: Path) -> dict[str, bytes]:
    with rpmfile.open(str(rpm)) as opened:
        return {m.name: opened.extractfile(m).read() for m in opened.getmembers() if not m.isdir}


def asked(rpm: Path, *query: str) -> str:
    return subprocess.run(["rpm", "-qp", "--nosignature", *query, rpm], capture_output=True, text=True).stdout


@pytest.mark.parametrize("with_conf", [False, True])
def test_the_kit_makes_what_is_made_here(
    sshd: Start, trees: dict[str, str], world: dict[str, str], tmp_path: Path, with_conf: bool
) -> None:
    folder = next(iter(trees.values()))
    rest = 'firmware={"acme/nic.bin": "nic.bin"}, config={"/etc/acme.conf": "nic.bin"}' if with_conf else ""
    tree = Tree(tmp_path / "tree").write({**world, "nic.bin": "firmware\n"})
    tree.declare(
        f'D("acme", ddk="{folder}", {rest})\n'
        f'D("acme", ddk={kit(sshd, folder)}, target="build/kit/acme.rpm", {rest})\n',
        HEAD,
    )
    (said,) = tree.scons().refused()
    assert "already taken by KernelModule 'acme' at SConstruct:4; rename one of them" in said
    tree.declare(
        f'D("acme", ddk=[env.Ddk("{folder}", release="one.toml"), {kit(sshd, folder)}], {rest})\n', HEAD
    )
    tree.scons("build/rpms", "-j2").good()
    here, there = (next((tree.path / f"build/rpms/{name}").iterdir()) for name in ("one", next(iter(trees))))
    assert here.name == there.name and here != there
    assert payload(here) == payload(there)
    for query in (["--requires"], ["--provides"], ["--scripts"], ["-l", "--dump"]):
        mine, its = (asked(rpm, *query) for rpm in (here, there))
        assert mine == its, query


def test_compiled_once_and_again_for_another_kit(sshd: Start, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree").write(DRIVER)
    there = Tree(tmp_path / "kit").write(kernel("6.1.0-kit"))
    server = sshd(tree=str(there.path))
    ddk = server.ddk
    words = f'host="{ddk.host}", port={ddk.port}, identity="{ddk.identity}", known_hosts="{ddk.known_hosts}"'
    tree.declare(f'D("acme", ddk=env.Ddk({words}, tree="{there.path}"))\n', HEAD)
    rpm = "build/rpms/acme-2.1-1.x86_64.rpm"
    assert compiled(tree.scons(rpm).good())
    assert (tree.path / "build/modules/acme-6.1.0-kit.symvers").is_file()
    (facts,) = (tree.path / "build/.xspack").glob("kit-*.json")

    # Another kit, before it is noticed: the build there looks first, and the next one is for the new kit.
    there.write({"Module.symvers": "0x1\tnew\tvmlinux\tEXPORT_SYMBOL\n"})
    assert tree.scons(rpm).good().built == set()
    tree.write({"driver/acme.c": "int other;\n"})
    ran = tree.scons(rpm)
    assert ran.status == 2 and "the kit is another than when it was first asked; build again" in ran.said
    assert compiled(tree.scons(rpm).good())

    # Facts of yesterday are asked for anew.
    there.write({"Module.symvers": "0x2\tnew\tvmlinux\tEXPORT_SYMBOL\n"})
    os.utime(facts, (0, 0))
    assert compiled(tree.scons(rpm).good())
    assert not compiled(tree.scons(rpm).good())

    # A null build needs no kit, whenever it was asked last.
    server.process.terminate()
    server.process.wait()
    assert tree.scons(rpm).good().built == set()
    os.utime(facts, (0, 0))
    assert tree.scons(rpm).good().built == set()
    tree.write({"driver/acme.c": "int third;\n"})
    ran = tree.scons(rpm)
    assert ran.status == 2 and "it cannot be reached: check host= and port=" in ran.said
    assert "Traceback" not in ran.said and (tree.path / rpm).is_file()


def compiled(ran: Ran) -> bool:
    return "Remote " in ran.said


def test_a_kit_that_cannot_be_asked(tmp_path: Path) -> None:
    need("ssh")
    tree = Tree(tmp_path / "tree").write(DRIVER)
    tree.declare('D("a", ddk=env.Ddk(host="127.0.0.1", port=1))\nD("b", ddk=env.Ddk(host="x y"))\n', HEAD)
    first, second = tree.scons().refused()
    assert first.startswith(
        "SConstruct:4: KernelModule 'a': host='127.0.0.1': asking the kit what it is: 127.0.0.1: it cannot be reached"
    )
    assert second.endswith(
        "KernelModule 'b': host='x y': no host as ssh takes it; write it as \"root@ddk-8.4\""
    )


def test_what_only_a_tree_here_can_do(sshd: Start, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree").write({**DRIVER, "key.pem": "k", "cert.pem": "c"})
    there = Tree(tmp_path / "kit").write(kernel("6.1.0-kit"))
    more = 'debuginfo=True, sign_key=["key.pem", "cert.pem"], compiler_prefix="ccache"'
    tree.declare(f'D("acme", ddk={kit(sshd, str(there.path))}, {more})\n', HEAD)
    here = "leave it out, or compile here: env.Ddk(tree)"
    assert [line.partition(" 'acme': ")[2] for line in tree.scons().refused()] == [
        f"debuginfo=True: debug data is left behind on the kit; {here}",
        f"sign_key=['key.pem', 'cert.pem']: the key that signs modules is never sent to another machine; {here}",
        f"compiler_prefix='ccache': the kit's own rpmbuild compiles, with its own compiler; {here}",
    ]

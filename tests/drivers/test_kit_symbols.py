"""The CRCs of the symbols that a module uses are those of the kit's kernel (K9), whether it is on or not."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kits import CRC, DRIVER, HEAD, UUID, compiled, fetched, kit, toy
from sshd import Start
from support import need
from trees import Tree

PACK = """\
nic = D("acme", ddk=[{kits}])
key = env.TestKey("KEY")
env.Alias("pack", env.Pack("acme", version="1", description="d", packages=[nic], key=key, requires=["{name}"],
                           releases={{"one.toml": "{uuid}0", "two.toml": "{uuid}1"}}))
"""


def k9(tree: Tree, label: str) -> list[tuple[str, str]]:
    """What rule K9 says of a pack: where, and what."""
    findings = json.loads((tree.path / f"build/{label}-findings.json").read_text())["findings"]
    return [(one["where"], one["found"]) for one in findings if one["rule"] == "K9"]


def test_symbol_crcs_are_compared_with_the_kits(sshd: Start, tmp_path: Path) -> None:
    need("rpmsign")
    tree = Tree(tmp_path / "tree").write({**DRIVER, "driver/acme.c": CRC.format(crc="0x11")})
    one, two = toy(tree, "one"), toy(tree, "two", "0x22")
    kits = [f'{kit(sshd, str(there.path))[:-1]}, release="{there.path.name}.toml")' for there in (one, two)]
    pack = PACK.format(kits=", ".join(kits), name="bash", uuid=UUID)
    second = 'D("other", ddk=[{}])\n'.format(", ".join(kits))
    tree.declare(second + pack, HEAD)
    ran = tree.scons("pack", "build/rpms", "-j2")
    assert ran.status == 2 and fetched(ran) == 2
    wrong = "other CRCs than in Module.symvers: kmalloc 0x00000011 (there 0x00000022)"
    module = "/lib/modules/6.1.0-{}/updates/acme.ko"
    assert k9(tree, "acme-one") == []
    assert k9(tree, "acme-two") == [(module.format("two"), wrong)]
    for there in (one, two):
        assert (there.path / "Module.symvers").read_text() in {
            path.read_text() for path in (tree.path / "build/.xspack").glob("kit-*.symvers")
        }
    # Known as long as the kit is the same, and asked for once more where it is another.
    tree.write({"driver/acme.c": CRC.format(crc="0x22")})
    ran = tree.scons("pack", "-k")
    assert ran.status == 2 and fetched(ran) == 0
    assert k9(tree, "acme-two") == [] and [where for where, _ in k9(tree, "acme-one")] == [
        module.format("one")
    ]
    one.write({"Module.symvers": (two.path / "Module.symvers").read_text()})
    for cache_file in (tree.path / "build/.xspack").glob("kit-*.json"):
        os.utime(cache_file, (0, 0))
    assert fetched(tree.scons("pack").good()) == 1
    assert k9(tree, "acme-one") == k9(tree, "acme-two") == []
    assert tree.scons("pack").good().said.count("build/") == 0
    tree.scons("-c").good()
    assert not (tree.path / "build").exists()


def test_symbol_crcs_of_a_kit_here_and_one_there(sshd: Start, tmp_path: Path) -> None:
    need("rpmsign")
    tree = Tree(tmp_path / "tree").write({**DRIVER, "driver/acme.c": CRC.format(crc="0x22")})
    one, two = toy(tree, "one"), toy(tree, "two", "0x22")
    kits = f'env.Ddk("{one.path}", release="one.toml"), {kit(sshd, str(two.path))[:-1]}, release="two.toml")'
    tree.declare(PACK.format(kits=kits, name="bash", uuid=UUID), HEAD)
    ran = tree.scons("pack")
    assert ran.status == 2 and fetched(ran) == 1
    assert [what for _, what in k9(tree, "acme-one")] == [
        "other CRCs than in Module.symvers: kmalloc 0x00000022 (there 0x00000011)"
    ]
    assert k9(tree, "acme-two") == []


def test_the_symbols_are_there_when_the_kit_is_off(sshd: Start, tmp_path: Path) -> None:
    """They come with the first RPM that is built there, and with no RPM that holds no modules."""
    need("rpmsign")
    tree = Tree(tmp_path / "tree").write({**DRIVER, "driver/acme.c": CRC.format(crc="0x11")})
    there = toy(tree, "one")
    server = sshd(tree=str(there.path))
    ddk = server.ddk
    words = f'host="{ddk.host}", port={ddk.port}, identity="{ddk.identity}", known_hosts="{ddk.known_hosts}"'
    head = HEAD.replace('"local"', f'"one.toml", XSPACK_DDK=XS("{there.path}")')
    head = f"from xspack_tool.plan.ddk import Ddk\ndef XS(tree): return Ddk({words}, tree=tree)\n{head}"
    tool = (
        'tool = env.Userspace("tool", version="1", arch="noarch", files={"/opt/acme/x": "driver/Kbuild"})\n'
    )
    pack = 'env.Alias("{0}", env.Pack("{0}", version="1", uuid="{1}", description="d", packages={0}, unsigned=True))\n'
    tree.declare(
        tool + pack.format("tool", UUID + "0") + 'nic = D("acme")\n' + pack.format("nic", UUID + "1"), head
    )
    assert fetched(tree.scons("tool").good()) == 0
    assert fetched(tree.scons("build/rpms/acme-2.1-1.x86_64.rpm").good()) == 1
    server.process.terminate()
    server.process.wait()
    assert fetched(tree.scons("nic").good()) == 0
    assert k9(tree, "nic") == []


def test_no_symbols_of_another_kit(sshd: Start, tmp_path: Path) -> None:
    """A kit that changed between being asked and being looked at is not mixed with what was built before."""
    tree = Tree(tmp_path / "tree").write(DRIVER)
    there = toy(tree, "one")
    tree.declare(f'D("acme", ddk={kit(sshd, str(there.path))})\n', HEAD)
    rpm = "build/rpms/acme-2.1-1.x86_64.rpm"
    assert fetched(tree.scons(rpm).good()) == 1
    (symvers,) = (tree.path / "build/.xspack").glob("kit-*.symvers")
    symvers.unlink()
    there.write({"Module.symvers": "0x1\tnew\tvmlinux\tEXPORT_SYMBOL\n"})
    ran = tree.scons(rpm)
    assert ran.status == 2 and not symvers.exists()
    assert "fetching its Module.symvers: root@127.0.0.1: the kit has changed since it was first" in ran.said
    ran = tree.scons(rpm).good()
    assert fetched(ran) == 1 and compiled(ran)
    assert symvers.read_bytes() == (there.path / "Module.symvers").read_bytes()

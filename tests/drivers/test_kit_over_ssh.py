"""Drivers that a kit on another machine builds: the same as here, once, and again when the kit is another."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import sentences
from kits import DRIVER, HEAD, SPEC, UUID, compiled, fetched, kit, toy, words_of
from rebuild.lab import kernel
from rpm_asked import asked, payload
from sshd import Start
from support import ROOT, need
from trees import Ran, Tree

from xspack_tool.binary.elf import read_elf


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
    assert ran.status == 2 and sentences.KIT_CHANGED in ran.said
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


@pytest.mark.parametrize("program", ["gcc", "rpmbuild"])
def test_another_compiler_or_rpm_on_the_kit_builds_again(sshd: Start, tmp_path: Path, program: str) -> None:
    tree = Tree(tmp_path / "tree").write(DRIVER)
    tools = Tree(tmp_path / "tools").write(
        {
            program: f"""#!/bin/sh
if test "$*" = --version; then cat {tmp_path}/tools/version; else exec /usr/bin/{program} "$@"; fi
""",
            "version": "first\n",
        }
    )
    (tools.path / program).chmod(0o755)
    path = f"{tools.path}:{os.environ['PATH']}"
    server = sshd(tree=str(toy(tree, "one").path), environment={"PATH": path})
    tree.declare(f'D("acme", ddk={words_of(server)})\n', HEAD)
    rpm = "build/rpms/acme-2.1-1.x86_64.rpm"
    assert compiled(tree.scons(rpm).good())
    (facts,) = (tree.path / "build/.xspack").glob("kit-*.json")
    os.utime(facts, (0, 0))
    assert not compiled(tree.scons(rpm).good())
    tools.write({"version": "second\n"})
    os.utime(facts, (0, 0))
    ran = tree.scons(rpm).good()
    assert compiled(ran) and fetched(ran) == 0


def test_a_kit_that_cannot_be_asked(tmp_path: Path) -> None:
    need("ssh")
    tree = Tree(tmp_path / "tree").write(DRIVER)
    tree.declare('D("a", ddk=env.Ddk(host="127.0.0.1", port=1))\nD("b", ddk=env.Ddk(host="x y"))\n', HEAD)
    first, second = tree.scons().refused()
    assert first.startswith(
        f"SConstruct:4: KernelModule 'a': host='127.0.0.1': {sentences.ASKING}: 127.0.0.1: it cannot be reached"
    )
    assert second.endswith(
        "KernelModule 'b': host='x y': not a host as ssh takes it; write it as \"root@ddk-8.4\""
    )


@pytest.mark.parametrize("options", [["-c"], ["-c", "pack"], ["-h"]])
def test_to_remove_and_to_help_asks_no_kit(tmp_path: Path, options: list[str]) -> None:
    """A kit that was never asked has built nothing here: its drivers, and the packs of them, are left out."""
    tree = Tree(tmp_path / "tree").write(DRIVER)
    # Connecting would take a quarter of a minute: nobody has this address.
    away = 'env.Ddk(host="192.0.2.1")'
    plain = (
        'tool = env.Userspace("tool", version="1", arch="noarch", files={"/opt/acme/x": "driver/Kbuild"})\n'
    )
    drivers = f"""\
nic = D("nic", ddk={away})
more = D("more", ddk={away}, extra_symbols=nic)
disk = env.Pack("disk", version="1", uuid="{UUID}0", description="d", packages=[nic, tool], key=env.TestKey("KEY"))
env.Alias("pack", [disk, tool])
env.Submission(disk)
"""
    tree.declare(plain, HEAD).scons().good()
    tree.declare(plain + drivers, HEAD)
    said = tree.scons(*options).good().said
    assert said.count("xspack: 192.0.2.1 was never asked what kit it is: its drivers are left out\n") == 1
    assert said.count("192.0.2.1") == 1
    removed = "-c" in options
    assert (tree.path / "build/rpms/tool-1-1.noarch.rpm").exists() is not removed
    assert ("Userspace 'tool'" in said) is not removed


def test_to_remove_what_a_kit_built_needs_no_kit(sshd: Start, tmp_path: Path) -> None:
    need("rpmsign")
    tree = Tree(tmp_path / "tree").write(DRIVER)
    server = sshd(tree=str(toy(tree, "one").path))
    tree.declare(f'D("acme", ddk={words_of(server)})\n', HEAD).scons().good()
    server.process.terminate()
    server.process.wait()
    (cache_file,) = (tree.path / "build/.xspack").glob("kit-*.json")
    os.utime(cache_file, (0, 0))
    assert "build/rpms/acme-2.1-1.x86_64.rpm" in tree.scons("-h").good().said
    assert "never asked" not in tree.scons("-c").good().said
    assert not (tree.path / "build").exists()


def keys_in(folder: Path) -> str:
    """A pair that signs modules, as a SConstruct names it."""
    need("openssl")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Acme"]
    files = ["-keyout", folder / "acme.key", "-out", folder / "acme.pem"]
    subprocess.run([*request, *files], check=True, capture_output=True)
    return '["acme.key", "acme.pem"]'


def test_debug_data_and_signatures_as_of_a_kit_here(
    sshd: Start, trees: dict[str, str], world: dict[str, str], tmp_path: Path
) -> None:
    """The bytes are those of a kit here; the key never travels: the kit sees nothing but what is compiled."""
    folder = next(iter(trees.values()))
    tree = Tree(tmp_path / "tree").write(world)
    rest = f"debuginfo=True, sign_key={keys_in(tree.path)}"
    tree.declare(
        f'D("acme", ddk=[env.Ddk("{folder}", release="one.toml"), {kit(sshd, folder)}], {rest})\n', HEAD
    )
    tree.scons("build/rpms").good()
    here, there = (
        {rpm.name: payload(rpm) for rpm in (tree.path / f"build/rpms/{name}").iterdir()}
        for name in ("one", next(iter(trees)))
    )
    assert here == there and len(here) == 2
    modules = [content for rpm in there.values() for name, content in rpm.items() if name.endswith(".ko")]
    assert modules and all(content.endswith(b"~Module signature appended~\n") for content in modules)
    (travels,) = (tree.path / "build/modules/.kbuild").rglob("*.src.rpm")
    members = set(payload(travels))
    assert not [name for name in members if name.endswith((".key", ".pem"))] and len(members) == 2

    # What is signed, not who signs it, is compiled there.
    tree.write({"notes.txt": "x"})
    tree.declare(
        f'D("acme", ddk=[env.Ddk("{folder}", release="one.toml"), {kit(sshd, folder)}], {rest}, description="more")\n',
        HEAD,
    )
    assert not compiled(tree.scons("build/rpms").good())


def of_each_kit(tree: Tree, sshd: Start, trees: dict[str, str], rest: str) -> dict[str, Ran]:
    """A variant of the driver for a release with driver-tool, made by a kit here, one over ssh, and one in a root."""
    kernel, folder = next(iter(trees.items()))
    nine = (ROOT / "xspack_tool/releases/xenserver-9.toml").read_text()
    tree.write({"nine.toml": nine.replace("kernels = []", f'kernels = ["{kernel}"]')})
    remote = kit(sshd, folder).replace("jobs=2", 'jobs=2, release="nine.toml"')
    root = f'env.Ddk(root="/", tree="{folder}", release="nine.toml")'
    ran = {}
    for name, ddk in (
        ("here", f'env.Ddk("{folder}", release="nine.toml")'),
        ("there", remote),
        ("root", root),
    ):
        declared = HEAD.replace('XSPACK_TARGET="local"', 'XSPACK_TARGET="nine.toml"')
        tree.declare(f'D("acme-generic", ddk={ddk}, variant="generic", {rest})\n', declared)
        ran[name] = tree.scons(f"XSPACK_OUT={name}", f"{name}/rpms")
    return ran


def test_a_variant_as_of_a_kit_here(
    sshd: Start, trees: dict[str, str], world: dict[str, str], tmp_path: Path
) -> None:
    """Over ssh and in a root: the note is linked in there, info.json and signatures come from here."""
    tree = Tree(tmp_path / "tree").write(world)
    ran = of_each_kit(tree, sshd, trees, f"priority=3, sign_key={keys_in(tree.path)}")
    assert all(one.good() for one in ran.values())
    here, *others = (payload(tree.path / f"{name}/rpms/acme-generic-2.1-1.x86_64.rpm") for name in ran)
    assert others == [here, here]
    place = f"/lib/modules/{next(iter(trees))}/dmv/acme/2.1"
    assert set(here) == {f"{place}/acme.ko", f"{place}/info.json"}
    said = json.loads(here[f"{place}/info.json"])
    assert (said["variant"], said["priority"], len(said["pci_ids"]["acme.ko"])) == ("generic", 3, 2)
    assert read_elf(io.BytesIO(here[f"{place}/acme.ko"]), "acme.ko").variant == "generic"


def test_modules_of_a_variant_lie_in_one_folder(sshd: Start, trees: dict[str, str], tmp_path: Path) -> None:
    """driver-tool looks for info.json beside each module, and links all of them into one folder."""
    source = '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n'
    tree = Tree(tmp_path / "tree").write(
        {
            "driver/Kbuild": "obj-m := acme.o sub/\n",
            "driver/acme.c": source,
            "driver/sub/Kbuild": "obj-m := below.o deep/\n",
            "driver/sub/below.c": source,
            "driver/sub/deep/Kbuild": "obj-m := bottom.o\n",
            "driver/sub/deep/bottom.c": source,
        }
    )
    ran = of_each_kit(tree, sshd, trees, "debuginfo=True")
    assert all(one.good() for one in ran.values())
    here, *others = (
        {rpm.name: payload(rpm) for rpm in (tree.path / name / "rpms").iterdir()} for name in ran
    )
    assert others == [here, here]
    place = f"/lib/modules/{next(iter(trees))}/dmv/acme/2.1"
    assert set(here["acme-generic-2.1-1.x86_64.rpm"]) == {
        f"{place}/{name}" for name in ("acme.ko", "below.ko", "bottom.ko", "info.json")
    }
    (apart,) = (files for name, files in here.items() if "debuginfo" in name)
    debug = f"/usr/lib/debug{place}"
    assert set(apart) == {f"{debug}/{name}.ko.debug" for name in ("acme", "below", "bottom")}

    tree.write({"driver/two/Kbuild": "obj-m := bottom.o\n", "driver/two/bottom.c": source})
    for one in of_each_kit(tree, sshd, trees, 'kbuild_dir=["sub", "two"]').values():
        told = "two modules with one path, bottom.ko: rename one of them, or build them as two drivers"
        assert one.status and told in one.said


def test_editors_are_told_of_what_a_kit_compiles(sshd: Start, trees: dict[str, str], tmp_path: Path) -> None:
    folder = next(iter(trees.values()))
    tree = Tree(tmp_path / "tree").write(
        {
            "driver/Kbuild": "obj-m := acme.o\nccflags-y += -I$(src)/inc\n",
            "driver/acme.c": '#include <linux/module.h>\n#include "acme.h"\nMODULE_LICENSE("GPL");\n',
            "driver/inc/acme.h": "struct acme { int a; };\n",
        }
    )
    tree.declare(f'D("acme", ddk={kit(sshd, folder)})\n', HEAD).scons("build/rpms").good()
    (entry,) = json.loads((tree.path / "build/compile_commands.json").read_text())
    assert entry["file"] == f"{tree.path}/driver/acme.c" and entry["directory"] == os.path.realpath(folder)
    assert f"-I{tree.path}/driver/inc" in entry["arguments"]
    at = entry["arguments"].index("-o")
    words = [*entry["arguments"][:at], "-fsyntax-only", *entry["arguments"][at + 2 :]]
    subprocess.run(words, cwd=entry["directory"], check=True)


def test_a_compiler_prefix_is_the_kits_own(sshd: Start, tmp_path: Path) -> None:
    """It is called there, and its settings are where the kit has them; a kit without it is told."""
    tree = Tree(tmp_path / "tree").write(DRIVER)
    tools = Tree(tmp_path / "tools").write(
        {"slowcc": f'#!/bin/sh\necho "$CCACHE_DIR $DISTCC_DIR $1" >> {tmp_path}/called\nexec "$@"\n'}
    )
    (tools.path / "slowcc").chmod(0o755)
    there = toy(tree, "one")
    environment = {"PATH": f"{tools.path}:{os.environ['PATH']}", "CCACHE_DIR": "/var/cache/ours"}
    server = sshd(tree=str(there.path), environment=environment)
    tree.declare(f'D("acme", ddk={words_of(server)}, compiler_prefix="slowcc")\n', HEAD)
    rpm = "build/rpms/acme-2.1-1.x86_64.rpm"
    tree.scons(rpm).good()
    distcc = f"{os.environ.get('HOME', '/')}/.distcc"
    assert set((tmp_path / "called").read_text().splitlines()) == {f"/var/cache/ours {distcc} gcc"}
    (tools.path / "slowcc").unlink()
    tree.write({"driver/acme.c": "int other;\n"})
    ran = tree.scons(rpm)
    assert ran.status == 2 and ": slowcc not found; there: dnf install slowcc " in ran.said


def test_ccache_finds_what_another_job_compiled(sshd: Start, tmp_path: Path) -> None:
    """For a tree in another folder, on a kit where the last job was cut off in the midst of it."""
    need("ccache", "flock")
    cache = {"CCACHE_DIR": str(tmp_path / "cache")}
    there = toy(Tree(tmp_path / "kit"), "one")
    server = sshd(tree=str(there.path), environment={"PATH": os.environ["PATH"], **cache})
    rpm = "build/rpms/acme-2.1-1.x86_64.rpm"
    counts, made = [], set()
    for name in ("one", "of-another-name/deeper"):
        tree = Tree(tmp_path / name).write(DRIVER)
        tree.declare(f'D("acme", ddk={words_of(server)}, compiler_prefix="ccache")\n', HEAD).scons(rpm).good()
        said = subprocess.run(
            ["ccache", "--print-stats"], env={**os.environ, **cache}, capture_output=True, text=True
        )
        counts.append({key: int(value) for key, value in map(str.split, said.stdout.splitlines())})
        made.add((tree.path / rpm).read_bytes())
        (place,) = server.room.iterdir()
        assert list(place.iterdir()) == []
        (place / "job/BUILD").mkdir(parents=True)
    first, second = counts
    assert first["cache_miss"] == second["cache_miss"] > 0
    assert second["direct_cache_hit"] + second["preprocessed_cache_hit"] > 0
    assert len(made) == 1


def test_a_spec_that_the_kit_builds(sshd: Start, tmp_path: Path) -> None:
    """The same as here, with the kit's kernel and its own dist; a failure in the kit's own words."""
    need("file")
    there = Tree(tmp_path / "kit").write(kernel("6.1.0-kit"))
    server = sshd(tree=str(there.path))
    tree = Tree(tmp_path / "tree").write(
        {
            "acme.spec": SPEC.format(build="gcc -c -o acme.o %{SOURCE0}"),
            "acme.c": "int acme;\n",
            "macros": "%flavour 7\n%of_two_lines echo one \\\necho {two}\n",
        }
    )
    common = 'sources="acme.c", macros="macros", defines={"more": "a\\nb"}'
    declared = f'env.SpecRpm("acme.spec", {common}, ddk="../kit")\n'
    tree.declare(declared, HEAD)
    rpm = "build/rpms/acme-1-7.x86_64.rpm"
    assert tree.scons(rpm).good().built == {rpm}
    queries = (["--requires"], ["--provides"], ["--scripts"], ["-l", "--dump"], ["-i"])
    here = [payload(tree.path / rpm), *(asked(tree.path / rpm, *query) for query in queries)]
    assert "> /var/lib/rpm-state/regenerate-initrd-6.1.0-kit" in here[3]
    assert "echo one \necho {two}\n" in here[3]

    declared = f'env.SpecRpm("acme.spec", {common}, ddk={words_of(server)})\n'
    tree.declare(declared, HEAD)
    ran = tree.scons(rpm).good()
    assert ran.built == {rpm, "build/srpms/acme-1-7.src.rpm"}
    assert "Remote     build/rpms/acme-1-7.x86_64.rpm" in ran.said
    assert [payload(tree.path / rpm), *(asked(tree.path / rpm, *query) for query in queries)] == here
    assert tree.scons(rpm).good().built == set()

    # The last that the program said, whatever it looks like; what that machine lacks; and a command for it.
    spec = SPEC.format(build="echo error: no harm done; echo it was not to be >&2; exit 3")
    tree.write(
        {"acme.spec": spec.replace("Requires:", "BuildRequires: gcc, /bin/sh, acme-devel >= 2\nRequires:")}
    )
    ran = tree.scons(rpm)
    assert ran.status == 2
    lines = [line.strip() for line in ran.said.splitlines()]
    at = next(number for number, line in enumerate(lines) if line.endswith("its rpmbuild failed in %build"))
    assert "it was not to be" in lines[at:] and not any("Bad exit status" in line for line in lines[at:])
    assert any(line.endswith(" not found there: acme-devel >= 2") for line in lines[at:])
    (line,) = (line for line in lines if line.startswith("command there: sh again.sh, in a copy of "))
    shutil.copytree(line.partition(" copy of ")[2], tmp_path / "again")
    again = subprocess.run(["sh", "again.sh"], cwd=tmp_path / "again", capture_output=True, text=True)
    assert again.returncode and "it was not to be" in again.stdout + again.stderr
    tree.scons("-c").good()
    assert not (tree.path / "build").exists()

    tree.declare(f'env.SpecRpm("acme.spec", {common}, ddk=["../kit", "../kit"])\n', HEAD)
    (mistake,) = tree.scons().refused()
    assert (
        "ddk='6.1.0-kit': two kits for 6.1.0-kit; say which release each is for: env.Ddk(.., release=..)"
        in mistake
    )

"""What fails while building: the program's own words and the command, no partial output, no lock; and what would
fail for want of a program is told before the build."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import lacks, need
from trees import Tree

from xspack_tool.releases.local import kernel_trees
from xspack_tool.run import ASKING, Done
from xspack_tool.run import run as run_program
from xspack_tool.signing.home import end_agent, mark_throwaway
from xspack_tool.signing.keys import read_public_key

SPEC = """\
Name: x
Version: 1
Release: 1
Summary: s
License: MIT
BuildArch: noarch
%description
d
%build
{build}
%files
"""


@pytest.fixture(scope="module")
def kernel_tree() -> str:
    trees = list(kernel_trees().values())
    if not trees:
        lacks(
            "a kernel build tree is needed: apt-get install linux-headers-amd64 (EL: dnf install kernel-devel)"
        )
    need("make", "gcc", "strip")
    return os.path.realpath(trees[0])


def path_without(folder: Path, program: str) -> str:
    """A PATH on which everything is but ``program``."""
    folder.mkdir()
    for place in map(Path, os.get_exec_path()):
        for found in place.iterdir() if place.is_dir() else ():
            if found.name != program and not (folder / found.name).is_symlink():
                (folder / found.name).symlink_to(found)
    return str(folder)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("rpmbuild", "rpmbuild is needed: apt-get install rpm (EL: dnf install rpm-build); it is needed for RPMs"),
        ("rpmspec", "rpmspec is needed: apt-get install rpm (EL: dnf install rpm-build); it is needed for specs"),
        ("gpg", "gpg is needed: apt-get install gnupg (EL: dnf install gnupg2); it is needed for keys and signatures"),
        ("make", "make is needed: apt-get install make (EL: dnf install make); it is needed for kernel modules"),
        ("strip", "strip is needed: apt-get install binutils (EL: dnf install binutils); it is needed for kernel modules"),  # noqa: E501
    ],
)  # fmt: skip
def test_a_missing_program_is_named_before_the_build(
    tmp_path: Path, kernel_tree: str, program: str, said: str
) -> None:
    need("rpmbuild", "rpmspec", "rpmsign", "gpg")
    tree = Tree(tmp_path / "tree").write(
        {"driver/Kbuild": "obj-m += a.o\n", "driver/a.c": "", "x.spec": SPEC.format(build="")}
    )
    tree.declare(
        f'driver = env.KernelModule("acme", version="1", source="driver", ddk="{kernel_tree}")\n'
        'env.Pack("p", version="1", uuid="5f0c1c36-31f4-4f3d-8f0c-6b5f2f9b1c66", description="d",\n'
        '         packages=[driver, env.SpecRpm("x.spec")], key=env.TestKey("KEY"))\n'
    )
    path = {"PATH": path_without(tmp_path / "bin", program)}
    assert tree.scons(env=path).refused() == [said]
    assert not (tree.path / "build").exists()
    tree.scons("-h", env=path).good()
    tree.scons("-c", env=path).good()


def test_kbuild(tmp_path: Path, kernel_tree: str) -> None:
    tree = Tree(tmp_path / "tree")
    tree.write({"driver/Kbuild": "obj-m += a.o\n", "driver/a.c": "#error not written yet\n"})
    tree.declare(f'env.KernelModule("acme", version="1", source="driver", ddk="{kernel_tree}")\n')
    failed = tree.scons()
    assert failed.status == 2
    assert "a.c:1:2: error: #error not written yet" in failed.said
    assert f"\n  command: make -j1 -C {kernel_tree} " in failed.said
    assert "Traceback" not in failed.said
    made = {name for name in tree.files("build") if not name.startswith((".xspack/", "modules/.work/"))}
    assert made == set()
    assert tree.files("driver") == {"Kbuild", "a.c"}
    tree.write({"driver/a.c": '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n'})
    assert "build/rpms" in tree.scons().good().said
    assert tree.scons().good().built == set()


def test_rpmbuild(tmp_path: Path) -> None:
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").declare('env.SpecRpm("x.spec")\n')
    tree.write({"x.spec": SPEC.format(build="echo these are my last words >&2\nexit 7")})
    failed = tree.scons()
    assert failed.status == 2
    assert (
        "scons: *** [build/rpms/x-1-1.noarch.rpm] building x.spec: rpmbuild ended with status 1 in %build\n"
        in failed.said
    )
    assert "these are my last words\n" in failed.said
    assert "\n  command: cd " in failed.said and "Traceback" not in failed.said
    assert {name for name in tree.files("build") if not name.startswith(".xspack/")} == set()
    tree.write({"x.spec": SPEC.format(build="")})
    assert "build/rpms/x-1-1.noarch.rpm" in tree.scons().good().built
    # Back to the faulty one: a failure again, and not the good RPM of before.
    tree.write({"x.spec": SPEC.format(build="exit 7")})
    assert tree.scons().status == 2
    assert tree.scons().status == 2


def test_the_end_of_a_scriptlet_that_rpmbuild_would_take_for_its_own(tmp_path: Path) -> None:
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").declare(
        'env.Userspace("x", version="1", scripts={"post": "true\\n%files"})\n'
    )
    failed = tree.scons("XSPACK_WRITER=rpmbuild")
    assert failed.status == 2
    rule = "script post, line 2: rpmbuild would take '%files' for its own; reword it"
    assert f"scons: *** [build/rpms/x-1-1.x86_64.rpm] {rule}\n" in failed.said
    assert {name for name in tree.files("build") if not name.startswith(".xspack/")} == set()
    assert "build/rpms/x-1-1.x86_64.rpm" in tree.scons().good().built


PACK = """\
p = env.Userspace("x", version="1", files={"/opt/a": "a"}, changelog="2026-11-20 A <a@a.example> 1-1\\n- x")
env.Pack("p", version="1", uuid="5f0c1c36-31f4-4f3d-8f0c-6b5f2f9b1c66", description="d", packages=p, key="KEY")
"""


def run(argv: list[str], stdin: bytes | None = None) -> Done:
    """A program that must do well."""
    return run_program(argv, stdin=stdin, timeout=ASKING)


def make_key(home: Path, expiry: str, passphrase: str) -> str:
    """A key that was made on 2020-01-01, as gpg itself makes it; its public key, armoured."""
    mark_throwaway(home)
    (home / "gpg-agent.conf").write_text("s2k-count 65536\n")
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--no-tty", "--faked-system-time=1577836800!"]
    words = [
        "--pinentry-mode=loopback",
        "--passphrase-fd=0",
        "--quick-gen-key",
        "A <a@a.example>",
        "rsa2048",
        "sign",
    ]
    run([*gpg, *words, expiry], stdin=f"{passphrase}\n".encode())
    public = run([*gpg, "--armor", "--export"]).out
    end_agent(home)
    return public


def nothing_is_signed(tree: Tree, home: Path, passphrase: str = "wrong horse") -> str:
    """What a build says that cannot sign: the RPM is there, nothing else, and no lock."""
    failed = tree.scons(f"XSPACK_GNUPGHOME={home}", env={"XSPACK_PASSPHRASE": passphrase})
    assert failed.status == 2, failed.said
    assert "scons: *** [build/signed/KEY/x-1-1.x86_64.rpm] " in failed.said and "Traceback" not in failed.said
    made = {name for name in tree.files("build") if not name.startswith(".xspack/")}
    assert made == {"rpms/x-1-1.x86_64.rpm"}
    assert [path.name for path in home.iterdir() if path.name.endswith(".lock")] == []
    return failed.said


def test_a_key_that_only_certifies(tmp_path: Path, short_dir: Path) -> None:
    """With a sub-key that signs, as gpg would take it, and without one: told before anything is built."""
    need("rpmbuild", "rpmsign", "gpg")
    home = short_dir / "gnupg"
    mark_throwaway(home)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--no-tty", "--passphrase", ""]
    run([*gpg, "--quick-gen-key", "A <a@a.example>", "rsa2048", "cert", "never"])
    tree = (
        Tree(tmp_path / "tree").write({"KEY": run([*gpg, "--armor", "--export"]).out, "a": "a"}).declare(PACK)
    )
    fingerprint = read_public_key(tree.path / "KEY").fingerprint
    rule = f"SConstruct:3: Pack 'p': key='KEY': key {fingerprint} may certify, not sign"
    remedy = "make a key that signs by itself: gpg --quick-generate-key 'Acme <..>' rsa4096 sign 10y"
    assert tree.scons(f"XSPACK_GNUPGHOME={home}").refused() == [f"{rule}; {remedy}"]
    run([*gpg, "--quick-add-key", fingerprint, "rsa2048", "sign", "never"])
    tree.write({"KEY": run([*gpg, "--armor", "--export"]).out})
    (subkey,) = read_public_key(tree.path / "KEY").signing_subkeys
    more = f"its sub-key {subkey} may, but hosts do not know sub-keys"
    assert tree.scons(f"XSPACK_GNUPGHOME={home}").refused() == [f"{rule}; {more}; {remedy}"]
    # What the remedy says, done.
    signing = short_dir / "signing"
    mark_throwaway(signing)
    gpg[2] = str(signing)
    run([*gpg, "--quick-generate-key", "Acme <a@a.example>", "rsa4096", "sign", "10y"])
    tree.write({"KEY": run([*gpg, "--armor", "--export"]).out})
    assert "build/p-1.iso" in tree.scons(f"XSPACK_GNUPGHOME={signing}").good().built
    end_agent(home)
    end_agent(signing)


def test_a_key_that_has_expired(tmp_path: Path, short_dir: Path) -> None:
    need("rpmbuild", "rpmsign", "gpg")
    public = make_key(short_dir / "gnupg", "1d", "")
    tree = Tree(tmp_path / "tree").write({"KEY": public, "a": "a"}).declare(PACK)
    said = nothing_is_signed(tree, short_dir / "gnupg")
    fingerprint = read_public_key(tree.path / "KEY").fingerprint
    remedy = "extend it unless that was done, and export its public file again, or sign with another key"
    assert f"key {fingerprint} expired on 2020-01-02; {remedy}\n" in said


def test_a_wrong_passphrase(tmp_path: Path, short_dir: Path) -> None:
    need("rpmbuild", "rpmsign", "gpg")
    public = make_key(short_dir / "gnupg", "never", "battery horse")
    tree = Tree(tmp_path / "tree").write({"KEY": public, "a": "a"}).declare(PACK)
    said = nothing_is_signed(tree, short_dir / "gnupg")
    assert "gpg: signing failed: Bad passphrase" in said and "\n  command: rpmsign --addsign" in said
    assert "\n    give the right one in XSPACK_PASSPHRASE or XSPACK_PASSPHRASE_FILE" in said
    assert "horse" not in said
    said = nothing_is_signed(tree, short_dir / "gnupg", "")
    assert (
        "\n    the key has a passphrase, and nobody is there to type it: set XSPACK_PASSPHRASE to it" in said
    )
    good = tree.scons(
        f"XSPACK_GNUPGHOME={short_dir}/gnupg", env={"XSPACK_PASSPHRASE": "battery horse"}
    ).good()
    assert "build/p-1.iso" in good.built and "horse" not in good.said

"""A file that an earlier build left, and that a statement which comes later builds anew: it never counts as it was."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from payloads import HEAD
from rebuild.lab import kernel
from support import need
from trees import Tree

from xspack_tool.signing.home import end_agent
from xspack_tool.signing.keys import make_test_key

PACK = (
    'env.Pack("p", version="1", uuid="9a1f0f0e-1111-4222-8333-444455556661", description="d", packages=[{}],'
    " key=None, unsigned=True{})\n"
)
SPEC = """\
Name: s
Version: 1
Release: 1
Summary: S
License: GPL
BuildArch: noarch
Source0: text
Patch0: fix.patch
%description
S.
%prep
%setup -c -T
cp %{SOURCE0} text
patch -p1 < %{PATCH0}
%install
install -D -m 644 text %{buildroot}/opt/s/text
%files
/opt/s
"""
PATCH = "--- a/text\n+++ b/text\n@@ -1 +1,2 @@\n text\n+{}\n"
SCRIPT = "#!/bin/sh\n# {}\nexit 0\n"
SYMBOLS = "0x{}\tacme_other\tother\tEXPORT_SYMBOL\n"
ALIASES = "alias pci:v0000{}d*sv*sd*bc*sc*i* acme\n"
C = "int {}_value = 1;\n"
WAIVE = ', waive={"K3": "no kernel", "K5": "no kernel", "P2": "no kernel"}'
DRIVER = f'env.KernelModule("d", version="1", source="driver", ddk="kernel"{WAIVE}%s)'
PLAIN = 'env.Userspace("x", version="1", files={"/opt/a": "a.txt"}%s)'
SPEC_RPM = 'env.SpecRpm("s.spec", sources=["text", "fix.patch"]%s)'
DKMS = 'PACKAGE_NAME="d"\nPACKAGE_VERSION="{}"\nBUILT_MODULE_NAME[0]="a"\n'

LATER = 'env.Command("{}", "new", Copy("$TARGET", "$SOURCE"))\n'
REFUSED = ("it must exist while the SConstruct is read, and is built later", "a macro file that is built")

#: Name -> the file, its text with a place for the old or the new word, those words, the package, more of the pack.
CASES = {
    "payload": ("a.txt", "{}", ("1", "2"), PLAIN % "", ""),
    "scriptlet": ("post.sh", "# {}\n", ("1", "2"), PLAIN % ', scripts={"post": env.File("post.sh")}', ""),
    "unit": (
        "x.service",
        "[Unit]\nDescription={}\n[Service]\nExecStart=/opt/a\n[Install]\nWantedBy=multi-user.target\n",
        ("1", "2"),
        PLAIN % ', systemd_units=["x.service"]',
        "",
    ),
    "source": ("text", "text\n{}", ("", "more\n"), SPEC_RPM % "", ""),
    "patch": ("fix.patch", PATCH, ("1", "2"), SPEC_RPM % "", ""),
    "macros": ("m.macros", "%dist .{}\n", ("1", "2"), SPEC_RPM % ', macros="m.macros"', ""),
    "precheck": ("own.sh", SCRIPT, ("1", "2"), PLAIN % "", ', precheck="own.sh"'),
    "remove": (
        "own.sh",
        SCRIPT,
        ("1", "2"),
        PLAIN % "",
        ', remove=env.File("own.sh"), waive={"R2": "tried out"}',
    ),
    "driver": ("driver/a.c", C, ("old", "new"), DRIVER % "", ""),
    "dkms": (
        "d/dkms.conf",
        DKMS,
        ("1", "2"),
        'env.KernelModule("d", source="driver", ddk="kernel", dkms="d/dkms.conf")',
        "",
    ),
    "makefile": ("driver/Kbuild", "obj-m := a.o\n# {}\n", ("$(shell uname -r)", "none"), DRIVER % "", ""),
    "symbols": ("other.symvers", SYMBOLS, ("1", "2"), DRIVER % ', extra_symbols=["other.symvers"]', ""),
    "firmware": ("f.bin", "{}", ("1", "2"), DRIVER % ', firmware={"d/f.bin": "f.bin"}', ""),
    "firmware folder": (
        "fw/f.bin",
        "{}",
        ("1", "2"),
        'env.Userspace("x", version="1", files={"/opt/fw": env.Dir("fw")})',
        "",
    ),
    "inbox": (
        "in.alias",
        ALIASES,
        ("8086", "10EC"),
        'env.KernelModule("d", version="1", source="driver", ddk=env.Ddk("kernel", inbox="in.alias"))',
        "",
    ),
    "devices of the kernel tree": ("kernel/modules.alias", ALIASES, ("8086", "10EC"), DRIVER % "", ""),
}
#: What is read while the SConstruct is.
READ_EARLY = {"macros", "dkms", "inbox", "devices of the kernel tree"}


@pytest.mark.parametrize("name", CASES)
def test_what_a_later_statement_builds_counts_as_it_becomes(tmp_path: Path, name: str) -> None:
    need("rpmbuild", "gcc", "patch")
    place, text, (old, new), package, more = CASES[name]
    tree = Tree(tmp_path / "tree").write({f"kernel/{path}": content for path, content in kernel().items()})
    tree.write({"a.txt": "a", "s.spec": SPEC, "text": "text\n", "fix.patch": PATCH.format("1")})
    tree.write({"driver/a.c": C.format("old"), "driver/Kbuild": "obj-m := a.o\n"})
    tree.write({place: text.format(old), "new": text.format(new)})
    tree.declare(PACK.format(package, more) + LATER.format(place), head=HEAD)
    ran = tree.scons("pack")
    if name in READ_EARLY:
        assert any(word in said for said in ran.refused() for word in REFUSED)
        return
    ran.good()
    assert (tree.path / place).read_text() == text.format(new)
    first = {path: tree.digest(f"build/{path}") for path in tree.files("build") if ".xspack" not in path}
    assert tree.scons("pack").good().built == set()
    # As if it had always been so.
    shutil.rmtree(tree.path / "build")
    tree.scons("pack").good()
    assert {
        path: tree.digest(f"build/{path}") for path in tree.files("build") if ".xspack" not in path
    } == first


DKMS_DRIVER = 'env.KernelModule("d", %sddk="kernel", dkms="made/dkms.conf")'
WHOLE = 'env.Command(env.Dir("{}"), "new", ["rm -rf $TARGET", "cp -r $SOURCE $TARGET"])\n'
TAKEN = "a step of the build makes the whole folder made, and what lies there before it would be taken"
#: Name -> files of the folder, the package, what is said, the folder where it is another one.
FOLDERS = {
    "driver": (
        {"a.c": C.format("old"), "Kbuild": "obj-m := a.o\n"},
        DRIVER.replace('"driver"', '"made"') % "",
        f"source='made': {TAKEN}",
    ),
    "below it": (
        {"drv/a.c": C.format("old"), "drv/Kbuild": "obj-m := a.o\n"},
        DRIVER.replace('"driver"', '"made/drv"') % "",
        f"source='made/drv': {TAKEN}",
    ),
    "dkms": ({"dkms.conf": DKMS.format(1)}, DKMS_DRIVER % "", f"dkms='made/dkms.conf': {REFUSED[0]}"),
    "dkms beside the sources": (
        {"dkms.conf": DKMS.format(1)},
        DKMS_DRIVER % 'source="driver", ',
        f"dkms='made/dkms.conf': {REFUSED[0]}",
    ),
    "kernel": (
        kernel(),
        DRIVER.replace('"kernel"', '"made"') % "",
        f"ddk='made/Module.symvers': {REFUSED[0]}",
    ),
    "spec": ({"s.spec": SPEC}, SPEC_RPM.replace("s.spec", "made/s.spec") % "", "a spec that is built"),
    "source": (
        {"text": "text\n"},
        SPEC_RPM.replace('"text"', '"made/text"') % "",
        f"sources='made/text': {TAKEN}",
    ),
    "symbols": (
        {"o.symvers": SYMBOLS.format(1)},
        DRIVER % ', extra_symbols=["made/o.symvers"]',
        f"extra_symbols='made/o.symvers': {TAKEN}",
    ),
    "firmware": ({"f": "f"}, DRIVER % ', firmware={"d/f": "made/f"}', f"firmware='made/f': {TAKEN}"),
    "prepare": ({"p.sh": "#!/bin/sh\n"}, DRIVER % ', prepare=["made/p.sh"]', f"prepare='made/p.sh': {TAKEN}"),
    "behind a link": ({"deep/a.h": "int x;\n"}, DRIVER % "", f"source='made/deep/a.h': {TAKEN}"),
    "payload": (
        {"a.txt": "a"},
        PLAIN.replace('"a.txt"', '"made/a.txt"') % "",
        f"files='made/a.txt': {TAKEN}",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_in_a_folder_that_a_later_statement_makes_as_a_whole(tmp_path: Path, name: str) -> None:
    """SCons knows nothing of what such a step makes, and would not wait for it."""
    need("rpmbuild", "gcc")
    files, package, said = FOLDERS[name]
    tree = Tree(tmp_path / "tree").write({f"kernel/{path}": content for path, content in kernel().items()})
    tree.write({"s.spec": SPEC, "text": "text\n", "fix.patch": PATCH.format("1")})
    tree.write({"driver/a.c": C.format("old"), "driver/Kbuild": "obj-m := a.o\n"})
    for folder in ("made", "new"):
        tree.write({f"{folder}/{path}": content for path, content in files.items()})
    if name == "behind a link":
        (tree.path / "driver/more").symlink_to("../made")
    tree.declare(PACK.format(package, ""), head=HEAD)
    tree.scons("-n", "pack").good()
    tree.declare(PACK.format(package, "") + WHOLE.format("made"), head=HEAD)
    assert any(said in line for line in tree.scons("pack").refused())


@pytest.mark.parametrize("name", ["XSPACK_BASE_REPO", "XSPACK_BASELINE"])
def test_a_repository_that_is_built_is_refused(tmp_path: Path, name: str) -> None:
    need("rpmbuild")
    tree = Tree(tmp_path / "tree").write({"a.txt": "a"})
    tree.declare(PACK.format(PLAIN % "", ""), head=HEAD)
    tree.scons("pack").good()
    rpm = (tree.path / "build/rpms/x-1-1.x86_64.rpm").read_bytes()
    tree.write({"last/x-1-1.x86_64.rpm": rpm, "new": rpm})
    tree.scons("pack", f"{name}=last").good()
    later = LATER.format("last/x-1-1.x86_64.rpm")
    tree.declare(PACK.format(PLAIN % "", "") + later, head=HEAD)
    (said,) = tree.scons("pack", f"{name}=last").refused()
    assert REFUSED[0] in said and f"{name}='last/x-1-1.x86_64.rpm'" in said
    # Outside of the tree, too, and by a step that makes a folder as a whole.
    outside = shutil.copytree(tree.path / "last", tmp_path / "outside")
    makes_nothing_of_it = LATER.format(outside / "README")
    tree.declare(PACK.format(PLAIN % "", "") + makes_nothing_of_it, head=HEAD)
    tree.scons("pack", f"{name}={outside}").good()
    for statement, place in (
        (f'env.InstallAs("{outside}/x-1-1.x86_64.rpm", "new")\n', outside / "x-1-1.x86_64.rpm"),
        (WHOLE.format(outside), outside),
        (WHOLE.format(outside / "more"), outside / "more"),
    ):
        tree.declare(PACK.format(PLAIN % "", "") + statement, head=HEAD)
        (said,) = tree.scons("pack", f"{name}={outside}").refused()
        assert REFUSED[0] in said and f"{name}={str(place)!r}" in said


def test_a_key_file_that_is_built_signs_as_it_becomes(tmp_path: Path) -> None:
    need("rpmbuild", "gpg")
    home, keys = tmp_path / "home", {name: tmp_path / name for name in ("old", "new")}
    try:
        made = {name: make_test_key(home, path, name, 1_600_000_000) for name, path in keys.items()}
        tree = Tree(tmp_path / "tree").write({"a.txt": "a", "KEY": keys["old"].read_bytes()})
        tree.write({"new": keys["new"].read_bytes()})
        pack = PACK.format(PLAIN % "", "").replace("key=None, unsigned=True", 'key="KEY"')
        tree.declare(pack + LATER.format("KEY"), head=HEAD)
        tree.scons("pack", f"XSPACK_GNUPGHOME={home}").good()
        signed = next((tree.path / "build").rglob("repomd.xml.asc"))
        said = subprocess.run(
            ["gpg", "--homedir", home, "--status-fd=1", "--verify", signed, signed.with_suffix("")],
            capture_output=True,
            check=True,
        ).stdout.decode()
        assert re.findall(r"VALIDSIG (\w+)", said) == [made["new"].fingerprint]
        assert tree.scons("pack", f"XSPACK_GNUPGHOME={home}").good().built == set()
    finally:
        end_agent(home)

"""No part of a path reaches rpm's macro expansion, a pattern or a shell: a tree builds wherever it lies, to the same
bytes."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from support import lacks, need
from trees import Tree

from xspack_tool.releases.local import kernel_trees

SCONSTRUCT = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="MIT", XSPACK_TARGET="local", XSPACK_VENDOR="Acme",
                  ENV={"PATH": "/usr/bin:/bin"})
tool = env.Userspace("tool", version="1", files={"/opt/acme/bin": env.Dir("bin"), "/opt/acme/50% [x] {y}": "a.txt"},
                     config={"/etc/acme.conf": "a.txt"}, scripts={"post": env.File("post.sh")},
                     changelog=["2026-11-20 A <a@b.example> 1-1\\n- 100%"], summary="50% of %{name}")
blob = env.Firmware("blob", version="1", files={"acme.bin": "a.txt"})
stack = env.SpecRpm("stack.spec", sources=["stack.c"], macros="macros", defines={"of_two_lines": "true\\ntrue"})
def P(label, last, **more):
    return env.Pack(label, version="1.0", uuid=f"7c0a7d0e-3c39-4b4c-8f3f-6d4a5f8f1d1{last}", description="100% d",
                    packages=[tool, blob, stack], requires=["product-version >= 8.3.0"], precheck="post.sh", **more)
P("plain", 1, key=None, unsigned=True)
P("signed", 2, key=env.TestKey("RPM-GPG-KEY-Acme-Test"))
"""
SPEC = """\
Name: stack
Version: %{version_of_a_file}
Release: 1
Summary: s
License: MIT
Source0: stack.c
%description
d
%build
gcc -g -o stack %{SOURCE0}
%install
install -D -m 755 stack %{buildroot}/opt/acme/stack
%post
%{of_two_lines}
%files
/opt/acme/stack
"""
FILES = {
    "SConstruct": SCONSTRUCT,
    "a.txt": "a\n",
    "bin/tool": "#!/bin/sh\nexit 0\n",
    "post.sh": "#!/bin/sh\necho '%{name} %(touch marker) 100%'\nexit 0\n",
    "stack.spec": SPEC,
    "stack.c": "#include <stdio.h>\nint main(void) { puts(__FILE__); return 0; }\n",
    "macros": "%version_of_a_file 1",
}
ODD = {
    "percents": "a%%b",
    "macro": "a%{name}b",
    "undefined macro": "a%{no_such}b",
    "command": "a%(touch marker)b",
    "lua": "a%{lua:os.execute('touch marker')}b",
    "backslash": "a\\b",
    "newline": "a\nb",
    "not UTF-8": os.fsdecode(b"a\xffb"),
    "quotes and blanks": " a 'b' \"c\" ",
    "patterns": "a[b]*?{c,d}~",
    "shell": "$(touch marker);`touch marker`&|<>#!",
    "option": "-a:b=c",
    "long": "x" * 200,
}
OUTPUTS = ("build/plain-1.0.iso", "build/rpms", "build/srpms/stack-1-1.src.rpm")


def built(place: Path) -> dict[str, bytes]:
    """All outputs but the signed ones."""
    tree = Tree(place).write(FILES)
    (place / "bin/tool").chmod(0o755)
    tree.scons(*OUTPUTS).good()
    names = ["build/plain-1.0.iso", "build/srpms/stack-1-1.src.rpm"]
    names += [f"build/rpms/{name}-1-1.{arch}.rpm" for name, arch in (("tool", "noarch"), ("stack", "x86_64"))]
    return {name: (place / name).read_bytes() for name in names if (place / name).exists()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    need("rpmbuild", "gcc", "strip", "file")
    return built(tmp_path_factory.mktemp("plain") / "tree")


@pytest.mark.parametrize("name", ODD)
def test_the_same_bytes_below_an_odd_path(tmp_path: Path, plain: dict[str, bytes], name: str) -> None:
    assert built(tmp_path / ODD[name] / "tree") == plain
    assert not list(tmp_path.rglob("marker"))
    assert not Path("marker").exists()


def test_the_same_bytes_behind_a_link(tmp_path: Path, plain: dict[str, bytes]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "a%{name}b").symlink_to("real")
    assert built(tmp_path / "a%{name}b" / "tree") == plain


@pytest.mark.parametrize("name", ["command", "newline", "quotes and blanks"])
def test_signed_below_an_odd_path(tmp_path: Path, name: str) -> None:
    """The keyring lies there, too."""
    need("rpmbuild", "gcc", "strip", "file", "gpg", "rpmsign")
    tree = Tree(tmp_path / ODD[name] / "tree").write(FILES)
    ran = tree.scons("build/signed-1.0.iso").good()
    assert "build/signed-1.0.iso: " in ran.said and ", 0 errors, " in ran.said
    assert not list(tmp_path.rglob("marker"))
    shutil.rmtree(tree.path)


DRIVER = {
    "driver/Kbuild": "obj-m := acme.o\nacme-y := main.o\n",
    "driver/main.c": '#include <linux/module.h>\n#include "acme.h"\n'
    "static int __init begin(void) { WARN_ON(ACME != 1); return 0; }\n"
    'module_init(begin);\nMODULE_LICENSE("GPL");\n',
    "driver/acme.h": "#define ACME 1\n",
}


def compiled(place: Path) -> dict[str, bytes]:
    """A driver's RPMs; its work folder lies below the tree, where kbuild could not work."""
    trees = kernel_trees()
    if not trees:
        lacks("the headers of a kernel are needed: apt-get install linux-headers-amd64 (EL: kernel-devel)")
    tree = Tree(place).write(DRIVER)
    head = 'env = Environment(tools=["xspack"], XSPACK_LICENSE="MIT", XSPACK_TARGET="local")\n'
    tree.declare(
        f'env.KernelModule("acme", version="1", source=env.Dir("driver"), ddk={str(trees[max(trees)])!r})\n',
        head,
    )
    tree.scons().good()
    (tree.path / "driver/acme.h").write_text("#define ACME 1\n\n")
    tree.scons().good()
    names = ["build/rpms/acme-1-1.x86_64.rpm", "build/srpms/acme-1-1.src.rpm"]
    return {name: (place / name).read_bytes() for name in names}


def left_behind() -> list[Path]:
    """Work folders that no build holds: other tests may be compiling now."""
    left = []
    for folder in Path("/var/tmp").glob("xspack-kbuild-*"):
        with suppress(FileNotFoundError, BlockingIOError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if folder.exists():
                    left.append(folder)
            finally:
                os.close(lock)
    return left


@pytest.fixture(scope="module")
def plain_driver(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    need("rpmbuild", "gcc", "make", "strip")
    return compiled(tmp_path_factory.mktemp("driver") / "tree")


@pytest.mark.parametrize("name", sorted(ODD.keys() - {"macro", "undefined macro", "lua"}))
def test_a_driver_below_an_odd_path(tmp_path: Path, plain_driver: dict[str, bytes], name: str) -> None:
    assert compiled(tmp_path / ODD[name] / "tree") == plain_driver
    assert not list(tmp_path.rglob("marker"))
    assert left_behind() == []

"""Drivers and specs that kits build: ``from kits import words_of``."""

from __future__ import annotations

from drivers.conftest import release
from rebuild.lab import kernel
from sshd import Sshd, Start
from trees import Ran, Tree

HEAD = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_TARGET="local",
                  ENV={"PATH": "/usr/bin:/bin"})
def D(name, **more):
    return env.KernelModule(name, **{"version": "2.1", "source": env.Dir("driver"), **more})
"""
DRIVER = {"driver/acme.c": "int acme;\n", "driver/Kbuild": "obj-m := acme.o\n"}
UUID = "0f2d1a52-7a55-4f0c-9d0b-00000000000"


def kit(start: Start, tree: str) -> str:
    """The kit of a server, as a SConstruct names it."""
    return words_of(start(tree=tree))


def words_of(server: Sshd) -> str:
    ddk = server.ddk
    files = f'identity="{ddk.identity}", known_hosts="{ddk.known_hosts}"'
    return f'env.Ddk(host="{ddk.host}", port={ddk.port}, {files}, tree="{ddk.tree}", jobs=2)'


#: A module that says what kbuild would have it say: its kernel, and the CRC of a symbol as it found it.
CRC = """\
static const char vermagic[] __attribute__((section(".modinfo"), used)) = "vermagic=" KERNEL " SMP mod_unload ";
static const struct {{ unsigned long crc; char name[56]; }} versions[]
    __attribute__((section("__versions"), used)) = {{ {{ {crc}, "kmalloc" }} }};
"""


def toy(tree: Tree, name: str, crc: str = "0x11") -> Tree:
    """A quick kernel tree with one symbol, and the profile of a release that has this kernel."""
    there = Tree(tree.path.parent / name).write(kernel(f"6.1.0-{name}"))
    makefile = (
        (there.path / "Makefile").read_text().replace("$(KCFLAGS)", f"-DKERNEL='\"6.1.0-{name}\"' $(KCFLAGS)")
    )
    there.write({"Makefile": makefile, "Module.symvers": f"{crc}\tkmalloc\tvmlinux\tEXPORT_SYMBOL\n"})
    tree.write({f"{name}.toml": release(f"6.1.0-{name}", "8.2.1" if name == "one" else "8.3.0")})
    return there


def compiled(ran: Ran) -> bool:
    return "Remote " in ran.said


SPEC = """\
%define _rpmfilename %%{{ARCH}}/acme-for-%{{kernel_version}}.rpm
Name: acme
Epoch: 2
Version: 1
Release: %{{flavour}}%{{?dist}}
Summary: s
License: MIT
Source0: acme.c
Requires: kernel-uname-r = %{{kernel_version}}
%description
d
%build
{build}
%install
install -D -m 644 acme.o %{{buildroot}}/lib/modules/%{{kernel_version}}/%{{module_dir}}/acme.ko
%post
%{{of_two_lines}}
%{{regenerate_initrd_post}}
%posttrans
%{{regenerate_initrd_posttrans}}
%files
/lib/modules/%{{kernel_version}}/*/*.ko
"""


def fetched(ran: Ran) -> int:
    return ran.said.count("\nFetch ") + ran.said.startswith("Fetch ")

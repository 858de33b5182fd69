"""Sources as vendors have them: links, $(PWD), uname, dkms.conf, preparation; here and on a kit over ssh."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import sentences
from drivers.conftest import release
from kits import words_of
from rebuild.lab import kernel
from rpm_asked import payload
from sshd import Start
from support import need
from trees import Tree

from xspack_tool.binary.module import parse_module

HEAD = """\
env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_TARGET="local",
                  ENV={"PATH": "/usr/bin:/bin"})
def D(name, **more):
    return env.KernelModule(name, **{"version": "2.1", "source": env.Dir("driver"), **more})
"""
C = '#include <linux/module.h>\nMODULE_LICENSE("GPL");\nMODULE_VERSION(ACME);\n'
#: A driver that tells by MODULE_VERSION what its Makefile was told.
SAYS = 'obj-m := acme.o\nccflags-y += -DACME=\\"$(subst $(space),:,{0})\\"\n'


@pytest.fixture
def sshd(sshd: Start) -> Start:
    """One whose preparations bubblewrap keeps in."""
    need("bwrap")
    return sshd


class Kits:
    """The same kernel tree twice: here, and on a machine of its own."""

    def __init__(self, start: Start, trees: Mapping[str, str], path: Path) -> None:
        self.kernel, self.folder = next(iter(trees.items()))
        self.there = words_of(start(tree=self.folder))
        self.tree = Tree(path).write({"one.toml": release(self.kernel, "8.2.1")})

    def build(self, rest: str, kind: str = "D") -> dict[str, tuple[str, str]]:
        """The modules of a driver, each with its version and its kernel: the same from both kits."""
        kits = f'[env.Ddk("{self.folder}", release="one.toml"), {self.there}]'
        self.tree.declare(f'{kind}("acme", ddk={kits}, {rest})\n', HEAD)
        self.tree.scons("build/rpms").good()
        here, there = ((self.tree.path / "build/rpms" / name) for name in ("one", self.kernel))
        (mine,), (its,) = (list(folder.iterdir()) for folder in (here, there))
        assert payload(mine) == payload(its)
        found = {}
        for name, content in payload(mine).items():
            path = self.tree.path / "module.ko"
            path.write_bytes(content)
            with path.open("rb") as file:
                info = parse_module(name, file)
            found[os.path.basename(name)] = (info.version, info.kernel)
        return found


@pytest.fixture
def kits(sshd: Start, trees: dict[str, str], tmp_path: Path) -> Kits:
    return Kits(sshd, trees, tmp_path / "tree")


def test_links_inside_are_kept_and_those_that_lead_out_followed(kits: Kits) -> None:
    tree = kits.tree.write(
        {
            "driver/Kbuild": "obj-m += acme.o\nacme-y := main.o shared.o\nccflags-y += -I$(src)/real\n",
            "driver/main.c": '#include "ver.h"\n#include "far.h"\n#include "below/deep.h"\n' + C,
            "driver/core/shared.c": "int shared; \n",
            "driver/real-1.0/ver.h": "#define ACME FAR DEEP\n",
            "shared/far.h": '#define FAR "1"\n',
            "folder/deep.h": '#define DEEP "2"\n',
            "folder/more/x.h": "",
        }
    )
    driver = tree.path / "driver"
    links = {
        "shared.c": "core/shared.c",
        "real": "real-1.0",
        "far.h": "../shared/far.h",
        "below": "../folder",
        "again.h": "../shared/far.h",
        "absolute": str(driver / "core"),
        "../folder/circle": "../folder",
        "made-later.h": "core/generated.h",
        "README.gz": "../../doc/README.gz",
    }
    for name, leads_to in links.items():
        (driver / name).symlink_to(leads_to)
    assert kits.build("") == {"acme.ko": ("12", kits.kernel)}
    staged = tree.path / "build/modules/.work/one" / f"acme-{kits.kernel}" / "staged"
    kept = {path.name: os.readlink(path) for path in staged.iterdir() if path.is_symlink()}
    assert kept == {
        "shared.c": "core/shared.c",
        "real": "real-1.0",
        "absolute": "core",
        "made-later.h": "core/generated.h",
        "README.gz": "../../doc/README.gz",
    }
    # What a link leads to is part of the input, wherever it lies.
    tree.write({"shared/far.h": '#define FAR "7"\n'})
    assert kits.build("") == {"acme.ko": ("72", kits.kernel)}
    tree.write({"folder/deep.h": '#define DEEP "8"\n'})
    assert kits.build("") == {"acme.ko": ("78", kits.kernel)}
    (driver / "far.h").unlink()
    (driver / "far.h").symlink_to("core/near.h")
    tree.write({"driver/core/near.h": '#define FAR "6"\n'})
    assert kits.build("") == {"acme.ko": ("68", kits.kernel)}


def test_a_link_to_too_much(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree").write({"driver/Kbuild": "obj-m += acme.o\n"})
    Tree(tree.path / "k").write(kernel("6.1.0-k"))
    (tree.path / "driver/linux").symlink_to("../big")
    tree.write({f"big/{number}.h": "" for number in range(2001)})
    tree.declare('D("acme", ddk="k")\n', HEAD)
    head = "SConstruct:4: KernelModule 'acme': source='driver/"
    remedy = "; correct the link, or put a copy of its target in its place"
    assert tree.scons("build").refused() == [
        f"{head}linux': a link to {tree.path}/big, outside the sources, which holds more than 2000 files{remedy}",
    ]


def test_makefiles_are_told_of_the_kit(kits: Kits) -> None:
    """Whether they have a default of their own or ask uname: never of the running kernel."""
    names = "KVER KERNELRELEASE BUILD_KERNEL kernelver UNAME ANY"
    tree = kits.tree.write(
        {
            "driver/acme.c": C,
            "driver/Makefile": "empty :=\nspace := $(empty) $(empty)\n"
            "KVER ?= $(shell uname -r)\nUNAME := $(shell uname -r)\n"
            "ANY := $(word 3,$(shell uname -a))\n"
            + SAYS.format(" ".join(f"$({name})" for name in names.split())),
        }
    )
    assert kits.build("") == {"acme.ko": (":".join([kits.kernel] * 6), kits.kernel)}

    # $(PWD) is the folder that is built, KDIR and the like its kernel's tree.
    tree.write(
        {
            "driver/Makefile": "",
            "driver/nic/acme.c": '#include "acme.h"\n' + C,
            "driver/nic/include/acme.h": "#define ACME SAID\n",
            "driver/nic/Kbuild": "obj-m := acme.o\nccflags-y += -I$(PWD)/include\n"
            "KSRC ?= /lib/modules/$(KVER)/build\nTREES := $(KDIR) $(KSRC) $(KERNEL_SRC) $(KERNELDIR)\n"
            'ccflags-y += -DSAID=\\"$(words $(TREES)):$(words $(sort $(TREES)))'
            ':$(notdir $(firstword $(TREES)))\\"\n',
        }
    )
    said = f"4:1:{Path(kits.folder).resolve().name}"
    assert kits.build('kbuild_dir="nic"') == {"acme.ko": (said, kits.kernel)}


DKMS = """\
PACKAGE_NAME="acme"
PACKAGE_VERSION="1.0-3"
MAKE[0]="KSRC=$kernel_source_dir make KVER=$kernelver TOP=$dkms_tree/acme/1.0-3/build all"
BUILT_MODULE_NAME[0]="acme"
BUILT_MODULE_LOCATION[0]="drv"
DEST_MODULE_LOCATION[0]="/extra"
STRIP[0]="no"
PATCH[0]="fix.patch"
PATCH[1]="other.patch"
PATCH_MATCH[1]="^2\\.6"
PRE_BUILD="./configure --kernel=$kernelver $kernel_source_dir"
POST_INSTALL="restart.sh"
"""


def test_a_dkms_conf(kits: Kits) -> None:
    """Its variables, patches and PRE_BUILD count; of the modules that are built, it chooses."""
    kits.tree.write(
        {
            "driver/dkms.conf": DKMS,
            "driver/drv/Makefile": "obj-m := acme.o tests.o\nccflags-y += -I$(PWD)/made -I$(TOP)/drv\n",
            "driver/drv/acme.c": '#include "made.h"\n#include "own.h"\n#define ACME MADE OWN\n' + C,
            "driver/drv/own.h": '#define OWN "old"\n',
            "driver/drv/tests.c": C.replace("ACME", '"1"'),
            "driver/patches/fix.patch": "--- a/drv/own.h\n+++ b/drv/own.h\n@@ -1 +1 @@\n"
            '-#define OWN "old"\n+#define OWN "new"\n',
            "driver/patches/other.patch": "no patch\n",
            "driver/configure": "#!/bin/sh\nset -e\ntest -f $2/Module.symvers\ntest $2 = $KDIR\nmkdir -p made\n"
            'echo "#define MADE \\"$1 $(uname -r) \\"" > made/made.h\n',
        }
    )
    (kits.tree.path / "driver/configure").chmod(0o755)
    said = f"--kernel={kits.kernel} {kits.kernel} new"
    assert kits.build('dkms="driver/dkms.conf"', "env.KernelModule") == {"acme.ko": (said, kits.kernel)}
    assert {path.name for path in (kits.tree.path / "build/rpms/one").iterdir()} == {
        "acme-1.0_3-1.x86_64.rpm"
    }
    assert not (kits.tree.path / "driver/made").exists()
    assert has_debug_data(kits)  # by STRIP


def has_debug_data(kits: Kits) -> bool:
    (rpm,) = (kits.tree.path / "build/rpms/one").iterdir()
    return any(b".debug_info" in content for name, content in payload(rpm).items() if name.endswith(".ko"))


def test_a_dkms_conf_that_calls_the_drivers_own_makefile(kits: Kits) -> None:
    """It alone knows how kbuild is to be called for modules in other folders: with a switch, and a header it makes."""
    kits.tree.write(
        {
            "driver/dkms.conf": 'PACKAGE_NAME=acme\nPACKAGE_VERSION=1\nMAKE="make VER=$kernelver drivers"\n'
            'BUILT_MODULE_NAME="acme"\nBUILT_MODULE_LOCATION="drv/net"\n',
            "driver/Makefile": "KDIR ?= /lib/modules/$(shell uname -r)/build\n"
            "drivers:\n\techo '#define ACME \"$(VER)-made\"' > made.h\n"
            "\t$(MAKE) -C $(KDIR) M=$(CURDIR)/drv CONFIG_ACME=m EXTRA=$(CURDIR) modules\n",
            "driver/drv/Makefile": "obj-y += net/\n",
            "driver/drv/net/Makefile": "obj-$(CONFIG_ACME) := acme.o\nccflags-y += -I$(EXTRA)\n",
            "driver/drv/net/acme.c": '#include "made.h"\n' + C,
        }
    )
    said = {"acme.ko": (f"{kits.kernel}-made", kits.kernel)}
    assert kits.build('dkms="driver/dkms.conf"', "env.KernelModule") == said
    assert not has_debug_data(kits)


def test_preparation_per_kit(kits: Kits) -> None:
    """A script from elsewhere and a command of the sources; each is part of the input, and of the source RPM."""
    kits.tree.write(
        {
            "tools/compat.sh": 'echo "#define KERNEL \\"$KVER\\"" > compat.h\n'
            "echo 'obj-m := acme.o' > Kbuild\n",
            "driver/acme.c": '#include "compat.h"\n#include "more.h"\n#define ACME KERNEL MORE\n' + C,
            "driver/more.sh": "#!/bin/sh\ncp $1 more.h\n",
            "driver/more.in": '#define MORE "-a"\n',
        }
    )
    (kits.tree.path / "driver/more.sh").chmod(0o755)
    rest = 'prepare=["tools/compat.sh", "./more.sh $PWD/more.in"]'
    assert kits.build(rest) == {"acme.ko": (f"{kits.kernel}-a", kits.kernel)}
    assert sorted(path.name for path in (kits.tree.path / "driver").iterdir()) == [
        *("acme.c", "more.in", "more.sh")
    ]
    kits.tree.write({"driver/more.in": '#define MORE "-b"\n'})
    assert kits.build(rest) == {"acme.ko": (f"{kits.kernel}-b", kits.kernel)}


def test_preparation_writes_into_the_copy_alone(trees: dict[str, str], tmp_path: Path) -> None:
    need("bwrap")
    tree = Tree(tmp_path / "tree").write(
        {"driver/acme.c": C, "driver/Kbuild": "obj-m := acme.o\n", "out.sh": f"echo x > {tmp_path}/outside\n"}
    )
    tree.declare(f'D("acme", ddk="{next(iter(trees.values()))}", prepare="out.sh")\n', HEAD)
    ran = tree.scons("build/rpms")
    assert ran.status == 2 and not (tmp_path / "outside").exists()
    assert "preparing the sources: .xspack/0-out.sh ended with status" in ran.said
    assert f"cannot create {tmp_path}/outside: Read-only file system" in ran.said
    assert "Traceback" not in ran.said


def test_no_preparation_where_nothing_keeps_it_in(sshd: Start, tmp_path: Path) -> None:
    """Without a bubblewrap that works a kit over ssh runs nothing of the sources; with one nothing gets out."""
    there = Tree(tmp_path / "kit").write(kernel("6.1.0-kit"))
    tools = Tree(tmp_path / "tools").write({"bwrap": "#!/bin/sh\nexit 1\n"})
    (tools.path / "bwrap").chmod(0o755)
    tree = Tree(tmp_path / "tree").write(
        {"driver/acme.c": "int acme;\n", "driver/Kbuild": "", "out.sh": f"echo x > {tmp_path}/outside\n"}
    )
    said = {
        f"{tools.path}:{os.environ['PATH']}": (
            "preparing the sources: error: .xspack/0-out.sh is not kept from writing elsewhere: bubblewrap is not "
            "installed, or may not run; there: dnf install bubblewrap"
        ),
        os.environ["PATH"]: f"cannot create {tmp_path}/outside: Read-only file system",
    }
    for path, words in said.items():
        server = sshd(tree=str(there.path), environment={"PATH": path})
        tree.declare(f'D("acme", ddk={words_of(server)}, prepare="out.sh")\n', HEAD)
        ran = tree.scons("build/rpms")
        assert ran.status == 2 and words in ran.said, ran.said
        assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        (
            'prepare="./configure $HOME"',
            (
                "prepare='./configure $HOME': $HOME is not a variable of a kit; "
                "use $KVER, $KDIR or $PWD, or write a script"
            ),
        ),
        (
            'prepare="./configure \'x"',
            'prepare="./configure \'x": no command: No closing quotation; close what is quoted',
        ),
    ],
)
def test_no_preparation(tmp_path: Path, given: str, mistake: str) -> None:
    tree = Tree(tmp_path / "tree").write({"driver/Kbuild": "obj-m += acme.o\n"})
    Tree(tree.path / "k").write(kernel("6.1.0-k"))
    tree.declare(f'D("acme", ddk="k", {given})\n', HEAD)
    assert tree.scons("build").refused() == [f"SConstruct:4: KernelModule 'acme': {mistake}"]


def test_symbols_firmware_switches_and_sub_folders(kits: Kits) -> None:
    """What drivers have besides C files, and a driver that uses what another exports: the same from both kits."""
    licence = 'MODULE_LICENSE("GPL");\n'
    head = "#include <linux/module.h>\n"
    use = f"{head}int acme(void);\nstatic int __init i(void) {{ return acme(); }}\n{licence}module_init(i);\n"
    kits.tree.write(
        {
            "core/Kbuild": "obj-m := core.o sub/\nobj-$(CONFIG_ACME_MORE) += more.o\n",
            "core/core.c": f"{head}int acme(void) {{ return 1; }}\nEXPORT_SYMBOL(acme);\n{licence}",
            "core/more.c": f"{head}#ifndef CONFIG_ACME_MORE_MODULE\n#error no\n#endif\n{licence}",
            "core/sub/Makefile": "obj-m := below.o\n",
            "core/sub/below.c": use,
            "port/Kbuild": "obj-m := port.o\n",
            "port/port.c": use,
            "nic.bin": "firmware",
        }
    )
    kits.tree.declare(
        f'kits = [env.Ddk("{kits.folder}", release="one.toml"), {kits.there}]\n'
        'core = D("core", source="core", ddk=kits, kconfig={"ACME_MORE": "m"}, firmware={"acme/nic.bin": "nic.bin"})\n'
        'D("port", source="port", ddk=kits, extra_symbols=core)\n',
        HEAD,
    )
    kits.tree.scons("build/rpms").good()
    here, there = (
        {path.name: payload(path) for path in (kits.tree.path / "build/rpms" / name).iterdir()}
        for name in ("one", kits.kernel)
    )
    assert here == there and set(here) == {"core-2.1-1.x86_64.rpm", "port-2.1-1.x86_64.rpm"}
    below = f"/lib/modules/{kits.kernel}/updates"
    assert {name for name in here["core-2.1-1.x86_64.rpm"] if name.startswith(below)} == {
        f"{below}/{name}.ko" for name in ("core", "more", "sub/below")
    }


def test_choice_of_modules(kits: Kits) -> None:
    parts = {f"driver/{name}.c": C.replace("ACME", f'"{name}"') for name in ("one", "my-two", "three")}
    kits.tree.write({"driver/Kbuild": "obj-m := one.o my-two.o three.o\n", **parts})
    assert set(kits.build('modules=["one", "my_two"]')) == {"one.ko", "my-two.ko"}
    assert set(kits.build('exclude="my-two"')) == {"one.ko", "three.ko"}
    kits.tree.declare(f'D("acme", ddk={kits.there}, exclude="for")\n', HEAD)
    assert "kbuild did not make for; it made my_two one three" in kits.tree.scons("build/rpms").said
    kits.tree.declare(f'D("acme", ddk="{kits.folder}", modules="one", exclude="for")\n', HEAD)
    assert (
        "kbuild did not make for; it made my-two.ko, one.ko, three.ko" in kits.tree.scons("build/rpms").said
    )


# What is told of a driver: before it is compiled, while it is, and in the findings of its packs.

PACK = """\
env.Alias("pack", env.Pack("acme", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-00000000000a", description="d",
                           packages=[driver], unsigned=True, requires=["product-version >= 8.2.0"]))
"""


def told(tree: Tree, rules: str) -> list[tuple[str, str, int, str]]:
    """The findings of the pack by those rules: severity and rule, place, line, words."""
    findings = json.loads((tree.path / "build/acme-findings.json").read_text())["findings"]
    return [
        (f"{one['severity']} {one['rule']}", one["where"], one.get("line", 0), one["found"])
        for one in findings
        if one["rule"] in rules.split()
    ]


#: Where kernels say what compiled them: older ones, and those since 4.18 in their configuration.
COMPILERS = {
    "include/generated/compile.h": '#define LINUX_COMPILER "{}"\n',
    "include/generated/autoconf.h": '#define CONFIG_X86_64 1\n#define CONFIG_CC_VERSION_TEXT "{}"\n',
}


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_sources_and_kit_tell(sshd: Start, tmp_path: Path, elsewhere: bool, compiler: str) -> None:
    made = {compiler: COMPILERS[compiler].format("gcc (GCC) 4.8.5 20150623")}
    there = Tree(tmp_path / "k").write({**kernel("6.1.0-k"), **made})
    tree = Tree(tmp_path / "tree").write(
        {
            "driver/acme.c": "int acme;\n#warning acme is old\n",
            "driver/Makefile": "# uname -r\nKVER ?= $(shell uname  -r)\nobj-m := acme.o\ninclude more.mk\n",
            "driver/more.mk": "K := $(shell cat /proc/sys/kernel/osrelease)\n",
            "driver/dkms.conf": "PACKAGE_NAME=acme\nPACKAGE_VERSION=2\nPOST_INSTALL=x.sh\n",
            "one.toml": release("6.1.0-other", "8.3.0"),
        }
    )
    kit = words_of(sshd(tree=str(there.path))) if elsewhere else f'"{there.path}"'
    tree.declare(
        f'driver = env.KernelModule("acme", dkms="driver/dkms.conf", ddk={kit})\n{PACK}',
        HEAD.replace('"local"', '"one.toml"'),
    )
    ran = tree.scons("check")
    k5 = "K5: XCP-ng 8.3 runs 6.1.0-other, not 6.1.0-k; no pack for it takes these modules"
    lines = ran.said.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.endswith(k5))
    assert lines[at].startswith("xspack: SConstruct:") and not any("Modules" in line for line in lines[:at])
    (warned,) = (line for line in lines if "acme is old" in line and line.startswith("xspack: "))
    assert warned.startswith("xspack: acme-") and str(tmp_path / "tree/build") not in warned
    first = subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    (compilers,) = (text for id, *_, text in told(tree, "K11") if id == "W K11")
    assert compilers.startswith(f"{first}, ") and compilers.endswith("gcc (GCC) 4.8.5 20150623")
    remedies = {"W K10", "W K11", "I K12"}
    found = [
        (*one, text.partition(": ")[2]) for *one, text in told(tree, "K10 K11 K12") if one[0] in remedies
    ]
    assert found == [
        ("W K10", "driver/Makefile", 2, "KVER ?= $(shell uname -r)"),
        ("W K10", "driver/more.mk", 1, "K := $(shell cat /proc/sys/kernel/osrelease)"),
        ("W K11", "compiler", 0, ""),
        ("I K12", "driver/dkms.conf", 0, "POST_INSTALL"),
    ]
    # What the remedies say is done.
    there.write({compiler: COMPILERS[compiler].format(compilers)})
    tree.write(
        {
            "driver/Makefile": "KVER ?= $(KERNELRELEASE)\nobj-m := acme.o\ninclude more.mk\n",
            "driver/more.mk": "K := $(KERNELRELEASE)\n",
            "driver/dkms.conf": "PACKAGE_NAME=acme\nPACKAGE_VERSION=2\n",
        }
    )
    if elsewhere:
        assert sentences.KIT_CHANGED in tree.scons("check").said
    tree.scons("check")
    assert told(tree, "K10 K11 K12") == []


def test_editors_are_told_how_sources_are_compiled(trees: dict[str, str], tmp_path: Path) -> None:
    """With the user's own paths: what is noted compiles there, too."""
    tree = Tree(tmp_path / "tree").write(
        {
            "driver/Kbuild": "obj-m := acme.o\nacme-y := main.o sub/part.o\nccflags-y += -I$(src)/inc\n"
            "ccflags-y += -DTEXT='\"a b\"'\n",
            "driver/main.c": '#include "acme.h"\n#include <linux/module.h>\nMODULE_LICENSE("GPL");\n',
            "driver/sub/part.c": '#include "acme.h"\nint part;\n',
            "driver/inc/acme.h": "struct acme { int a; };\n",
            "other/Kbuild": "obj-m := other.o\n",
            "other/other.c": '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n',
        }
    )
    ddk = next(iter(trees.values()))
    tree.declare(f'D("acme", ddk="{ddk}")\nD("other", source="other", ddk="{ddk}")\n', HEAD)
    tree.scons("build/rpms").good()
    entries = json.loads((tree.path / "build/compile_commands.json").read_text())
    files = ("driver/main.c", "driver/sub/part.c", "other/other.c")
    assert [entry["file"] for entry in entries] == [f"{tree.path}/{name}" for name in files]
    for entry in entries:
        assert f"-I{tree.path}/driver/inc" in entry["arguments"] or "other" in entry["file"]
        at = entry["arguments"].index("-o")
        words = [*entry["arguments"][:at], "-fsyntax-only", *entry["arguments"][at + 2 :]]
        subprocess.run(words, cwd=entry["directory"], check=True)
    tree.scons("-c").good()
    assert not (tree.path / "build/compile_commands.json").exists()

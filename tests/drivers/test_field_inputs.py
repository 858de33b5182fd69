"""What vendors' trees and specs fail by elsewhere: each gives what it should, on a kit here and on one over ssh."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from drivers.test_kit_over_ssh import HEAD, asked, payload, words_of
from drivers.test_vendor_sources import Kits
from rebuild.lab import kernel
from sshd import Start
from support import need
from trees import Ran, Tree

KERNEL = "6.1.0-kit"
PACK = """\
env.Pack("acme", version="1", uuid="0f2d1a52-7a55-4f0c-9d0b-00000000000b", description="d", packages=[rpm],
         unsigned=True, requires=["product-version >= 8.2.0"])
"""
PREAMBLE = """\
Name: acme
Version: 1
Release: 1
Summary: x
License: GPL-2.0-only
Source0: acme.c
%description
x
"""
DRIVER = PREAMBLE.replace(
    "%description",
    "Provides: vendor-driver\nRequires: kernel-uname-r = %{kernel_version}\nRequires(post): /usr/sbin/depmod\n"
    "Requires(postun): /usr/sbin/depmod\n%description",
)
INSTALL = """\
%build
gcc -g -c -o acme.ko %{SOURCE0}
%install
install -D -m 744 acme.ko %{buildroot}/lib/modules/%{kernel_version}/%{module_dir}/acme.ko
"""
SCRIPTS = """\
%post
/sbin/depmod %{kernel_version}
%{regenerate_initrd_post}
%postun
/sbin/depmod %{kernel_version}
%{regenerate_initrd_postun}
%posttrans
%{regenerate_initrd_posttrans}
"""
RUNNING = """\
%post
uname -r | grep BOOT || /sbin/depmod -a > /dev/null 2>&1 || true
dracut --force || :
%postun
uname -r | grep BOOT || /sbin/depmod -a > /dev/null 2>&1 || true
dracut --force || :
%posttrans
:
"""
FILES = "%files\n/lib/modules/%{kernel_version}/*/*.ko\n"
FIRMWARE = """\
install -D -m 644 /dev/null %{buildroot}/lib/firmware/updates/intel/ice/ddp/ice-1.3.53.0.pkg
ln -s ice-1.3.53.0.pkg %{buildroot}/lib/firmware/updates/intel/ice/ddp/ice.pkg
"""
SPEC = 'rpm = env.SpecRpm("acme.spec", sources={}, ddk=KIT{})\n'
#: The toy kernel is no release's, and makes no modules.
WAIVE = ', waive={"K3": "x", "K5": "x"}'
MULTILINE = "if [ -e /var/lib/rpm-state/x ]; then\n    rm /var/lib/rpm-state/x\n    dracut -f x 4.19.0+1\nfi"


class Built:
    """A tree that was built, and its one RPM."""

    def __init__(self, tree: Tree, ran: Ran) -> None:
        self.tree, self.ran = tree, ran

    @property
    def rpm(self) -> Path:
        (found,) = (self.tree.path / "build/rpms").glob("acme-*.rpm")
        return found

    def rules(self, wanted: str) -> set[str]:
        findings = json.loads((self.tree.path / "build/acme-findings.json").read_text())["findings"]
        return {f"{one['severity']} {one['rule']}" for one in findings if one["rule"] in wanted.split()}


def stripped(built: Built) -> None:
    (tool,) = payload(built.rpm).values()
    assert tool[:4] == b"\x7fELF" and b".debug_info" not in tool


def whole(built: Built) -> None:
    assert MULTILINE in asked(built.rpm, "--scripts")


def named_by_its_header(built: Built) -> None:
    assert built.rpm.name == "acme-1-1.x86_64.rpm"


def failed_in_words(built: Built) -> None:
    """The patch's own words, and a command that does the same again."""
    said = built.ran.said
    assert built.ran.status == 2 and "1 out of 1 hunk FAILED" in said and "in %prep" in said, said
    lines = [line.strip() for line in said.splitlines()]
    (line,) = (line for line in lines if line.startswith(("command: ", "command there: ")))
    command = line.partition(": ")[2]
    if line.startswith("command there"):
        command, _, kept = command.partition(", in a copy of ")
        command = f"cp -R {shlex.quote(kept)} again && cd again && {command}"
    again = subprocess.run(["sh", "-c", command], cwd=built.tree.path, capture_output=True, text=True)
    assert again.returncode and "1 out of 1 hunk FAILED" in again.stdout + again.stderr


def is_a_driver_disk(built: Built) -> None:
    comps = (built.tree.path / "build").rglob("*comps*.xml")
    assert any("<id>drivers</id>" in path.read_text() for path in comps)
    assert built.rules("K7 P2 S8 S9") == set()
    assert "regenerate-initrd-6.1.0-kit" in asked(built.rpm, "--scripts")


def firmware_is_warned_of(built: Built) -> None:
    assert built.rules("P2 K7") == {"W P2"}


def runs_for_another_kernel(built: Built) -> None:
    assert built.rules("K7") == {"W K7"}


CHECK = Callable[[Built], None]
#: Name -> the files, what declares the RPM, and what must come of it.
INPUTS: dict[str, tuple[Mapping[str, str], str, CHECK]] = {
    "brp-not-run": (
        {
            "acme.spec": PREAMBLE + "%build\ngcc -g -O0 -o tool %{SOURCE0}\n"
            "%install\ninstall -D -m 755 tool %{buildroot}/opt/acme/tool\n%files\n/opt/acme/tool\n",
            "acme.c": '#include <stdio.h>\nint main(void) { puts("x"); return 0; }\n',
        },
        SPEC.format('"acme.c"', ""),
        stripped,
    ),
    "define-multiline": (
        {"acme.spec": PREAMBLE + "%posttrans\n%{regenerate_initrd_posttrans}\n%files\n", "acme.c": ""},
        SPEC.format('"acme.c"', f', defines={{"regenerate_initrd_posttrans": {MULTILINE!r}}}'),
        whole,
    ),
    "rpmfilename": (
        {
            "acme.spec": "%define _rpmfilename %%{ARCH}/%%{NAME}-%{xs_release}-%{kernel_version}-modules-"
            "%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm\n" + PREAMBLE + "%files\n",
            "acme.c": "",
        },
        SPEC.format('"acme.c"', ', defines={"xs_release": "8.3"}'),
        named_by_its_header,
    ),
    "prep-fails-silently": (
        {
            "acme.spec": PREAMBLE.replace("%description", "Patch0: fix.patch\n%description")
            + "%prep\n%setup -q -c -T\ncp %{SOURCE0} .\n%patch0 -p1\n%files\n",
            "acme.c": "int a;\n",
            "fix.patch": "--- a/acme.c\n+++ b/acme.c\n@@ -1 +1 @@\n-int b;\n+int c;\n",
        },
        SPEC.format('["acme.c", "fix.patch"]', ""),
        failed_in_words,
    ),
    "driver-disk-group": (
        {"acme.spec": DRIVER + INSTALL + SCRIPTS + FILES, "acme.c": "int acme;\n"},
        SPEC.format('"acme.c"', WAIVE) + PACK,
        is_a_driver_disk,
    ),
    "firmware-updates": (
        {
            "acme.spec": DRIVER + INSTALL + FIRMWARE + SCRIPTS + FILES + "/lib/firmware/updates/*\n",
            "acme.c": "int acme;\n",
        },
        SPEC.format('"acme.c"', WAIVE) + PACK,
        firmware_is_warned_of,
    ),
    "k7-running-kernel": (
        {"acme.spec": DRIVER + INSTALL + RUNNING + FILES, "acme.c": "int acme;\n"},
        SPEC.format('"acme.c"', WAIVE) + PACK,
        runs_for_another_kernel,
    ),
}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "ssh"])
@pytest.mark.parametrize("name", INPUTS)
def test_a_spec_gives_what_it_should(sshd: Start, tmp_path: Path, name: str, elsewhere: bool) -> None:
    need("file", "patch")
    files, declared, check = INPUTS[name]
    there = Tree(tmp_path / "kit").write(kernel(KERNEL))
    kit = words_of(sshd(tree=str(there.path))) if elsewhere else repr(str(there.path))
    tree = Tree(tmp_path / "tree").write(files).declare(declared.replace("KIT", kit), HEAD)
    ran = tree.scons()
    if check is not failed_in_words:
        assert ("Remote " in ran.good().said) == elsewhere
    check(Built(tree, ran))


MAKEFILE = """\
KVER ?= $(shell uname -r)
KSRC ?= /lib/modules/$(KVER)/build
ifneq ($(KERNELRELEASE),)
obj-m := acme.o sub-mod/
# modpost asks for it of a blob, too.
$(shell : > $(obj)/.acme_blob.o.cmd)
acme-y := acme_main.o acme_blob.o
EXTRA_CFLAGS += -DFROM_EXTRA
ccflags-y += -I$(PWD)/inc
$(obj)/acme_main.o: $(obj)/version_gen.h
$(obj)/version_gen.h:
\techo '#define ACME_VERSION_GEN "2.1"' > $@
clean-files := version_gen.h
else
all:
\t$(MAKE) -C $(KSRC) M=$(PWD) modules
endif
"""
MAIN = """\
#include <linux/module.h>
#include "acme.h"
#include "shared.h"
#include "version_gen.h"
#if !defined(FROM_EXTRA) || !ACME_SHARED
#error EXTRA_CFLAGS lost
#endif
MODULE_LICENSE("GPL"); MODULE_VERSION(ACME_VERSION_GEN);
"""


def test_a_vendors_tree(sshd: Start, trees: dict[str, str], tmp_path: Path) -> None:
    """A link that leads out, a blob, a generated header, a sub-folder, $(PWD), flags of old kernels."""
    need("bwrap")
    kits = Kits(sshd, trees, tmp_path / "tree")
    kits.tree.write(
        {
            "shared/shared.h": "#define ACME_SHARED 1\n",
            "driver/Makefile": MAKEFILE,
            "driver/acme_main.c": MAIN,
            "driver/inc/acme.h": "#define ACME_VENDOR 0x1af5\n",
            "driver/sub-mod/acme-sub.c": '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n',
            "driver/sub-mod/Makefile": "obj-m := acme-sub.o\n",
            "blob.c": "int acme_blob;\n",
        }
    )
    driver = kits.tree.path / "driver"
    (driver / "shared.h").symlink_to("../shared/shared.h")
    words = ["gcc", "-c", kits.tree.path / "blob.c", "-o", driver / "acme_blob.o_shipped"]
    subprocess.run(words, check=True)
    assert kits.build("") == {"acme.ko": ("2.1", kits.kernel), "acme-sub.ko": ("", kits.kernel)}

"""The driver that is built: one module of six C files, against this machine's kernel headers."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.lab import SCONS, Arm, Lab
from benchmarks.trees import (
    DESCRIPTION,
    LABEL,
    ROOT,
    UUID,
    VENDOR,
    VERSION,
    Key,
    Shape,
    Tree,
    UsualTree,
    write,
)

_MAIN = """\
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/pci.h>

static const struct pci_device_id acme_ids[] = { { PCI_DEVICE(0x1af4, 0x10f1) }, { } };
MODULE_DEVICE_TABLE(pci, acme_ids);
int acme_part_1(struct pci_dev *dev);

static int acme_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	return acme_part_1(dev);
}

static struct pci_driver acme_driver = { .name = KBUILD_MODNAME, .id_table = acme_ids, .probe = acme_probe };
module_pci_driver(acme_driver);
MODULE_DESCRIPTION("Acme cards");
MODULE_LICENSE("GPL");
"""
_PART = """\
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netdevice.h>
#include <linux/pci.h>

int acme_part_{next}(struct pci_dev *dev);
int acme_part_{number}(struct pci_dev *dev)
{{
	dev_info(&dev->dev, "part {number}\\n");
	return {result};
}}
"""


def driver_arms(lab: Lab, parts: int) -> list[Arm]:
    """xspack and the usual pipeline, each with the driver; none where there are no kernel headers."""
    from xspack_tool.releases.local import kernel_trees

    trees = list(kernel_trees().values())
    if not trees:
        lab.say("the driver is left out: no kernel headers here (apt-get install linux-headers-amd64)")
        return []
    kernel = Path(trees[-1])
    shape = Shape(0, parts=parts)
    xspack = DriverTree(lab.folder / "driver-xspack", shape, lab.key)
    write(xspack.folder / "SConstruct", _sconstruct(kernel, lab.key))
    usual = UsualDriverTree(lab.folder / "driver-usual", shape, lab.key)
    write(usual.folder / "specs" / "acme-nic.spec", _spec(kernel))
    return [Arm("xspack", xspack, [*SCONS, "-j2"]), Arm("usual pipeline", usual, ["make", "-j2"])]


class DriverTree(Tree):
    """The driver's sources instead of packages."""

    def __post_init__(self) -> None:
        super().__post_init__()
        source = self.folder / "src" / "acme-nic"
        last = self.shape.parts - 1
        parts = " ".join(f"part{number}.o" for number in range(1, last + 1))
        write(source / "Kbuild", f"obj-m := acme_nic.o\nacme_nic-y := main.o {parts}\n")
        write(source / "main.c", _MAIN)
        for number in range(1, last + 1):
            result = f"acme_part_{number + 1}(dev)" if number < last else "0"
            write(source / f"part{number}.c", _PART.format(number=number, next=number + 1, result=result))

    def change_file(self, serial: int) -> None:
        path = self.folder / "src" / "acme-nic" / "part2.c"
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r'"[0-9 ]*part 2', f'"{serial} part 2', text), encoding="utf-8")


class UsualDriverTree(DriverTree, UsualTree):
    """The driver's sources with the usual pipeline's Makefile."""


def _sconstruct(kernel: Path, key: Key) -> str:
    return f"""\
env = Environment(
    tools=["default", "xspack"],
    toolpath=[{str(ROOT / "site_scons/site_tools")!r}],
    XSPACK_TARGET="local",
    XSPACK_DDK={str(kernel)!r},
    XSPACK_VENDOR={VENDOR!r},
    XSPACK_LICENSE="GPL-2.0-only",
    XSPACK_GNUPGHOME={str(key.home)!r},
)
driver = env.KernelModule(
    "acme-nic", version="2.1", source=env.Dir("src/acme-nic"), changelog=["2026-11-20 Acme <a@acme.example>\\n- first"]
)
pack = env.Pack(
    {LABEL!r},
    version={VERSION!r},
    uuid={UUID!r},
    description={DESCRIPTION!r},
    packages=[driver],
    requires=["product-version >= 8.2.0"],
    precheck="precheck.sh",
    key={str(key.public)!r},
)
env.Alias("pack", pack)
"""


def _spec(kernel: Path) -> str:
    release = (kernel / "include/generated/utsrelease.h").read_text(encoding="utf-8").split('"')[1]
    return f"""\
%global debug_package %{{nil}}
%global _wrong_version_format_terminate_build 0
Name: acme-nic
Version: 2.1
Release: 1
Summary: Driver of Acme cards
License: GPL-2.0-only
Vendor: {VENDOR}
Provides: vendor-driver
Requires: kernel-uname-r = {release}

%description
Driver of Acme cards

%build
cp -a %{{_sourcedir}} source
make %{{?_smp_mflags}} -s -C {kernel} M=$PWD/source modules

%install
install -D -m 755 source/acme_nic.ko %{{buildroot}}/lib/modules/{release}/updates/acme_nic.ko
strip --strip-debug %{{buildroot}}/lib/modules/{release}/updates/acme_nic.ko

%clean
rm -rf source

%post
depmod {release}

%postun
depmod {release}

%files
/lib/modules/{release}/updates/acme_nic.ko

%changelog
* Fri Nov 20 2026 Acme <a@acme.example>
- first
"""

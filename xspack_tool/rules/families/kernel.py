"""K: kernel modules, where they lie and which kernel they are for. K7, scriptlets, is with the scripts."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from xspack_tool.binary.module import MODULE
from xspack_tool.errors import BadInput
from xspack_tool.rpm.info import PayloadFile
from xspack_tool.rules.context import Member, PackContext, RpmContext
from xspack_tool.rules.finding import Hit, Skipped
from xspack_tool.rules.registry import Hits, also_on_member, also_on_rpm, member_rule, pack_rule, rpm_rule

_PLACE = re.compile(r"^(?:/usr)?/lib/modules/([^/]+)/([^/]+)/")
#: What depmod writes (depmod(8), kmod's tools/depmod.c), and the tables that its older versions wrote.
_DEPMOD = re.compile(
    r"^(?:/usr)?/lib/modules/[^/]+/modules\.(?:dep|dep\.bin|alias|alias\.bin|symbols|symbols\.bin|softdep|weakdep"
    r"|devname|builtin\.bin|builtin\.alias\.bin|(?:pci|usb|ccw|ieee1394|isapnp|input|of|serio)map)$"
)
_RELEASE_VERSIONS = ("product-version", "platform-version")


@pack_rule(
    "K1",
    "E",
    meaning="a kernel module lies on the ISO outside an RPM",
    remedy="declare it with env.KernelModule, which packages it",
    bad="/acme.ko on the ISO",
    good="Packages/acme-nic-2.1-1.x86_64.rpm, which holds acme.ko",
)
def loose_module(context: PackContext) -> Hits:
    for path in context.iso_paths:
        if MODULE.search(path):
            yield Hit(path, "a kernel module outside an RPM")


@rpm_rule(
    "K2",
    "E",
    meaning="a kernel module is not below /lib/modules/<kernel>/updates",
    remedy="install it below /lib/modules/<kernel>/updates, where depmod prefers it to the kernel's own",
    bad="/lib/modules/4.19.0+1/kernel/drivers/net/acme.ko",
    good="/lib/modules/4.19.0+1/updates/acme.ko",
)
def module_place(context: RpmContext) -> Hits:
    first, *others = context.profile.module_dirs or ("updates",)
    for file in context.active_modules:
        place = _PLACE.match(file.path)
        if place and place[2] == first:
            continue
        text = f"a kernel module in {place[2]}" if place else "a kernel module outside /lib/modules"
        if place and place[2] in others:
            yield Hit(file.path, f"{text}, which {context.profile.title} takes, other hosts do not", "W")
        else:
            yield Hit(file.path, text)


@rpm_rule(
    "K3",
    "E",
    meaning="a module's folder, its vermagic and the RPM's kernel-uname-r name different kernels",
    remedy="build, place and require for one kernel: the uname -r of the host",
    bad="/lib/modules/4.19.0+1/updates/acme.ko, Requires: kernel-uname-r = 4.4.0+10",
    good="/lib/modules/4.19.0+1/updates/acme.ko, Requires: kernel-uname-r = 4.19.0+1",
)
def one_kernel(context: RpmContext) -> Hits:
    required = _required_kernels(context)
    if not required or not context.kernels:
        return
    for kernel in sorted(set(context.kernels) - required):
        yield Hit(
            f"/lib/modules/{kernel}",
            f"modules for a kernel that is not required; required is {_all(required)}",
        )
    for kernel in sorted(required - set(context.kernels)):
        yield Hit("Requires", f"kernel-uname-r = {kernel}, but the modules are for {_all(context.kernels)}")


def _is_module(context: RpmContext, file: PayloadFile) -> bool:
    return bool(MODULE.search(file.path))


@also_on_member("K3", _is_module)
def vermagic(context: RpmContext, member: Member) -> Hits:
    place = _PLACE.match(member.file.path)
    said = member.elf.vermagic if member.elf else ""
    if not said:
        yield Hit(member.file.path, "it has no vermagic, so no kernel loads it")
    elif place and said != place[1]:
        yield Hit(member.file.path, f"its vermagic is for {said}, its folder for {place[1]}")


@rpm_rule(
    "K4",
    "E",
    meaning="an RPM with kernel modules does not require its kernel",
    remedy="add Requires: kernel-uname-r = <kernel>",
    bad="no Requires: kernel-uname-r",
    good="Requires: kernel-uname-r = 4.19.0+1",
)
def requires_kernel(context: RpmContext) -> Hits:
    if context.modules and not _required_kernels(context):
        yield Hit("Requires", "kernel modules, and no requirement kernel-uname-r = <kernel>")


@rpm_rule(
    "K5",
    "E",
    meaning="kernel modules for another kernel than the release has",
    remedy="build against the DDK of the release that XSPACK_TARGET names",
    bad="modules for 4.4.0+10 in a pack for XenServer 8",
    good="modules for 4.19.0+1 in a pack for XenServer 8",
)
def kernel_of_release(context: RpmContext) -> Hits:
    known = context.profile.kernels
    for kernel in sorted({*context.kernels, *(_required_kernels(context) if context.modules else ())}):
        if not known:
            yield Hit(
                f"/lib/modules/{kernel}",
                f"the profile {context.profile.name} names no kernel to compare with",
                "W",
                remedy="give the release's kernels in a profile of your own",
            )
        elif kernel not in known:
            yield Hit(f"/lib/modules/{kernel}", f"{context.profile.title} runs {_all(known)}, not {kernel}")


@pack_rule(
    "K6",
    "W",
    meaning="a driver pack does not say for which release it is; several releases share one kernel version",
    remedy='add requires=["product-version >= <lowest>"] (or platform-version) to the pack',
    bad="requires=[]",
    good='requires=["product-version >= 8.2.0"]',
)
def states_release(context: PackContext) -> Hits:
    stated = any(dependency.name in _RELEASE_VERSIONS for dependency in context.pack.requires)
    if (context.drivers or context.pack.driver_disk) and not stated:
        yield Hit("requires", "a driver pack with no requirement on product-version or platform-version")


@rpm_rule(
    "K8",
    "E",
    meaning="an RPM ships what depmod writes",
    remedy="leave it out: depmod makes it on the host",
    bad="/lib/modules/4.19.0+1/modules.dep",
    good="/lib/modules/4.19.0+1/updates/acme.ko alone, and depmod in %post",
)
def depmod_output(context: RpmContext) -> Hits:
    for file in context.info.files:
        if _DEPMOD.match(file.path) and not file.is_ghost:
            yield Hit(file.path, "a file that depmod writes")


def _has_symvers(context: RpmContext, file: PayloadFile) -> bool:
    return context.driver_data.symvers is not None and _is_module(context, file)


@member_rule(
    "K9",
    "E",
    _has_symvers,
    meaning="a module was built against another kernel interface: its symbol CRCs are not those of the DDK",
    remedy="build against the DDK whose Module.symvers is used here",
    bad="__versions of acme.ko: kmalloc 0xdeadbeef; Module.symvers: kmalloc 0x12345678",
    good="the same CRC of each symbol in both",
)
def symbol_crcs(context: RpmContext, member: Member) -> Hits:
    if member.elf is None or context.driver_data.symvers is None:
        return
    known = symbol_versions(context.driver_data.symvers)
    crcs = member.elf.versions
    wrong = sorted(symbol for symbol, crc in crcs.items() if known.get(symbol, crc) != crc)
    if wrong:
        shown = ", ".join(f"{name} 0x{crcs[name]:08x} (there 0x{known[name]:08x})" for name in wrong[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        yield Hit(member.file.path, f"other CRCs than in Module.symvers: {shown}{more}")


@also_on_rpm("K9")
def symvers_given(context: RpmContext) -> Hits:
    if context.modules and context.driver_data.symvers is None:
        yield Skipped("needs the kernel's Module.symvers: set XSPACK_DDK to a kernel build tree that has one")


@rpm_rule(
    "K10",
    "W",
    meaning="a driver's Makefile asks for the running kernel, which is not the one it is built for",
    remedy="take the kernel from $(KERNELRELEASE), its tree from $(srctree) or $(objtree); here uname says the kit's, "
    "elsewhere it does not",
    bad="KVER := $(shell uname -r)",
    good="KVER ?= $(KERNELRELEASE)",
)
def running_kernel(context: RpmContext) -> Hits:
    for file, line, text in context.driver_data.driver.running_kernel if context.driver_data.driver else ():
        yield Hit(file, f"it asks for the running kernel: {text}", line=line)


@rpm_rule(
    "K11",
    "W",
    meaning="a driver was compiled by another compiler than its kernel: another one, or another major version",
    remedy="use the kit of the release, or name the kernel's compiler: make_variables={'CC': 'gcc-12'}",
    bad="a kernel made by gcc 12, a driver compiled by gcc 14",
    good="both by gcc 12",
)
def compilers(context: RpmContext) -> Hits:
    driver = context.driver_data.driver
    if driver and driver.compilers:
        kernels, used = driver.compilers
        yield Hit("compiler", f"{used}, and the kernel was made by {kernels}")


@rpm_rule(
    "K12",
    "I",
    meaning="a dkms.conf has programs for the machine on which dkms runs; they are not run, there or on hosts",
    remedy="where hosts need what they do, declare it: scripts=, udev_rules= of a Userspace and the like",
    bad='POST_INSTALL="install-udev-rules.sh"',
    good="no such directive",
)
def dkms_programs(context: RpmContext) -> Hits:
    driver = context.driver_data.driver
    if driver and driver.not_run:
        file, *names = driver.not_run
        yield Hit(file, f"not run: {', '.join(names)}")


def symbol_versions(symvers: Path) -> dict[str, int]:
    """The CRC of each symbol in a Module.symvers (``0xcrc symbol module export``); BadInput if it is none."""
    try:
        stat = symvers.stat()
        return _read_symvers(symvers, stat.st_mtime_ns, stat.st_size)
    except OSError as why:
        raise BadInput(symvers, why.strerror or str(why)) from None


@lru_cache(maxsize=8)
def _read_symvers(path: Path, mtime: int, size: int) -> dict[str, int]:
    found = {}
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            crc, symbol, *_ = line.split("\t")
            found[symbol] = int(crc, 16)
    except ValueError:
        raise BadInput(path, "no Module.symvers: not lines of a CRC, a symbol and a module") from None
    return found


def _required_kernels(context: RpmContext) -> set[str]:
    return {
        relation.evr
        for relation in context.info.requires
        if relation.name == "kernel-uname-r" and relation.operator == "="
    }


def _all(kernels: set[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(kernels))

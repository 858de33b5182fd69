"""K7: what the scriptlets of an RPM with kernel modules must refresh."""

from __future__ import annotations

from collections.abc import Iterator

from xspack_tool.binary.module import MODULE
from xspack_tool.rpm.info import PayloadFile, RpmInfo
from xspack_tool.rules.context import Member, RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import also_on_member, rpm_rule
from xspack_tool.rules.shell.scriptlets import programs, shell_scriptlets

_TABLES = frozenset({"depmod", "new-kernel-pkg", "weak-modules", "kernel-install"})
_INITRD = frozenset({"dracut", "mkinitrd", "new-kernel-pkg", "update-initramfs", "kernel-install"})
#: What drivers of block devices import: they are what a host boots from.
_STORAGE = (
    "scsi_",
    "__scsi_",
    "blk_",
    "__blk_",
    "ata_",
    "nvme_",
    "register_blkdev",
    "__register_blkdev",
    "mmc_",
)
_SCRIPTS = "declare it as a KernelModule, which writes them, or run depmod in %post and %postun, dracut in %posttrans"


@rpm_rule(
    "K7",
    "W",
    meaning="An RPM with kernel modules does not refresh depmod's tables, or the initrd for drivers needed at boot",
    remedy=_SCRIPTS,
    bad="an RPM with /lib/modules/4.19.0+1/updates/acme.ko and no scriptlets",
    good="%post\n/sbin/depmod 4.19.0+1 || :\n: > /var/lib/rpm-state/regenerate-initrd-4.19.0+1",
)
def tables_not_refreshed(context: RpmContext) -> Iterator[Hit]:
    """depmod after installation and after removal."""
    if not context.modules:
        return
    if not _TABLES & (programs(context.info, "post") | programs(context.info, "posttrans")):
        yield Hit("%post", "it holds kernel modules and runs no depmod after installation")
    if not _TABLES & programs(context.info, "postun"):
        yield Hit("%postun", "it holds kernel modules and runs no depmod after removal")


def _is_module(context: RpmContext, file: PayloadFile) -> bool:
    return file.is_file and MODULE.search(file.path) is not None


@also_on_member("K7", _is_module)
def initrd_not_made(context: RpmContext, member: Member) -> Iterator[Hit]:
    """A new initrd, for drivers that a host may boot from; others are loaded after the root is there."""
    elf = member.elf
    if elf is None or not any(symbol.startswith(_STORAGE) for symbol in elf.versions):
        return
    installed = programs(context.info, "post") | programs(context.info, "posttrans")
    if not _INITRD & installed:
        yield Hit(member.file.path, "a host may boot from it, and no initrd is made after installation")
    if not _INITRD & programs(context.info, "postun") and not _leaves_flag(context.info):
        yield Hit(member.file.path, "a host may boot from it, and no initrd is made after removal")


def _leaves_flag(info: RpmInfo) -> bool:
    """Whether %postun leaves the mark by which the kernel's own packages make an initrd."""
    return any(
        "regenerate-initrd" in redirect.target.text
        for scriptlet in shell_scriptlets(info)
        if scriptlet.phase == "postun"
        for command in scriptlet.script.commands
        for redirect in command.redirects
    )

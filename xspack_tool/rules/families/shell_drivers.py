"""K7: what the scriptlets of an RPM with kernel modules must refresh."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from xspack_tool.rpm.info import PayloadFile, RpmInfo
from xspack_tool.rules.context import Member, RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import also_on_member, rpm_rule
from xspack_tool.rules.shell.model import Command, Word
from xspack_tool.rules.shell.scriptlets import programs, shell_scriptlets

_TABLES = frozenset({"depmod", "new-kernel-pkg", "weak-modules", "kernel-install"})
#: Those that work for every kernel that is installed.
_ALL_KERNELS = {"weak-modules": (), "dracut": ("--regenerate-all",), "update-initramfs": ("all",)}
_VERSION = re.compile(r"[0-9]+\.[0-9]+[A-Za-z0-9_.+~-]*")
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
    meaning="An RPM with kernel modules does not refresh depmod's tables, or the initrd for drivers needed at boot, of"
    " its own kernel",
    remedy=_SCRIPTS,
    bad="an RPM with /lib/modules/4.19.0+1/updates/acme.ko and no scriptlets",
    good="%post\n/sbin/depmod 4.19.0+1 || :\n: > /var/lib/rpm-state/regenerate-initrd-4.19.0+1",
)
def tables_not_refreshed(context: RpmContext) -> Iterator[Hit]:
    """Another kernel's tables or initrd, and marks of which nothing comes."""
    if not context.active_modules:
        return
    if not _contents(context):
        yield from _lacking(context.info, "")
    for phases in (("post", "posttrans"), ("postun",)):
        for names in (_TABLES, _INITRD - _TABLES):
            yield from _for_other_kernels(context, phases, names)
    yield from _flags(context.info)


def _for_other_kernels(context: RpmContext, phases: Sequence[str], names: frozenset[str]) -> Iterator[Hit]:
    """Commands that refresh the tables or the initrd of another kernel than the modules are for, where none does so
    for that. In an installer the running kernel is the installer's."""
    calls = [
        (scriptlet.where, command, _kernel_of(command, context.kernels))
        for scriptlet in shell_scriptlets(context.info)
        if scriptlet.phase in phases
        for command in scriptlet.script.commands
        if command.name in names
    ]
    for kernel in context.kernels:
        if any(made in (kernel, _ANY) for _, _, made in calls):
            continue
        for where, command, made in calls[:1]:
            is_for = f"kernel {made}" if made else "the kernel that runs at that time"
            text = f"{command.shown!r} is for {is_for}; the modules are for {kernel}"
            yield Hit(where, text, line=command.line, remedy=f"name the kernel: {_example(command, kernel)}")


_ANY = "*"


def _kernel_of(command: Command, kernels: Sequence[str]) -> str:
    """The kernel that a command names; empty for the running one, ``*`` for all, or one that only the host knows."""
    if command.name in _ALL_KERNELS and set(_ALL_KERNELS[command.name]) <= set(command.args):
        return _ANY
    words = command.words[1:]
    texts = [word.text.removeprefix("--kver=") for word in words]
    named = [text for text in texts if text in kernels] or [
        text for text in texts if _VERSION.fullmatch(text)
    ]
    if named:
        return named[0]
    return _ANY if any(_is_unknown(word) for word in words) else ""


def _is_unknown(word: Word) -> bool:
    """Whether a word's value is only known on the host, and is not the running kernel's version."""
    return bool(word.refs) and not any("uname" in ref for ref in word.refs)


def _example(command: Command, kernel: str) -> str:
    return (
        f"dracut -f /boot/initrd-{kernel}.img {kernel}"
        if command.name in _INITRD
        else f"/sbin/depmod {kernel}"
    )


def _flags(info: RpmInfo) -> Iterator[Hit]:
    """The mark by which %posttrans makes an initrd, where no initrd comes of it."""
    if _leaves_flag(info, "postun") and not _INITRD & programs(info, "postun"):
        found = "it leaves a flag for an initrd and makes none: no %posttrans runs after the last removal"
        yield Hit("%postun", found, remedy='make it there: if [ "$1" = 0 ]; then dracut -f IMAGE KERNEL; fi')
    made = _INITRD & (programs(info, "posttrans") | programs(info, "post"))
    if _leaves_flag(info, "post") and not made:
        found = "it leaves a flag for an initrd, and no %posttrans makes one"
        yield Hit("%post", found, remedy="make it in %posttrans, and remove the flag there")


def _is_module(context: RpmContext, file: PayloadFile) -> bool:
    return file in context.active_modules


def _contents(context: RpmContext) -> set[str]:
    """The modules whose content is there to be read."""
    return {file.path for file in context.active_modules if not file.is_ghost}


@also_on_member("K7", _is_module)
def not_refreshed_at_all(context: RpmContext, member: Member) -> Iterator[Hit]:
    """depmod after installation and after removal, and a new initrd for drivers that a host may boot from: others are
    loaded after the root is there. Told once, with the last module that is read."""
    elf = member.elf
    for_boot = elf is not None and any(symbol.startswith(_STORAGE) for symbol in elf.versions)
    context.for_boot[member.file.path] = for_boot
    if context.for_boot.keys() >= _contents(context):
        yield from _lacking(
            context.info, min((path for path, boots in context.for_boot.items() if boots), default="")
        )


def _lacking(info: RpmInfo, boots_from: str) -> Iterator[Hit]:
    """One finding with all that no scriptlet does; ``boots_from`` is a module that a host may boot from, if any."""
    post, postun = programs(info, "post") | programs(info, "posttrans"), programs(info, "postun")
    tables = [not _TABLES & post, not _TABLES & postun]
    initrd = [
        bool(boots_from) and not _INITRD & done and not _leaves_flag(info, phase)
        for phase, done in (("post", post), ("postun", postun))
    ]
    reasons = []
    if any(tables):
        reasons.append(f"it holds kernel modules and runs no depmod after {_after(tables)}")
    if any(initrd):
        reasons.append(f"a host may boot from {boots_from}, and no initrd is made after {_after(initrd)}")
    if reasons:
        yield Hit("%post" if tables[0] or initrd[0] else "%postun", "; ".join(reasons))


def _after(lacks: Sequence[bool]) -> str:
    words = ("installation", "removal")
    return " and ".join(word for word, lack in zip(words, lacks, strict=True) if lack)


def _leaves_flag(info: RpmInfo, phase: str) -> bool:
    """Whether a scriptlet leaves the mark by which the kernel's own packages make an initrd."""
    return any(
        "regenerate-initrd" in redirect.target.text
        for scriptlet in shell_scriptlets(info)
        if scriptlet.phase == phase
        for command in scriptlet.script.commands
        for redirect in command.redirects
    )

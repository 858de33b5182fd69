"""B7 and D3: libraries by the names that programs ask for, and those that a package offers to others by mistake."""

from __future__ import annotations

import posixpath
import re

from xspack_tool.rules.context import Member, PackContext, RpmContext
from xspack_tool.rules.families.binaries import may_be_elf
from xspack_tool.rules.families.dependencies import NEEDS_BASE
from xspack_tool.rules.finding import Hit, Skipped
from xspack_tool.rules.registry import Hits, member_rule, pack_rule

_32_BITS = frozenset({"EM_386", "EM_ARM"})
#: Libraries of glibc and gcc, which every dom0 has.
_EVERYWHERE = re.compile(
    r"ld-linux[\w-]*\.so\.\d|lib(?:c|m|mvec|pthread|dl|rt|util|resolv|gcc_s|stdc\+\+)\.so\.\d"
)
#: What rpm's generator calls a library: ``libacme.so.1()(64bit)``, the parentheses empty.
_LIBRARY = re.compile(r"[^()]+\.so[^()]*\(\)(?:\(64bit\))?|[^()]+\.so(?:\.[^()]*)?")


@member_rule(
    "B7",
    "E",
    may_be_elf,
    meaning="a library is asked for by a name that no file has, though the package says that it provides it",
    remedy="ship the library under that name, too: the link that the build makes beside it, or env.XsLink(..)",
    bad="/opt/acme/lib/libacme.so.1.0.0 with the SONAME libacme.so.1, and no file libacme.so.1",
    good="/opt/acme/lib/libacme.so.1.0.0 and the link /opt/acme/lib/libacme.so.1 to it",
)
def library_names(context: RpmContext, member: Member) -> Hits:
    elf = member.elf
    if elf is None or elf.is_relocatable:
        return
    suffix = "" if elf.machine in _32_BITS else "()(64bit)"
    claimed = {one.name for one in context.info.provides}
    if elf.soname and elf.soname + suffix in claimed:
        text = f"its SONAME is {elf.soname}, and no file is called so"
        yield _hit(member, text, elf.soname, suffix)
    for library in elf.needed:
        if not _EVERYWHERE.fullmatch(library):
            yield _hit(member, f"it needs {library}, and no file is called so", library, suffix)


def _hit(member: Member, found: str, library: str, suffix: str) -> Hit:
    """The loader opens a name with a slash as a path; of ``$ORIGIN/..`` only the end is known here."""
    name = library if library.startswith("/") else posixpath.basename(library)
    return Hit(member.file.path, found, unless_shipped=name, unless_provided=library + suffix)


@pack_rule(
    "D3",
    "W",
    meaning="a package provides a library of its own under the name of one that the release has",
    remedy="keep it to the package: filter it out of its Provides, and out of its Requires",
    bad="Provides: libcrypto.so.10()(64bit), for /opt/acme/lib/libcrypto.so.10",
    good="no Provides for what lies in /opt/acme/lib",
)
def private_library(context: PackContext) -> Hits:
    package_set = context.package_set
    if package_set is None:
        yield Skipped(NEEDS_BASE)
        return
    for info in context.rpms:
        replaced = {info.name, *(obsolete.name for obsolete in info.obsoletes)}
        for provided in sorted(set(info.provides), key=str):
            if not _LIBRARY.fullmatch(provided.name):
                continue
            _, release = package_set.providers(provided)
            others = [name for name in release if name.rsplit("-", 2)[0] not in replaced]
            if others:
                text = (
                    f"{provided}: {', '.join(others)} of the release provides it, and others may get this one"
                )
                yield Hit("Provides", text, rpm=info.file_name)

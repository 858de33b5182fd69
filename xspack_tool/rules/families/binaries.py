"""B1, B4, B5: debug packages, and whether ELF files can run on the release."""

from __future__ import annotations

import re

from xspack_tool.rpm.info import PayloadFile
from xspack_tool.rules.context import Member, RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import Hits, also_on_rpm, member_rule, rpm_rule

_DEBUG_NAME = re.compile(r"-debug(?:info|source)(?:-|$)")
#: Where ELF files are data for something else (firmware), or none are found.
_NO_PROGRAMS = re.compile(
    r"^(?:/usr)?/lib/firmware/|^/usr/share/(?:doc|man|info|locale|licenses)/|^/usr/(?:include|src)/"
    r"|\.(?:py|pyc|txt|html?|conf|cfg|json|xml|ya?ml|md|png|jpe?g|gif|svg|css|js|gz|bz2|service|sh|rules)$"
)
_MACHINES = {
    "x86_64": "EM_X86_64",
    "i386": "EM_386",
    "i486": "EM_386",
    "i586": "EM_386",
    "i686": "EM_386",
    "aarch64": "EM_AARCH64",
}
#: Programs for the kernel's own machine; they run on every host.
_ANY_HOST = "EM_BPF"
#: CXXABI_1.3.N came with GLIBCXX_3.4.M (GCC's ABI policy and guidelines).
_CXXABI = {8: 20, 9: 21, 10: 22, 11: 23, 12: 26, 13: 29, 14: 31, 15: 33, 16: 34}
#: A marker that glibc has since the version named, not a number of its own.
_MARKERS = {"GLIBC_ABI_DT_RELR": "2.36"}
_NUMBERED = re.compile(r"(GLIBC|GLIBCXX|CXXABI)_([0-9]+(?:\.[0-9]+)*)")


def may_be_elf(context: RpmContext, file: PayloadFile) -> bool:
    """Whether a file could be one that hosts run or load."""
    return file.size >= 52 and not _NO_PROGRAMS.search(file.path)


@rpm_rule(
    "B1",
    "E",
    meaning="a debuginfo or debugsource RPM in the pack",
    remedy="leave it out of packages=; keep it for yourself",
    bad="acme-nic-debuginfo-2.1-1.x86_64.rpm",
    good="acme-nic-2.1-1.x86_64.rpm",
)
def debug_package(context: RpmContext) -> Hits:
    if _DEBUG_NAME.search(context.info.name):
        yield Hit("name", f"{context.info.name} holds debug information only")


@member_rule(
    "B4",
    "E",
    may_be_elf,
    meaning="a program or library needs a newer glibc or libstdc++ than the release has",
    remedy="build it where the release's own programs are built (a CentOS 7 container), or link it statically",
    bad="/opt/acme/bin/agent needs GLIBC_2.34 on XenServer 8 (glibc 2.17)",
    good="/opt/acme/bin/agent needs GLIBC_2.14",
)
def c_library(context: RpmContext, member: Member) -> Hits:
    if member.elf is None:
        return
    for what, newest, needed in (
        ("glibc", context.profile.glibc, _glibc_needs(member)),
        ("libstdc++", context.profile.glibcxx, _glibcxx_needs(context, member)),
    ):
        too_new = {version for version in needed if newest and _numbers(needed[version]) > _numbers(newest)}
        if too_new:
            worst = max(too_new, key=lambda version: (_numbers(needed[version]), version))
            yield Hit(member.file.path, f"needs {worst}; {context.profile.title} has {what} {newest}")


def _glibc_needs(member: Member) -> dict[str, str]:
    """The glibc symbol versions that the file needs, with the number of each."""
    needs = {version for _, version in member.elf.needs} if member.elf else set()
    found = {version: _MARKERS[version] for version in needs if version in _MARKERS}
    for version in needs:
        if (match := _NUMBERED.fullmatch(version)) and match[1] == "GLIBC":
            found[version] = match[2]
    return found


def _glibcxx_needs(context: RpmContext, member: Member) -> dict[str, str]:
    """The libstdc++ symbol versions that it needs as numbers of GLIBCXX; none where the RPM has its own."""
    if any(file.path.endswith("/libstdc++.so.6") for file in context.info.files):
        return {}
    needs = {}
    for _, version in member.elf.needs if member.elf else ():
        match = _NUMBERED.fullmatch(version)
        if match and match[1] == "GLIBCXX":
            needs[version] = match[2]
        elif match and match[1] == "CXXABI" and match[2].startswith("1.3."):
            minor = int(match[2].split(".")[2])
            needs[version] = f"3.4.{_CXXABI.get(minor, 0 if minor < 8 else minor + 18)}"
    return needs


@member_rule(
    "B5",
    "E",
    may_be_elf,
    meaning="an ELF file is for another machine than its RPM; or the RPM for another than the release",
    remedy="build it for the RPM's architecture, or give the RPM the architecture of what it holds",
    bad="an aarch64 program in acme-agent-5.2-1.x86_64.rpm; any program in a noarch RPM",
    good="an x86-64 program in acme-agent-5.2-1.x86_64.rpm",
)
def machine(context: RpmContext, member: Member) -> Hits:
    if member.elf is None or member.elf.machine == _ANY_HOST:
        return
    arch, name = context.info.arch, member.elf.machine.removeprefix("EM_")
    if arch == "noarch":
        yield Hit(member.file.path, f"an ELF file ({name}) in a noarch RPM")
    elif arch in _MACHINES and member.elf.machine != _MACHINES[arch]:
        yield Hit(member.file.path, f"an ELF file for {name} in an RPM for {arch}")


@also_on_rpm("B5")
def architecture(context: RpmContext) -> Hits:
    arch, host = context.info.arch, context.profile.arch
    runs = {"noarch", host, *(_MACHINES if host == "x86_64" else ())} - {
        "aarch64" if host == "x86_64" else ""
    }
    if host and arch not in runs:
        yield Hit("arch", f"an RPM for {arch}; {context.profile.title} is {host}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))

"""What this machine is, for the profile `local`: found from names of files, no program is run."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from typing import Any

#: Where distributions keep the build trees of kernels: all, Debian, EL.
KERNEL_TREES = ("/lib/modules/*/build", "/usr/src/linux-headers-*", "/usr/src/kernels/*")
_RELEASE = re.compile(r'^#define UTS_RELEASE "([^"\n]+)"', re.MULTILINE)
_SCRIPT_PROGRAMS = (
    "sh",
    "bash",
    "dash",
    "ksh",
    "zsh",
    "env",
    "awk",
    "sed",
    "perl",
    "ruby",
    "lua",
    "tclsh",
    "ldconfig",
)
_FOLDERS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin")


def local_values() -> dict[str, Any]:
    """The keys of a profile that this machine itself answers."""
    pythons = dict(_pythons())
    programs = [f"{folder}/{name}" for folder in _FOLDERS for name in _SCRIPT_PROGRAMS]
    return {
        "arch": os.uname().machine,
        "firewall": "firewalld" if os.path.exists("/usr/sbin/firewalld") else "iptables",
        "kernels": kernels(),
        "glibc": _glibc(),
        "glibcxx": _glibcxx(),
        "pythons": pythons,
        "interpreters": [path for path in programs if os.access(path, os.X_OK)] + list(pythons),
        "releasever": _os_release().get("VERSION_ID", ""),
    }


def kernels() -> list[str]:
    """The versions of all installed kernel build trees, oldest first."""
    return list(kernel_trees())


def kernel_trees() -> dict[str, str]:
    """The installed kernel build trees: version as the modules built there will know it -> folder, oldest first.

    It is the tree's ``utsrelease.h`` that counts: on Debian ``kernel.release`` says something else.
    """
    trees: dict[str, str] = {}
    for pattern in KERNEL_TREES:
        for tree in sorted(glob.glob(pattern)):
            try:
                with open(f"{tree}/include/generated/utsrelease.h", encoding="ascii") as header:
                    for version in _RELEASE.findall(header.read()):
                        trees.setdefault(version, tree)
            except (OSError, UnicodeDecodeError):
                continue
    return {version: trees[version] for version in sorted(trees, key=_by_number)}


def _by_number(version: str) -> list[tuple[int, str]]:
    """Sorts 6.1.0-9 before 6.1.0-10."""
    return [(int(part or 0), text) for part, text in re.findall(r"(\d*)(\D*)", version)]


def _glibc() -> str:
    """``glibc 2.36`` from the C library itself; empty with another C library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return ""
    return version if name == "glibc" else ""


def _glibcxx() -> str:
    """The newest GLIBCXX symbol version: ``libstdc++.so.6.0.N`` has GLIBCXX_3.4.N (GCC's ABI policy)."""
    for pattern in ("/usr/lib/*-linux-gnu*/libstdc++.so.6", "/usr/lib64/libstdc++.so.6"):
        for link in glob.glob(pattern):
            if found := re.search(r"\.so\.6\.0\.(\d+)$", os.path.realpath(link)):
                return f"3.4.{found[1]}"
    return ""


def _pythons() -> Iterator[tuple[str, str]]:
    """Interpreters in /usr/bin with their versions, which their names or those of their targets tell."""
    names = ["python", "python2", "python3", "python2.7", *(f"python3.{minor}" for minor in range(4, 30))]
    for folder in ("/usr/bin", "/usr/local/bin"):
        for name in names:
            path = f"{folder}/{name}"
            if os.access(path, os.X_OK) and (found := re.search(r"python(\d\.\d+)$", os.path.realpath(path))):
                yield path, found[1]


def _os_release() -> dict[str, str]:
    """os-release(5) as far as it is needed: plain or quoted values."""
    try:
        with open("/etc/os-release", encoding="utf-8") as text:
            pairs = (line.strip().partition("=") for line in text)
            return {key: value.strip("\"'") for key, _, value in pairs}
    except OSError:
        return {}

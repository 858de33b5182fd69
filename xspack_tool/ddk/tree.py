"""What a kernel build tree is for: read from its generated headers, without starting a program."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from msgspec import Struct

from xspack_tool.errors import Problem

#: The kernel's UTS_MACHINE as the architecture of an RPM.
_ARCHES = {"x86_64": "x86_64", "i386": "i686", "i686": "i686", "aarch64": "aarch64", "arm64": "aarch64"}
#: Where UTS_MACHINE is not written down: the switch of .config that tells the architecture.
_SWITCHES = {"CONFIG_X86_64": "x86_64", "CONFIG_ARM64": "aarch64", "CONFIG_X86_32": "i686"}

UTSRELEASE = "include/generated/utsrelease.h"
AUTOCONF = "include/generated/autoconf.h"
COMPILE = "include/generated/compile.h"
SYMVERS = "Module.symvers"


class KernelTree(Struct, frozen=True):
    """A kernel build tree, as ``make -C path M=..`` takes it.

    ``kernel`` is what `uname -r` says on the host and what vermagic begins with (on Debian it differs from
    include/config/kernel.release). ``compiler`` is the text that the kernel's own build left of its compiler;
    ``digest`` tells trees with one version but another configuration, compiler or symbol CRCs apart.
    """

    path: Path
    kernel: str
    arch: str
    compiler: str
    digest: str

    @property
    def symvers(self) -> Path:
        """The CRCs of all symbols that the kernel and its own modules export."""
        return self.path / SYMVERS

    def config(self, name: str) -> str | None:
        """The value of ``CONFIG_<name>``: ``y``, ``m``, a number or a text; None where it is not set."""
        return config_value((self.path / AUTOCONF).read_text(errors="replace"), name)


def config_value(autoconf: str, name: str) -> str | None:
    """A switch out of autoconf.h, in which ``m`` is a macro of its own with the ending _MODULE."""
    definition = re.search(
        rf"^#define CONFIG_{re.escape(name)}(?P<module>_MODULE)? (?P<value>.*)$", autoconf, re.M
    )
    if not definition:
        return None
    if definition["module"]:
        return "m"
    value = definition["value"].strip()
    return "y" if value == "1" else value.strip('"')


def read_tree(field: str, path: str | Path) -> KernelTree | Problem:
    """The tree at ``path``, or what is wrong with it. Reads four files, about 2 MB, in a few milliseconds."""
    folder = Path(path).resolve()
    remedy = "install the kernel's development package (kernel-devel, linux-headers) and name its folder"
    if not folder.is_dir():
        return Problem(field, str(path), "kernel build tree not found", remedy)
    if not (folder / "Makefile").is_file():
        return Problem(field, str(path), "not a kernel build tree: it has no Makefile", remedy)
    prepared = "build the kernel there first (make modules), or name the folder of its development package"
    texts = {}
    for name in (UTSRELEASE, AUTOCONF, SYMVERS, COMPILE):
        try:
            texts[name] = (folder / name).read_bytes()
        except FileNotFoundError:
            if name != COMPILE:
                return Problem(
                    field, str(path), f"a kernel build tree that was not built: it has no {name}", prepared
                )
        except OSError as failure:
            return Problem(field, str(path), f"{name} cannot be read: {failure.strerror}", prepared)
    return _kernel_tree(field, folder, texts)


def _kernel_tree(field: str, folder: Path, files: dict[str, bytes]) -> KernelTree | Problem:
    texts = {name: content.decode(errors="replace") for name, content in files.items() if name != SYMVERS}
    kernel = _define(texts[UTSRELEASE], "UTS_RELEASE")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+~-]*", kernel):
        rule = f"its {UTSRELEASE} names no kernel version"
        return Problem(field, str(folder), rule, "build the kernel there again (make modules)")
    compile_h = texts.get(COMPILE, "")
    arch = _ARCHES.get(_define(compile_h, "UTS_MACHINE"), "")
    for switch, name in _SWITCHES.items():
        if not arch and f"#define {switch} 1\n" in texts[AUTOCONF]:
            arch = name
    if not arch:
        rule = "its architecture must be one of " + ", ".join(sorted(set(_ARCHES.values())))
        return Problem(field, str(folder), rule, "name the build tree of a kernel for one of them")
    compiler = _define(compile_h, "LINUX_COMPILER") or config_value(texts[AUTOCONF], "CC_VERSION_TEXT") or ""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return KernelTree(folder, kernel, arch, compiler, digest.hexdigest())


def _define(header: str, name: str) -> str:
    """The text that a ``#define name "text"`` of a generated header gives, or an empty one."""
    found = re.search(rf'^#\s*define\s+{name}\s+"([^"\n]*)"', header, re.M)
    return found[1] if found else ""

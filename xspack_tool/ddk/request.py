"""What a driver asks of kbuild, and the arguments that give it: pure functions."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xspack_tool.ddk.tree import KernelTree
from xspack_tool.errors import Problem

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SWITCH = re.compile(r"[ymn]|-?[0-9]+|0x[0-9A-Fa-f]+")
#: Variables that xspack sets itself, or that would lead kbuild out of the staged copy.
_OWN = {
    *(
        "M",
        "MO",
        "O",
        "SUBDIRS",
        "KBUILD_EXTMOD",
        "KBUILD_OUTPUT",
        "KBUILD_EXTRA_SYMBOLS",
        "MAKEFLAGS",
        "SHELL",
    ),
    *("INSTALL_MOD_PATH", "INSTALL_MOD_DIR", "INSTALL_MOD_STRIP", "XSPACK_SOURCES", "KBUILD_BUILD_TIMESTAMP"),
    *("KBUILD_BUILD_USER", "KBUILD_BUILD_HOST", "KBUILD_BUILD_VERSION", "SOURCE_DATE_EPOCH"),
}

#: What kbuild and the compiler would take from the clock, the user and the host. The time is CONSTANT_TIME of
#: model.changelog, whatever the package's own: a new changelog entry compiles nothing.
ENVIRONMENT = {
    "KBUILD_BUILD_TIMESTAMP": "Wed Jan  1 00:00:00 UTC 2020",
    "KBUILD_BUILD_USER": "xspack",
    "KBUILD_BUILD_HOST": "xspack",
    "KBUILD_BUILD_VERSION": "1",
    "SOURCE_DATE_EPOCH": "1577836800",
}


#: Where a make variable refers to the top of the sources.
SOURCES = "$(XSPACK_SOURCES)"


@dataclass(frozen=True)
class KbuildRequest:
    """A driver's own part of a kbuild call.

    ``kbuild_dirs`` are the folders with a Kbuild or a Makefile, relative to the sources, built in this order:
    a later one sees the symbols of those before it. ``config`` are switches without CONFIG_: they reach the
    Makefiles as ``CONFIG_X=m`` and, where the kernel has no such switch, the C code as macros. In the value
    of a make variable, $(XSPACK_SOURCES) is the top of the sources.
    """

    kbuild_dirs: tuple[str, ...] = ("",)
    make_variables: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)

    def problems(self) -> list[Problem]:
        """All mistakes in it."""
        found = []
        for folder in self.kbuild_dirs:
            if folder.startswith("/") or ".." in folder.split("/") or re.search(r"[\s:%$#]", folder):
                rule = "a folder below the sources, without blanks and the characters : % $ #"
                found.append(
                    Problem("kbuild_dir", folder, rule, "name the folder that holds Kbuild or Makefile")
                )
        for name, value in self.make_variables.items():
            if not _NAME.fullmatch(name) or name.startswith("CONFIG_"):
                remedy = "put CONFIG_ switches into config=" if name.startswith("CONFIG_") else "rename it"
                found.append(Problem("make_variables", name, "no name of a make variable", remedy))
            elif name in _OWN:
                found.append(
                    Problem("make_variables", name, "xspack sets this variable itself", "leave it out")
                )
            elif re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
                found.append(
                    Problem("make_variables", value, f"{name} is one line of text", "remove line breaks")
                )
        for name, value in self.config.items():
            if not _NAME.fullmatch(name.removeprefix("CONFIG_")):
                found.append(Problem("config", name, "no name of a CONFIG_ switch", "write it as ACME_DEBUG"))
            elif not _SWITCH.fullmatch(value):
                found.append(
                    Problem(
                        "config", value, f"{name} is y, m, n or a number", "put texts into make_variables"
                    )
                )
        return found


@dataclass(frozen=True)
class Compiler:
    """The compiler that kbuild is to use. ``prefix`` is ccache or distcc, ``version`` its own first line."""

    command: str
    version: str
    prefix: str = ""
    #: gcc before 8 knows only -fdebug-prefix-map.
    prefix_map: str = "-ffile-prefix-map"


def kbuild_arguments(
    tree: KernelTree,
    request: KbuildRequest,
    folder: str,
    staged: str,
    compiler: Compiler,
    *,
    extra_symbols: Sequence[str] = (),
    debug: bool = False,
) -> list[str]:
    """The words after ``make`` that build the modules of ``folder`` in the staged copy at ``staged``.

    ``staged`` and ``extra_symbols`` may be a shell's words, as in a spec. The maps make the modules the same
    wherever they are compiled; the build id, too, which covers the debug data that is stripped later.
    """
    own = dict(request.make_variables)
    cflags = [own.pop("KCFLAGS", ""), *_macros(tree, request.config), "-g" if debug else ""]
    aflags = [own.pop("KAFLAGS", "")]
    maps = [f"{compiler.prefix_map}={staged}=.", f"{compiler.prefix_map}={tree.path}=/usr/src/kernel"]
    words = ["-C", str(tree.path), f"M={posixpath.normpath(posixpath.join(staged, folder))}"]
    if compiler.prefix:
        words.append(f"CC={compiler.prefix} {own.pop('CC', '') or compiler.command}")
    words += [f"{name}={value}" for name, value in sorted(own.items())]
    if any(SOURCES in value for value in request.make_variables.values()):
        words.append(f"XSPACK_SOURCES={staged}")
    words += [f"CONFIG_{name}={value}" for name, value in sorted(_switches(request.config).items())]
    words.append("KCFLAGS=" + " ".join(filter(None, [*cflags, *maps])))
    words.append("KAFLAGS=" + " ".join(filter(None, [*aflags, *maps])))
    if extra_symbols:
        words.append("KBUILD_EXTRA_SYMBOLS=" + " ".join(extra_symbols))
    return [*words, "modules"]


def _switches(config: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix("CONFIG_"): value for name, value in config.items()}


def _macros(tree: KernelTree, config: Mapping[str, str]) -> list[str]:
    """The switches as autoconf.h would define them, for those that the kernel itself does not have."""
    macros = []
    for name, value in sorted(_switches(config).items()):
        if value == "n" or tree.config(name) is not None:
            continue
        macros.append(
            f"-DCONFIG_{name}_MODULE=1"
            if value == "m"
            else f"-DCONFIG_{name}={'1' if value == 'y' else value}"
        )
    return macros

"""What a driver asks of kbuild, and the arguments that give it: pure functions."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

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
        "PWD",
        "src",
        "obj",
    ),
    *("INSTALL_MOD_PATH", "INSTALL_MOD_DIR", "INSTALL_MOD_STRIP", "KBUILD_BUILD_TIMESTAMP"),
    *("XSPACK_SOURCES", "XSPACK_TREE", "XSPACK_KERNEL"),
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


#: Where a make variable refers to the top of the sources, the kernel's build tree, and its version.
SOURCES, TREE, KERNEL = "$(XSPACK_SOURCES)", "$(XSPACK_TREE)", "$(XSPACK_KERNEL)"
#: What drivers' Makefiles call the kernel's version and its build tree. All of them mean the kit: a driver's own
#: default is the running kernel.
_VERSIONS = ("BUILD_KERNEL", "KERNELRELEASE", "KERNELVER", "KERNEL_UNAME", "KVER", "KVERSION", "kernelver")
_TREES = (
    *(
        "KDIR",
        "KERNELDIR",
        "KERNEL_DIR",
        "KERNEL_PATH",
        "KERNEL_SOURCE",
        "KERNEL_SOURCES",
        "KERNEL_SOURCE_DIR",
    ),
    *("KERNEL_SRC", "KERNEL_TREE", "KERN_DIR", "KLIB_BUILD", "KSRC", "SYSOUT", "SYSSRC", "kernel_source_dir"),
)

#: No debug data is made where all of it would be stripped: a tenth of a driver's build. kbuild itself reads it for BTF
#: and, since 6.14, for the versions of symbols, as it alone knows: make expands this there, and to nothing elsewhere.
#: The last of gcc's -g options counts.
_NO_DEBUG_DATA = (
    "$(if $(objtree),$(if $(CONFIG_GENDWARFKSYMS)"
    "$(and $(CONFIG_DEBUG_INFO_BTF_MODULES),$(wildcard $(objtree)/vmlinux)),,-g0))"
)

#: What is said of two modules for one place in the package, on every kit.
ONE_PATH = "two modules with one path, {}: rename one of them, or build them as two drivers"


class KbuildRequest(Struct, frozen=True):
    """A driver's own part of a kbuild call.

    ``kbuild_dirs`` are the folders with a Kbuild or a Makefile, relative to the sources, built in this order:
    a later one sees the symbols of those before it. ``config`` are switches without CONFIG_: they reach the
    Makefiles as ``CONFIG_X=m`` and, where the kernel has no such switch, the C code as macros. In the value
    of a make variable, $(XSPACK_SOURCES) is the top of the sources, $(XSPACK_TREE) the kernel's build tree and
    $(XSPACK_KERNEL) its version. make is called in ``work_dir``, relative to the sources, which is $(PWD); None:
    in the folder that is built.

    ``prepare`` are commands, as words, that are run at the top of the sources before kbuild; their words may hold
    $(XSPACK_TREE) and the like. ``modules`` are the names of those that are packaged (empty: all that are built),
    ``exclude`` of those that are not, ``unstripped`` of those that keep their debug data. ``flat``:
    they lie side by side, whatever sub-folders they were made in.
    """

    kbuild_dirs: tuple[str, ...] = ("",)
    make_variables: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    work_dir: str | None = None
    prepare: tuple[tuple[str, ...], ...] = ()
    modules: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    #: Calls of the driver's own Makefile, as the words after make: they call kbuild, where the sources have one.
    own_makes: tuple[tuple[str, ...], ...] = ()
    unstripped: tuple[str, ...] = ()
    flat: bool = False

    def called_in(self, folder: str) -> str:
        """The folder in which make is called for ``folder``, relative to the sources."""
        return (folder if self.work_dir is None else self.work_dir).strip("/") or "."

    def switches(self) -> dict[str, str]:
        """The switches by their names without CONFIG_, sorted."""
        return dict(sorted((name.removeprefix("CONFIG_"), value) for name, value in self.config.items()))

    def macros(self) -> dict[str, str]:
        """By switch, the compiler's option that defines it as autoconf.h would: for kernels without it."""
        found = {}
        for name, value in self.switches().items():
            if value != "n":
                found[name] = f"-DCONFIG_{name}" + {"y": "=1", "m": "_MODULE=1"}.get(value, f"={value}")
        return found

    def problems(self) -> list[Problem]:
        """All mistakes in it."""
        problems = []
        folders = [f"{posixpath.normpath(folder)}/".removeprefix("./") for folder in self.kbuild_dirs]
        for number, folder in enumerate(folders):
            if any(folder.startswith(other) for at, other in enumerate(folders) if at != number):
                rule = "the folder lies in another of them, or is named twice"
                remedy = "name the outer folder alone (kbuild descends), or build two drivers"
                problems.append(Problem("kbuild_dir", self.kbuild_dirs[number], rule, remedy))
        for folder in self.kbuild_dirs:
            if folder.startswith("/") or ".." in folder.split("/") or re.search(r"[\s:%$#]", folder):
                rule = "must be a folder below the sources, without blanks and the characters : % $ #"
                problems.append(
                    Problem("kbuild_dir", folder, rule, "name the folder that holds Kbuild or Makefile")
                )
        for name, value in self.make_variables.items():
            if not _NAME.fullmatch(name) or name.startswith("CONFIG_"):
                remedy = "put CONFIG_ switches into kconfig=" if name.startswith("CONFIG_") else "rename it"
                problems.append(
                    Problem("make_variables", name, "not a valid name of a make variable", remedy)
                )
            elif name in _OWN:
                problems.append(
                    Problem("make_variables", name, "xspack sets this variable itself", "leave it out")
                )
            elif re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
                problems.append(
                    Problem("make_variables", value, f"{name} must be one line of text", "remove line breaks")
                )
        for name, value in self.config.items():
            if not _NAME.fullmatch(name.removeprefix("CONFIG_")):
                problems.append(
                    Problem("kconfig", name, "not a valid name of a CONFIG_ switch", "write it as ACME_DEBUG")
                )
            elif not _SWITCH.fullmatch(value):
                problems.append(
                    Problem(
                        "kconfig",
                        value,
                        f"{name} must be y, m, n or a number",
                        "put texts into make_variables",
                    )
                )
        return problems


def module_name(path: str) -> str:
    """A module's name as the kernel knows it, of the name or the path of its file."""
    return posixpath.basename(path).removesuffix(".ko").replace("-", "_")


def usual_variables(kernel: str, tree: str) -> dict[str, str]:
    """The variables by which drivers ask for the kernel's version and its build tree."""
    return dict.fromkeys(_VERSIONS, kernel) | dict.fromkeys(_TREES, tree)


class KbuildPlace(Struct, frozen=True):
    """Where kbuild works: paths, or a shell's words. ``compiler`` is used where there is a prefix."""

    tree: str
    sources: str
    kernel: str
    extra_symbols: tuple[str, ...] = ()
    prefix_map: str = "-ffile-prefix-map"
    compiler_prefix: str = ""
    compiler: str = ""
    #: Whether the compiler hands over to the assembler by a pipe: the same bytes, with no file between them.
    pipe: bool = False


class Compiler(Struct, frozen=True):
    """The compiler that kbuild is to use. ``prefix`` is ccache or distcc, ``version`` its own first line."""

    command: str
    version: str
    prefix: str = ""
    #: gcc before 8 knows only -fdebug-prefix-map.
    prefix_map: str = "-ffile-prefix-map"


def kbuild_arguments(
    request: KbuildRequest,
    folder: str,
    place: KbuildPlace,
    *,
    macros: Sequence[str] = (),
    debug: bool = False,
) -> list[str]:
    """The words after ``make`` that build the modules of ``folder``, a kbuild folder of the sources."""
    where = "M=" + "/".join([place.sources, *filter(None, [folder.strip("/")])])
    return ["-C", place.tree, where, *_variables(request, place, macros, debug), "modules"]


def _variables(
    request: KbuildRequest, place: KbuildPlace, macros: Sequence[str], debug: bool
) -> Iterator[str]:
    """What kbuild is told of the user's wishes and of where it works.

    The maps make the modules the same wherever they are compiled; the build id, too, which covers the debug
    data that is stripped later, where there is any.
    """
    own = {**usual_variables(place.kernel, place.tree), **request.make_variables}
    is_stripped = not debug and not request.unstripped
    data = ["-g" if debug else "", _NO_DEBUG_DATA if is_stripped else ""]
    cflags = [own.pop("KCFLAGS", ""), *macros, *data, "-pipe" if place.pipe else ""]
    aflags = [own.pop("KAFLAGS", "")]
    maps = [f"{place.prefix_map}={place.sources}=.", f"{place.prefix_map}={place.tree}=/usr/src/kernel"]
    if place.compiler_prefix:
        own["CC"] = f"{place.compiler_prefix} {own.get('CC') or place.compiler}"
    yield from (f"{name}={value}" for name, value in sorted(own.items()))
    for text, meaning in ((SOURCES, place.sources), (TREE, place.tree), (KERNEL, place.kernel)):
        if any(text in value for value in request.make_variables.values()):
            yield f"{text[2:-1]}={meaning}"
    yield from (f"CONFIG_{name}={value}" for name, value in request.switches().items())
    yield "KCFLAGS=" + " ".join(filter(None, [*cflags, *maps]))
    yield "KAFLAGS=" + " ".join(filter(None, [*aflags, *maps]))
    if place.extra_symbols:
        yield "KBUILD_EXTRA_SYMBOLS=" + " ".join(place.extra_symbols)


def own_arguments(
    request: KbuildRequest,
    call: Sequence[str],
    place: KbuildPlace,
    *,
    macros: Sequence[str] = (),
    debug: bool = False,
) -> list[str]:
    """The words after ``make`` for a call of the driver's own Makefile: it hands the variables on to kbuild."""
    words = [word for word in call if word.split("=")[0] not in request.make_variables]
    for text, meaning in ((SOURCES, place.sources), (TREE, place.tree), (KERNEL, place.kernel)):
        words = [word.replace(text, meaning) for word in words]
    return [*words, *_variables(request, place, macros, debug)]


#: What make takes for a Makefile of a folder's own.
OWN_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")

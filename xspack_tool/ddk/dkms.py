"""What a dkms.conf declares: its name, version, modules, and how kbuild is called for it.

dkms runs this file as a shell script. Here it is read and never run: it may come from anywhere, and what it says is
needed at every start.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from xspack_tool.binary.bash import Assigned, assignments, commands
from xspack_tool.ddk.request import KERNEL, SOURCES, TREE
from xspack_tool.errors import BadInput

#: Raised when more is read out of a dkms.conf: what is cached of one is invalid.
SCHEMA = 5
_MAX_SIZE = 1024 * 1024
#: What dkms itself sets before it reads the file; the kernel stands for whichever it will be.
_KERNEL = "@kernel@"
_TREE = f"/lib/modules/{_KERNEL}/build"
_GIVEN = {
    "dkms_tree": "/var/lib/dkms",
    "source_tree": "/usr/src",
    "kernelver": _KERNEL,
    "kernel_source_dir": _TREE,
    # That of each dom0.
    "arch": "x86_64",
}
#: What dkms puts in for what was in single quotes: a variable, or what a command says.
_PUT_IN = re.compile(r"\$\{?(\w+)|\$\((?!MAKE\))|`")
#: Directives whose programs are for the machine on which dkms runs: they change no module.
_NOT_RUN = ("POST_ADD", "PRE_INSTALL", "POST_INSTALL", "POST_REMOVE")
#: Directives that say what is built: a value that takes more than reading is not guessed.
_TO_BE_READ = ("MAKE", "BUILT_MODULE_NAME", "BUILT_MODULE_LOCATION")
#: What a MAKE may run besides make: what moves modules to where dkms looks for them.
_MAKES = ("make", "$MAKE", "$(MAKE)")
_HARMLESS = ("cd", "find", "mv", "cp", "true", ":", "echo", "pushd", "popd")
#: Put in for a version that is known only when the file is run: it is part of the path of dkms's copy.
_UNKNOWN = "@version@"
_VERSION = re.compile(r"^(\s*PACKAGE_VERSION=).*", re.MULTILINE)
#: How many jobs make is to run, counted where dkms is: SCons says it here.
_JOBS = re.compile(
    r"(?<=\s)(?:-j|--jobs[=\s])\s*(?:`[^`\n]*`|\$\(\([^()\n]*\)\)|\$\([^()\n]*\)|\$\w+|\$\{\w+\}|[0-9]+)"
)
_MAKE_DEFAULT = f"make -C {_TREE} M={_GIVEN['dkms_tree']}/$PACKAGE/build"


class DkmsModule(Struct, frozen=True):
    """A module that dkms expects: its folder below the build, and where dkms would install it."""

    name: str
    location: str = ""
    destination: str = ""


class Patch(Struct, frozen=True):
    """A patch of the folder patches/, and the kernels it is for: a regular expression, empty for all."""

    name: str
    kernels: str = ""


class Exclusive(Struct, frozen=True):
    """The kernels and architectures that a dkms.conf is for (regular expressions), the switches that their
    configuration must have (those with ! must not), and the lowest and highest kernel."""

    kernels: str = ""
    arches: str = ""
    config: tuple[str, ...] = ()
    lowest: str = ""
    highest: str = ""


class DkmsConf(Struct, frozen=True):
    """What a dkms.conf says. ``kbuild_dirs``, ``make_variables`` and ``config`` are as in KbuildRequest, ``prepare``
    is the command of PRE_BUILD, ``own_makes`` are calls of the driver's own Makefile. ``refused`` names each
    directive that changes the build and is not followed, by its name; ``not_run`` are those whose programs are for the
    machine on which dkms runs. Whether ``names_all`` modules that are to be installed: some may be named under
    conditions."""

    name: str
    version: str
    modules: tuple[DkmsModule, ...]
    kbuild_dirs: tuple[str, ...]
    make_variables: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    prepare: tuple[str, ...] = ()
    patches: tuple[Patch, ...] = ()
    exclusive: Exclusive = Exclusive()
    own_makes: tuple[tuple[str, ...], ...] = ()
    names_all: bool = True
    unstripped: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()


def parse_dkms(text: str, file: object = "dkms.conf") -> DkmsConf:
    """Read a dkms.conf; its version is empty where that takes more than reading. Raises BadInput where it does not
    plainly name its package."""
    if len(text) > _MAX_SIZE:
        raise BadInput(file, f"a dkms.conf of more than {_MAX_SIZE // 1024} KiB")
    text = _JOBS.sub("", text)
    assigned = assignments(text, _GIVEN)
    if "PACKAGE_VERSION" not in assigned.values or "PACKAGE_VERSION" in assigned.untold:
        assigned = assignments(_VERSION.sub(rf"\g<1>{_UNKNOWN}", text), _GIVEN)
    return _read(assigned, file)


def _read(assigned: Assigned, file: object) -> DkmsConf:
    values = assigned.values
    name, version = values.get("PACKAGE_NAME"), values.get("PACKAGE_VERSION", _UNKNOWN)
    if not name:
        raise BadInput(file, "a dkms.conf assigns PACKAGE_NAME, plainly and under no condition")
    arrays = _arrays(values)
    names = arrays.get("BUILT_MODULE_NAME") or {0: name}
    modules = _modules(arrays, names)
    build = posixpath.join(_GIVEN["dkms_tree"], name, version, "build")
    make = arrays.get("MAKE", {}).get(0) or _MAKE_DEFAULT.replace("$PACKAGE", f"{name}/{version}")
    # dkms has bash read it again when it is run: what was in single quotes is put in then.
    then = {**values, "MAKE": "make"}
    untold = assigned.untold
    if _UNKNOWN in make.replace(build, "") or any(
        put not in then or put in untold - {"MAKE"} for put in _PUT_IN.findall(make)
    ):
        untold |= {"MAKE"}
    # The program first, then what it is given, also as its environment.
    calls = [[*words[:1], *environment, *words[1:]] for words, environment in commands(make, then)]
    folders, variables = _kbuild_calls(calls, build)
    makes = [words[1:] for words in calls if words and posixpath.basename(words[0]) in _MAKES]
    is_own = False
    if not folders:
        folders = _outermost(module.location for module in modules)
        # A Makefile beside the modules is kbuild's, too. One elsewhere knows how kbuild is to be called for them, and
        # so does one that has a goal of its own.
        is_own = "" not in folders or any(map(_own_goal, makes))
    known = {key: _in_kit(value, build) for key, value in variables.items()}
    config = {key: value for key, value in known.items() if key.startswith("CONFIG_")}
    before = arrays.get("PRE_BUILD", {}).get(0, "")
    return DkmsConf(
        name=name,
        version="" if _UNKNOWN in version or "PACKAGE_VERSION" in untold else version,
        modules=modules,
        kbuild_dirs=tuple(folders),
        make_variables={key: value for key, value in known.items() if key not in config},
        config={key.removeprefix("CONFIG_"): value for key, value in config.items()},
        prepare=tuple(_in_kit(word, build) for word in before.split()),
        patches=_patches(arrays),
        exclusive=_exclusive(values),
        own_makes=tuple(tuple(_in_kit(word, build) for word in words) for words in makes if is_own),
        names_all="BUILT_MODULE_NAME" not in assigned.untold,
        unstripped=_unstripped(arrays.get("STRIP", {}), names),
        refused=tuple(_refused(arrays, untold, calls)),
        not_run=tuple(key for key in _NOT_RUN if values.get(key)),
    )


def _patches(arrays: Mapping[str, Mapping[int, str]]) -> tuple[Patch, ...]:
    kernels, patches = arrays.get("PATCH_MATCH", {}), arrays.get("PATCH", {})
    return tuple(Patch(patch, kernels.get(number, "")) for number, patch in sorted(patches.items()) if patch)


def _unstripped(strip: Mapping[int, str], names: Mapping[int, str]) -> tuple[str, ...]:
    """The modules that keep their debug data: what holds for the first holds for each that says nothing else."""
    usual = strip.get(0, "")
    return tuple(
        name for number, name in sorted(names.items()) if strip.get(number, usual).lower().startswith("n")
    )


def _own_goal(words: Sequence[str]) -> bool:
    """Whether a call of make names what kbuild's Makefile does not make."""
    goals = [word for word in words if "=" not in word and not word.startswith("-") and "/" not in word]
    return any(goal not in ("all", "modules", "default") for goal in goals)


def _in_kit(text: str, build: str) -> str:
    """A value with the kit's kernel and tree for the kernel's, and the sources for dkms's copy of them."""
    return text.replace(build, SOURCES).replace(_TREE, TREE).replace(_KERNEL, KERNEL)


def _exclusive(values: Mapping[str, str]) -> Exclusive:
    said = {key: values.get(f"BUILD_EXCLUSIVE_{key}", "") for key in ("KERNEL", "ARCH", "CONFIG")}
    lowest, highest = (values.get(f"BUILD_EXCLUSIVE_KERNEL_{key}", "") for key in ("MIN", "MAX"))
    return Exclusive(said["KERNEL"], said["ARCH"], tuple(said["CONFIG"].split()), lowest, highest)


def matches(pattern: str, text: str) -> bool:
    """Whether an expression of a dkms.conf matches; an empty one does, and one that is none."""
    try:
        return not pattern or re.search(pattern, text) is not None
    except re.error:
        return True


def excluded(exclusive: Exclusive, kernel: str, arch: str, config: Callable[[str], str | None] | None) -> str:
    """Why a dkms.conf is not for a kit, empty where it is; ``config`` tells a switch of its kernel without CONFIG_."""
    if not matches(exclusive.kernels, kernel):
        return f"its BUILD_EXCLUSIVE_KERNEL is for other kernels: {exclusive.kernels}"
    if not matches(exclusive.arches, arch):
        return f"its BUILD_EXCLUSIVE_ARCH is for other machines: {exclusive.arches}"
    if exclusive.lowest and _numbers(kernel) < _numbers(exclusive.lowest):
        return f"its BUILD_EXCLUSIVE_KERNEL_MIN is {exclusive.lowest}"
    if exclusive.highest and _numbers(kernel) > _numbers(exclusive.highest):
        return f"its BUILD_EXCLUSIVE_KERNEL_MAX is {exclusive.highest}"
    for switch in exclusive.config if config else ():
        name = switch.lstrip("!").removeprefix("CONFIG_")
        if config and (config(name) in ("y", "m")) == switch.startswith("!"):
            return f"its BUILD_EXCLUSIVE_CONFIG has {switch}, which the kernel's configuration does not meet"
    return ""


def _numbers(version: str) -> list[int]:
    found = re.match(r"[0-9.]*", version)
    return [int(part) for part in (found[0] if found else "").split(".") if part]


def _refused(
    arrays: Mapping[str, Mapping[int, str]], untold: frozenset[str], calls: Iterable[Sequence[str]]
) -> Iterator[str]:
    """What is not followed of the directives that change the build."""
    for key in _TO_BE_READ:
        if key in untold and (key == "MAKE" or key not in arrays):
            yield f"{key} is known only when it is run, or depends on a condition"
    for key in ("PRE_BUILD", "PATCH", "PATCH_MATCH"):
        if key in untold:
            yield f"{key} is known only when it is run, or depends on a condition"
    for key in ("POST_BUILD", "MAKE_MATCH"):
        if any(arrays.get(key, {}).values()) or key in untold:
            yield f"{key} is not supported"
    built = arrays.get("BUILT_MODULE_NAME", {})
    for number, name in arrays.get("DEST_MODULE_NAME", {}).items():
        if name and name != built.get(number):
            yield f"DEST_MODULE_NAME[{number}] is not supported"
    others = {posixpath.basename(words[0]) for words in calls if words}
    if foreign := sorted(others - {*_HARMLESS, *_MAKES}):
        yield f"MAKE runs {', '.join(foreign)}"


def _arrays(values: Mapping[str, str]) -> dict[str, dict[int, str]]:
    """Array elements by variable and number; a name without one is that of number 0, as in bash."""
    arrays: dict[str, dict[int, str]] = {}
    for key, value in values.items():
        if found := re.fullmatch(r"([A-Z_]+)(?:\[(\d+)\])?", key):
            arrays.setdefault(found[1], {})[int(found[2] or 0)] = value
    return arrays


def _modules(arrays: Mapping[str, Mapping[int, str]], names: Mapping[int, str]) -> tuple[DkmsModule, ...]:
    """The modules in the order of their numbers."""
    places, destinations = arrays.get("BUILT_MODULE_LOCATION", {}), arrays.get("DEST_MODULE_LOCATION", {})
    return tuple(
        DkmsModule(name, _folder(places.get(number, "")), destinations.get(number, "").strip("/"))
        for number, name in sorted(names.items())
    )


def _outermost(folders: Iterable[str]) -> list[str]:
    """The folders that lie in none of the others, in their order: kbuild descends by itself."""
    every = list(dict.fromkeys(folders))
    return [
        name
        for name in every
        if not any(name.startswith(f"{other}/") or other == "" < name for other in every)
    ]


def _folder(path: str) -> str:
    normal = posixpath.normpath(path).strip("/") if path else ""
    return "" if normal == "." else normal


def _kbuild_calls(calls: Iterable[Sequence[str]], build: str) -> tuple[list[str], dict[str, str]]:
    """The kbuild folders that the calls of make in a MAKE directive name by ``M=``, and the variables that
    they set. A call of the driver's own Makefile names no kbuild folder."""
    folders: list[str] = []
    variables: dict[str, str] = {}
    for words in calls:
        if not words or posixpath.basename(words[0]) not in _MAKES:
            continue
        for word in words:
            key, sign, value = word.partition("=")
            if (
                not sign
                or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key)
                or key in ("V", "W", "ARCH", "KBUILD_OUTPUT")
            ):
                continue
            if key not in ("M", "SUBDIRS"):
                variables[key] = value
            elif value == build or value.startswith(f"{build}/"):
                folder = _folder(value.removeprefix(build).strip("/"))
                if folder not in folders:
                    folders.append(folder)
    return folders, variables

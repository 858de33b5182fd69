"""The facts of a driver's dkms.conf: its name, version, modules, and how kbuild is called for it.

dkms runs this file as a shell script. Here it is read and never run: it may come from anywhere, and the facts
are needed at every start.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xspack_tool.ddk.assignments import assignments, parse_shell, text_of
from xspack_tool.ddk.request import SOURCES
from xspack_tool.errors import BadInput

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_SIZE = 1024 * 1024
#: What dkms itself sets before it reads the file; the kernel stands for whichever it will be.
_KERNEL = "@kernel@"
_TREE = f"/lib/modules/{_KERNEL}/build"
_GIVEN = {
    "dkms_tree": "/var/lib/dkms",
    "source_tree": "/usr/src",
    "kernelver": _KERNEL,
    "kernel_source_dir": _TREE,
}
#: Directives that change what is built, and are not followed.
_NOT_FOLLOWED = ("PATCH", "PRE_BUILD", "POST_BUILD")
_MAKE_DEFAULT = f"make -C {_TREE} M=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build"


@dataclass(frozen=True)
class DkmsModule:
    """A module that dkms expects: its folder in the sources, and where dkms would install it."""

    name: str
    location: str = ""
    destination: str = ""


@dataclass(frozen=True)
class DkmsConf:
    """What a dkms.conf says. ``kbuild_dirs``, ``make_variables`` and ``config`` are as in KbuildRequest;
    ``not_followed`` are its directives that change the build and have no effect here."""

    name: str
    version: str
    modules: tuple[DkmsModule, ...]
    kbuild_dirs: tuple[str, ...]
    make_variables: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    not_followed: tuple[str, ...] = ()


def parse_dkms(text: str, file: object = "dkms.conf") -> DkmsConf:
    """Read a dkms.conf. Raises BadInput where it does not plainly name its package and version."""
    if len(text) > _MAX_SIZE:
        raise BadInput(file, f"a dkms.conf of more than {_MAX_SIZE // 1024} KiB")
    try:
        return _read(assignments(text, _GIVEN), file)
    except RecursionError as deep:
        raise BadInput(file, "a dkms.conf whose parts are nested too deeply") from deep


def _read(values: Mapping[str, str], file: object) -> DkmsConf:
    name, version = values.get("PACKAGE_NAME"), values.get("PACKAGE_VERSION")
    if not name or not version:
        raise BadInput(
            file, "a dkms.conf assigns PACKAGE_NAME and PACKAGE_VERSION, plainly and under no condition"
        )
    modules = _modules(values, name)
    build = posixpath.join(_GIVEN["dkms_tree"], name, version, "build")
    makes = [value for key, value in sorted(values.items()) if re.fullmatch(r"MAKE(\[0\])?", key) and value]
    command = (
        makes[0]
        if makes
        else _MAKE_DEFAULT.replace("$PACKAGE_NAME", name).replace("$PACKAGE_VERSION", version)
    )
    command = command.replace("$dkms_tree", _GIVEN["dkms_tree"])
    folders, variables = _kbuild_calls(command, build)
    if not folders:
        folders = _outermost(module.location for module in modules)
    known = {key: value.replace(build, SOURCES) for key, value in variables.items() if _KERNEL not in value}
    config = {key: value for key, value in known.items() if key.startswith("CONFIG_")}
    return DkmsConf(
        name,
        version,
        modules,
        tuple(folders),
        {key: value for key, value in known.items() if key not in config},
        {key.removeprefix("CONFIG_"): value for key, value in config.items()},
        tuple(key for key in _NOT_FOLLOWED if any(name.split("[")[0] == key for name in values)),
    )


def _modules(values: Mapping[str, str], package: str) -> tuple[DkmsModule, ...]:
    """The modules by their numbers; a name without one is that of number 0, as in bash."""
    arrays: dict[str, dict[int, str]] = {}
    for key, value in values.items():
        found = re.fullmatch(
            r"(BUILT_MODULE_NAME|BUILT_MODULE_LOCATION|DEST_MODULE_LOCATION)(?:\[(\d+)\])?", key
        )
        if found:
            arrays.setdefault(found[1], {})[int(found[2] or 0)] = value
    names = arrays.get("BUILT_MODULE_NAME") or {0: package}
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


def _kbuild_calls(command: str, build: str) -> tuple[list[str], dict[str, str]]:
    """The kbuild folders that the calls of make in a MAKE directive name by ``M=``, and the variables that
    they set. A call of the driver's own Makefile names no kbuild folder."""
    folders: list[str] = []
    variables: dict[str, str] = {}
    for words in _make_calls(parse_shell(command)):
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


def _make_calls(node: Node) -> Iterator[list[str]]:
    """The words behind each ``make`` of a piece of shell."""
    if node.type == "command":
        try:
            words = shlex.split(text_of(node))
        except ValueError:
            return
        while words and re.match(r"'?[A-Za-z_]\w*=", words[0]):
            words = words[1:]
        if words and posixpath.basename(words[0]) in ("make", "$MAKE", "$(MAKE)"):
            yield words[1:]
        return
    for child in node.named_children:
        yield from _make_calls(child)

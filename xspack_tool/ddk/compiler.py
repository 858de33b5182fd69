"""Which compiler kbuild will use, and what it can."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping

from xspack_tool.ddk.request import Compiler
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.errors import StepError
from xspack_tool.run import ASKING, run


def find_compiler(tree: KernelTree, make_variables: Mapping[str, str], prefix: str = "") -> Compiler:
    """The compiler for modules of ``tree``: the user's CC, else the command that the kernel's own build names
    (Debian's gcc-12), else gcc or clang. Raises StepError if it, or the prefix, is not there."""
    command = make_variables.get("CC") or default_command(tree, make_variables)
    check_programs(tree, command, prefix)
    words = command.split()
    said = run([*words, "--version"], timeout=ASKING, what=f"asking {command} for its version").out
    first = (said.splitlines() or [""])[0]
    maps = "-ffile-prefix-map" if _maps_files(words, first) else "-fdebug-prefix-map"
    return Compiler(command, first, prefix, maps)


def _maps_files(words: list[str], version: str) -> bool:
    """Whether it knows -ffile-prefix-map, as gcc does from 8 on (gcc.gnu.org/gcc-8/changes.html); others are tried."""
    gcc = re.match(r"\S*gcc\S* \(.*\) (\d+)\.", version)
    if gcc and int(gcc[1]) >= 8:
        return True
    probe = [*words, "-ffile-prefix-map=a=b", "-x", "c", "-fsyntax-only", os.devnull]
    return run(probe, timeout=ASKING, check=False).status == 0


def check_programs(tree: KernelTree, *commands: str) -> None:
    """Raises StepError if a compiler or prefix of one is not there."""
    for program in filter(None, (command.split(" ")[0] for command in reversed(commands))):
        if not shutil.which(program):
            raise StepError(
                f"compiling modules for kernel {tree.kernel}: {program} not found; the kernel was made by "
                f"{tree.compiler or 'a compiler it does not name'}: install that one"
            )


def default_command(tree: KernelTree, make_variables: Mapping[str, str]) -> str:
    """The command that the tree itself would call."""
    named = re.match(r"(?:[a-z0-9_]+-)*(?:gcc|clang)-[0-9]+(?= )", tree.compiler)
    if named:
        return named[0]
    cross = make_variables.get("CROSS_COMPILE", "")
    uses_clang = "clang" in tree.compiler or make_variables.get("LLVM") == "1"
    return "clang" if uses_clang else f"{cross}gcc"


def differ(one: str, other: str) -> bool:
    """Whether two texts, as compilers (or kernels of theirs) give them, speak of different compilers or major versions.
    What cannot be told does not differ."""
    first, second = _kind(one), _kind(other)
    return None not in (first, second) and first != second


def _kind(text: str) -> tuple[bool, str] | None:
    while (plain := re.sub(r"\([^()]*\)", " ", text)) != text:
        text = plain
    version = re.search(r"(?<![\w.-])(\d+)\.\d+", text)
    return ("clang" in text, version[1]) if version else None

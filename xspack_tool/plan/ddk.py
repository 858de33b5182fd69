"""What kernel modules are compiled against, as an environment names it."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from xspack_tool.ddk.compiler import default_command, find_compiler
from xspack_tool.ddk.request import Compiler
from xspack_tool.ddk.tree import KernelTree, read_tree
from xspack_tool.errors import Problem, StepError
from xspack_tool.plan.memo import remembered
from xspack_tool.plan.profile import profile_of
from xspack_tool.profiles.local import kernel_trees

_read = functools.cache(read_tree)


def tree_of(env: Any, value: Any = None) -> KernelTree | Problem | None:
    """The kernel build tree that ``value``, else XSPACK_DDK, names; None where neither is given."""
    named = value or env.get("XSPACK_DDK")
    if not named:
        return None
    path = (
        env.Dir(env.subst(named)).srcnode().get_abspath() if isinstance(named, str) else named.get_abspath()
    )
    return _read("ddk" if value else "XSPACK_DDK", path)


def installed_trees() -> list[str]:
    """The kernel build trees that this machine has, the newest kernel's last."""
    return list(kernel_trees().values())


def kernel_of(env: Any) -> str:
    """The kernel (`uname -r`) that an environment's packages are for: of its build tree, else of its profile."""
    tree = tree_of(env)
    if isinstance(tree, KernelTree):
        return tree.kernel
    kernels = profile_of(env).kernels
    return kernels[0] if kernels else ""


def compiler_of(env: Any, tree: KernelTree, variables: Mapping[str, str], prefix: str) -> Compiler | Problem:
    """The compiler for modules of ``tree``; asked for its version again only when its file changes."""
    command = variables.get("CC") or default_command(tree, variables)
    file = shutil.which(command.split(" ")[0])
    found = os.stat(file) if file else None
    state = [file, found.st_size, found.st_mtime_ns] if found else None
    key = f"compiler {command} {prefix} {sorted(variables.items())}"
    try:
        fields = remembered(env, key, state, lambda: asdict(find_compiler(tree, variables, prefix)))
    except StepError as error:
        return Problem("ddk", str(tree.path), str(error), "then build again")
    return Compiler(**fields)

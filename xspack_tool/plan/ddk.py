"""What kernel modules are compiled against, as an environment names it."""

from __future__ import annotations

import functools
from typing import Any

from xspack_tool.ddk.tree import KernelTree, read_tree
from xspack_tool.errors import Problem
from xspack_tool.plan.profile import profile_of

_read = functools.cache(read_tree)


def tree_of(env: Any, value: Any = None) -> KernelTree | Problem | None:
    """The kernel build tree that ``value``, else XSPACK_DDK, names; None where neither is given."""
    named = value or env.get("XSPACK_DDK")
    if not named:
        return None
    path = env.Dir(env.subst(named)).srcnode().get_abspath() if isinstance(named, str) else named.get_abspath()
    return _read("ddk" if value else "XSPACK_DDK", path)


def kernel_of(env: Any) -> str:
    """The kernel (`uname -r`) that an environment's packages are for: of its build tree, else of its profile."""
    tree = tree_of(env)
    if isinstance(tree, KernelTree):
        return tree.kernel
    kernels = profile_of(env).kernels
    return kernels[0] if kernels else ""

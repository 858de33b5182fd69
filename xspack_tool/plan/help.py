"""What `scons -h` says of xspack: the kinds, the variables, and every target that was declared."""

from __future__ import annotations

from typing import Any

import SCons.Script

from xspack_tool.plan.session import session
from xspack_tool.plan.settings import VARIABLES


def wanted() -> bool:
    """Whether SCons was called for help."""
    return bool(SCons.Script.GetOption("help"))


def introduce() -> None:
    """Tell the commands and variables, once."""
    if not wanted() or not session().first_time("help"):
        return
    rows = [f"  {name}\n      {meaning}" for name, meaning in VARIABLES.items()]
    commands = [
        "  scons pack          build and sign every pack",
        "  scons pack:<label>  one of them",
        "  scons check         build the RPMs and judge them, without an ISO",
        "  (`pack` and `check` as made here, where the SConstruct makes none of its own)",
    ]
    SCons.Script.HelpFunction("\n".join(["xspack", *commands, "Variables:", *rows, "Declared:", ""]))


def tell_kind(kind: Any) -> None:
    """Tell of a kind that a SConstruct added."""
    if wanted():
        introduce()
        SCons.Script.HelpFunction(
            f"  env.{kind.__name__}(..): {(kind.__doc__ or '').strip().splitlines()[0]}\n"
        )


def tell(target: str, node: Any, content: str = "") -> None:
    """Tell of a declared target, the file it makes, and what it holds."""
    if wanted():
        introduce()
        SCons.Script.HelpFunction(f"  {target} -> {node}{f': {content}' if content else ''}\n")

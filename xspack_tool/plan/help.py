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
    """Tell the variables, once."""
    if not wanted() or not session().first_time("help"):
        return
    rows = [f"  {name}\n      {meaning}" for name, meaning in VARIABLES.items()]
    SCons.Script.HelpFunction("\n".join(["xspack", "Variables:", *rows, "Declared:", ""]))


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


def tell_alias(name: str, label: str) -> None:
    """Tell of the aliases that a target has."""
    if not wanted():
        return
    introduce()
    lines = []
    if session().first_time(f"help of {name}"):
        lines = [
            f"scons {name}  build and sign all of them",
            "scons check  build their RPMs and judge them, without an ISO",
        ]
    lines += [f"scons {name}:{label}", f"scons check:{label}"]
    SCons.Script.HelpFunction("".join(f"  {line}\n" for line in lines))

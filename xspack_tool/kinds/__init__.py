"""The declared targets: one file each, and the list of them."""

from __future__ import annotations

from typing import Any

from SCons.Script import ARGUMENTS

from xspack_tool.kinds.base import REQUIRED, Field, Kind, PackageKind, add_kind
from xspack_tool.kinds.draft import Draft
from xspack_tool.kinds.firmware import Firmware
from xspack_tool.kinds.helpers import install_helpers
from xspack_tool.kinds.kernel_module import KernelModule
from xspack_tool.kinds.pack import Pack
from xspack_tool.kinds.prebuilt_rpm import PrebuiltRpm
from xspack_tool.kinds.spec_rpm import SpecRpm
from xspack_tool.kinds.userspace import Userspace
from xspack_tool.plan.cache import CheckedCache
from xspack_tool.plan.explain import install_explain
from xspack_tool.plan.help import introduce, tell_kind
from xspack_tool.plan.session import install_gate

__all__ = ["REQUIRED", "Draft", "Field", "Kind", "PackageKind", "add_kind", "install"]

KINDS: tuple[type[Kind], ...] = (Userspace, Firmware, KernelModule, PrebuiltRpm, SpecRpm, Pack)

#: Construction variables and what they are where nobody sets them.
DEFAULTS = {"XSPACK_TARGET": "xenserver-8", "XSPACK_OUT": "#build", "XSPACK_GNUPGHOME": ""}


def install(env: Any) -> None:
    """Make every kind and helper available as ``env.<Name>``."""
    install_gate()
    install_explain()
    introduce()
    # A variable may be given on the command line, too: scons XSPACK_STRICT=1. The SConstruct has the last word.
    given = {name: value for name, value in ARGUMENTS.items() if name.startswith("XSPACK_")}
    env.SetDefault(**{**DEFAULTS, **given}, CACHEDIR_CLASS=CheckedCache)
    for kind in KINDS:
        add_kind(env, kind)
    env.AddMethod(_add_users_kind, "XsKind")
    install_helpers(env)


def _add_users_kind(env: Any, kind: type[Kind]) -> None:
    """A kind written outside this package becomes ``env.<its class name>`` and appears in help."""
    add_kind(env, kind)
    tell_kind(kind)

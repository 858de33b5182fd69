"""The declared targets: one file each, and the list of them."""

from __future__ import annotations

from typing import Any

from xspack_tool.kinds.base import REQUIRED, Field, Kind, PackageKind, add_kind
from xspack_tool.kinds.draft import Draft
from xspack_tool.kinds.firmware import Firmware
from xspack_tool.kinds.pack import Pack
from xspack_tool.kinds.kernel_module import KernelModule
from xspack_tool.kinds.prebuilt_rpm import PrebuiltRpm
from xspack_tool.kinds.spec_rpm import SpecRpm
from xspack_tool.kinds.userspace import Userspace
from xspack_tool.plan.explain import install_explain
from xspack_tool.plan.help import introduce, tell_kind
from xspack_tool.plan.keys import test_key
from xspack_tool.plan.session import install_gate, user_place
from xspack_tool.plan.sources import XsFile, XsLink
from xspack_tool.profiles.local import kernel_trees

__all__ = ["REQUIRED", "Draft", "Field", "Kind", "PackageKind", "add_kind", "install"]

KINDS: tuple[type[Kind], ...] = (Userspace, Firmware, KernelModule, PrebuiltRpm, SpecRpm, Pack)

#: Construction variables and what they are where nobody sets them.
DEFAULTS = {"XSPACK_TARGET": "xenserver-8", "XSPACK_OUT": "#build", "XSPACK_GNUPGHOME": ""}


def install(env: Any) -> None:
    """Make every kind and helper available as ``env.<Name>``."""
    install_gate()
    install_explain()
    introduce()
    env.SetDefault(**DEFAULTS)
    for kind in KINDS:
        add_kind(env, kind)
    env.AddMethod(_add_users_kind, "XsKind")
    env.AddMethod(lambda env, source, **options: XsFile(source, **options), "XsFile")
    env.AddMethod(lambda env, target: XsLink(target), "XsLink")
    env.AddMethod(lambda env: list(kernel_trees().values()), "XsKernelTrees")
    env.AddMethod(lambda env, name: test_key(env, name, user_place()), "TestKey")


def _add_users_kind(env: Any, kind: type[Kind]) -> None:
    """A kind written outside this package becomes ``env.<its class name>`` and appears in help."""
    add_kind(env, kind)
    tell_kind(kind)

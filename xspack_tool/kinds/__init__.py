"""The declared targets: one file each, and the list of them. A file is imported when its target is first declared:
an environment without packs costs next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from SCons.Errors import UserError

from xspack_tool.plan.aliases import make_aliases
from xspack_tool.plan.cache import SignedCache
from xspack_tool.plan.explain import install_explain
from xspack_tool.plan.gate import install_gate
from xspack_tool.plan.help import introduce, tell_kind
from xspack_tool.plan.interrupted import end_when_read
from xspack_tool.plan.session import session, user_place
from xspack_tool.plan.settings import DEFAULTS, unknown_variables

if TYPE_CHECKING:
    from xspack_tool.kinds.base import REQUIRED, Field, Kind, PackageKind, add_kind
    from xspack_tool.kinds.package_declaration import PackageDeclaration

__all__ = [
    "REQUIRED",
    "Field",
    "Kind",
    "PackageDeclaration",
    "PackageKind",
    "add_kind",
    "all_kinds",
    "install",
]

#: Our own kinds, each with its file.
KINDS = {
    "Userspace": "userspace",
    "Firmware": "firmware",
    "KernelModule": "kernel_module",
    "PrebuiltRpm": "prebuilt_rpm",
    "SpecRpm": "spec_rpm",
    "Pack": "pack",
    "Submission": "submission",
}
#: The functions of helpers.py that are called as ``env.<name>``.
HELPERS = {
    "Ddk": "xs_ddk",
    "XsFile": "xs_file",
    "XsDir": "xs_dir",
    "XsConfig": "xs_config",
    "XsLink": "xs_link",
    "XsUser": "xs_user",
    "XsPatch": "xs_patch",
    "XsStatusReport": "xs_status_report",
    "XsRule": "xs_rule",
    "XsKernelTrees": "xs_kernel_trees",
    "TestKey": "xs_test_key",
}
#: What kinds outside this package are written with.
_OFFERED = dict.fromkeys(("REQUIRED", "Field", "Kind", "PackageKind", "add_kind"), "base") | {
    "PackageDeclaration": "package_declaration"
}


def install(env: Any) -> None:
    """Make every kind and helper available as ``env.<Name>``."""
    install_gate()
    install_explain()
    introduce()
    session().environments.append((env, user_place()))
    if session().first_time("aliases"):
        session().when_read += [end_when_read, unknown_variables, make_aliases]
    env.SetDefault(**DEFAULTS, CACHEDIR_CLASS=SignedCache)
    for name in KINDS:
        env.AddMethod(_declaration(name), name)
    for name, function in HELPERS.items():
        env.AddMethod(_helper(name, function), name)
    env.AddMethod(_add_users_kind, "XsKind")
    type(env).__getattr__ = _name_the_nearest


class UnknownKind(UserError, AttributeError):
    """A misspelt kind, as a mistake of the user's; for ``hasattr`` it is what it always was."""


def _name_the_nearest(env: Any, name: str) -> Any:
    nearest = _nearest(name)
    if not nearest:
        raise AttributeError(f"{type(env).__name__!r} object has no attribute {name!r}")
    raise UnknownKind(f"{user_place()}: env.{name}: no such kind; did you mean env.{nearest}?")


@cache
def _nearest(name: str) -> str:
    """The kind or helper with a similar name. SCons asks environments for attributes of its own, too, at each node."""
    if name.startswith("_"):
        return ""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, [*KINDS, *HELPERS], n=1, cutoff=0.75)), "")


def all_kinds() -> tuple[type[Kind], ...]:
    """The class of each of our own kinds."""
    return tuple(_found(module, name) for name, module in KINDS.items())


def __getattr__(name: str) -> Any:
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _found(_OFFERED[name], name)


def _found(module: str, name: str) -> Any:
    return getattr(import_module(f"{__name__}.{module}"), name)


def _declaration(name: str) -> Callable[..., Any]:
    def method(env: Any, *names: Any, **given: Any) -> Any:
        return _found("base", "declare")(_found(KINDS[name], name), env, names, given)

    return method


def _helper(name: str, function: str) -> Callable[..., Any]:
    def method(env: Any, *words: Any, **options: Any) -> Any:
        return _found("helpers", "call")(name, _found("helpers", function), env, words, options)

    return method


def _add_users_kind(env: Any, kind: type[Kind]) -> None:
    """A kind written outside this package becomes ``env.<its class name>`` and appears in help."""
    _found("base", "add_kind")(env, kind)
    tell_kind(kind)

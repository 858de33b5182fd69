"""The dom0 profile of an environment, and the other settings that declarations share."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from xspack_tool.errors import DeclarationError, Problem
from xspack_tool.model.profile import Profile
from xspack_tool.plan.scons import built_problems
from xspack_tool.plan.session import session, user_place
from xspack_tool.releases import load_profile, read_values

_loaded: dict[str, Profile] = {}


def profile_of(env: Any) -> Profile:
    """The profile that XSPACK_TARGET names. A wrong one is reported with the other mistakes, and the
    default profile stands in for it until then."""
    name = _text(env, "XSPACK_TARGET")
    if "/" in name or name.endswith(".toml"):
        name = env.File(name).srcnode().get_abspath()
    if name not in _loaded:
        session().general.checks.append(functools.partial(_built_profile, env, "XSPACK_TARGET", name))
        try:
            _loaded[name] = load_profile(name, functools.partial(_values, env))
        except DeclarationError as error:
            # The default stands in for it, in whatever is declared: nothing of ours is built.
            session().general.problems += [
                problem.at(user_place(), "Environment") for problem in error.problems
            ]
            _loaded[name] = load_profile("xenserver-8")
    return _loaded[name]


def _values(env: Any, file: Path) -> dict[str, Any]:
    """What a profile of ours says, remembered from run to run."""
    # It asks this module where to remember.
    from xspack_tool.plan.read_cache import file_state, read_cached

    key, state = f"profile {file}", file_state(file)
    values: dict[str, Any] = read_cached(env, key, state, lambda: read_values(file), cheap=True)
    return values


def _built_profile(env: Any, field: str, name: str) -> list[Problem]:
    """Whether the build makes a profile that was read already."""
    if "/" not in name:
        return []
    return built_problems(field, env.File(name), "commit the file")


def release_name(env: Any, name: str) -> str:
    """The name of a release's profile; a path is made absolute."""
    is_path = "/" in name or name.endswith(".toml")
    return str(env.File(name).srcnode().get_abspath()) if is_path else name


def release_problems(env: Any, field: str, name: str) -> list[Problem]:
    """What is wrong with the profile that a name, or a path, stands for."""
    path = release_name(env, name)
    session().checks.append(functools.partial(_built_profile, env, field, path))
    try:
        load_profile(path)
    except DeclarationError as error:
        return [
            replace(problem, field=field if problem.field == "XSPACK_TARGET" else problem.field)
            for problem in error.problems
        ]
    return []


def out_path(env: Any, *parts: str) -> str:
    """A path below XSPACK_OUT."""
    return "/".join([_text(env, "XSPACK_OUT").rstrip("/"), *parts])


def _text(env: Any, variable: str) -> str:
    """The value of a variable; substitution is slow, so it is left out where there is nothing to substitute."""
    value = env.get(variable, "")
    return value if type(value) is str and "$" not in value else str(env.subst(f"${variable}"))


def is_on(env: Any, variable: str) -> bool:
    """Whether a variable that is a switch is on."""
    return _text(env, variable).lower() not in ("", "0", "no", "false", "off")


def source_date_epoch() -> int | None:
    """SOURCE_DATE_EPOCH of the caller's environment, in seconds since 1970."""
    value = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not value:
        return None
    if not value.isdigit():
        problem = Problem("SOURCE_DATE_EPOCH", value, "not a number of seconds", "set it to one, or unset it")
        session().general.problems.append(problem)
        return None
    return int(value)


def keyring(env: Any) -> Path | None:
    """XSPACK_GNUPGHOME, or None for gpg's own."""
    home = env.subst("$XSPACK_GNUPGHOME")
    return Path(env.Dir(home).srcnode().get_abspath()) if home else None

"""The dom0 profile of an environment."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from xspack_tool.errors import DeclarationError, Problem
from xspack_tool.model.profile import Profile
from xspack_tool.plan.read_cache import file_state, read_cached
from xspack_tool.plan.scons import built_problems
from xspack_tool.plan.session import session, user_place
from xspack_tool.plan.settings import text_of
from xspack_tool.releases import load_profile, read_values


def profile_of(env: Any) -> Profile:
    """The profile that XSPACK_TARGET names. A wrong one is reported with the other mistakes, and the
    default profile stands in for it until then."""
    name = text_of(env, "XSPACK_TARGET")
    if "/" in name or name.endswith(".toml"):
        name = env.File(name).srcnode().get_abspath()
    profiles = session().profiles
    if name not in profiles:
        session().general.checks.append(functools.partial(_built_profile, env, "XSPACK_TARGET", name))
        try:
            profiles[name] = load_profile(name, functools.partial(_values, env))
        except DeclarationError as error:
            # The default stands in for it, in whatever is declared: nothing of ours is built.
            session().general.problems += [
                problem.at(user_place(), "Environment") for problem in error.problems
            ]
            profiles[name] = load_profile("xenserver-8")
    return profiles[name]


def _values(env: Any, file: Path) -> dict[str, Any]:
    """What a profile of ours says, remembered from run to run."""
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

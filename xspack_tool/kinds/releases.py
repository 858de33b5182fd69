"""One pack for each release: which RPMs of a driver that was built for several kits go into which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from xspack_tool.errors import Problem
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.profile import Profile
from xspack_tool.plan.node_record import record_of, rpm_of
from xspack_tool.plan.package import PlannedRpm
from xspack_tool.plan.profile import profile_of


def release_label(label: str, release: str) -> str:
    """The label of a release's own pack: ``acme-nic-xcp-ng-8_3``."""
    return f"{label}-{release}".replace(".", "_")


def packages_for(env: Any, packages: Sequence[Any]) -> tuple[list[Any], list[Problem]]:
    """The packages that go into the pack of the release that is the target of ``env``: of each driver the RPM for
    it, and all others but those that are for another kernel. A driver that was not built for the release is a
    mistake, and so is a pack in which nothing is left."""
    profile = profile_of(env)
    drivers: dict[tuple[str, str], list[Any]] = {}
    chosen = []
    for node in packages:
        planned = record_of(node).rpm
        if planned is None or planned.kit is None:
            chosen += [node] if planned is None or _may_be_for(planned, profile) else []
        else:
            drivers.setdefault((str(planned.place), planned.target), []).append(node)
    problems = []
    for (_, target), nodes in drivers.items():
        fitting = [node for node in nodes if _is_for(env, rpm_of(node), profile)]
        chosen += fitting
        if not fitting:
            rule = f"{target} is not built for {profile.name}"
            remedy = f'give it a kit of that release: ddk=[.., env.Ddk(tree, release="{profile.name}")]'
            problems.append(Problem("releases", profile.name, rule, remedy))
    if packages and not chosen and not problems:
        rule = f"none of the packages is for its kernel, {', '.join(profile.kernels)}"
        problems.append(Problem("releases", profile.name, rule, "add one that is, or leave the release out"))
    return chosen, problems


def nowhere(env: Any, packages: Sequence[Any], releases: Iterable[str]) -> dict[Any, Problem]:
    """The packages that are for the kernel of none of the releases, each with a Problem that says so."""
    profiles = [profile_of(env.Override({"XSPACK_TARGET": name})) for name in releases]
    problems = {}
    for node in packages:
        planned = record_of(node).rpm
        if planned and not any(_may_be_for(planned, profile) for profile in profiles):
            rule = f"it is for kernel {', '.join(planned.kernels)}, which none of the releases has"
            remedy = "leave it out, or add its release"
            problems[node] = Problem("packages", planned.identity.file_name, rule, remedy)
    return problems


def _may_be_for(planned: PlannedRpm, profile: Profile) -> bool:
    """Whether an RPM made elsewhere fits a release, as far as both name kernels."""
    return not planned.kernels or not profile.kernels or bool(set(planned.kernels) & set(profile.kernels))


def _is_for(env: Any, planned: PlannedRpm, profile: Profile) -> bool:
    """Whether an RPM's modules are for a release: by the release of its kit, else by its kernel."""
    if planned.kit is None or not planned.kit.release:
        return planned.kit is not None and planned.kit.kernel in profile.kernels
    return profile_of(planned.kit.for_env(env)).name == profile.name


def release_requirements(profile: Profile, stated: Sequence[Dependency]) -> list[Dependency]:
    """What the pack of a release requires besides what the user stated: at least that release."""
    version = profile.provides.get("product-version", "")
    wanted = Dependency("product-version", ">=", version)
    return [wanted] if version and wanted not in stated else []

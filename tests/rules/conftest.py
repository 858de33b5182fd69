"""Real RPMs, and what the rules say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from forge import forged
from msgspec.structs import replace
from pack_maker import keys, make_pack
from support import need

from xspack_tool.model.dependency import Dependency, parse_dependency
from xspack_tool.model.pack import Pack
from xspack_tool.model.profile import Profile
from xspack_tool.releases import load_profile
from xspack_tool.rpm.read import read_rpm
from xspack_tool.rules.context import DriverData, PackContext
from xspack_tool.rules.engine import check_pack, check_rpm
from xspack_tool.rules.finding import Finding
from xspack_tool.rules.registry import all_rules

__all__ = ["forged", "keys", "make_pack"]

#: A profile of the tests: a release whose installer sets XS_PREVIOUS_INSTALLATION, as none of today does.
SETS_PREVIOUS = "sets-previous"


def profile_of(name: str) -> Profile:
    if name == SETS_PREVIOUS:
        return replace(load_profile("xenserver-8"), sets_previous_installation=True)
    return load_profile(name)


UUID = "9a1f0f0e-4b4e-4f8a-9a53-0d6e0d1f5b11"


def told(findings: Iterable[Finding], rpms: bool = False) -> list[str]:
    """Severity, place and what was found, of each finding."""
    return [
        f"{one.severity} {f'{one.rpm}: ' if rpms and one.rpm else ''}{one.where}: {one.found}"
        for one in findings
    ]


@pytest.fixture
def bash() -> None:
    """Rules that ask `bash -n`."""
    need("bash")


@pytest.fixture(scope="session")
def verdict(forged: Callable[..., Path]) -> Callable[..., list[str]]:
    """What one rule says of an RPM with the fields of Forged."""

    def judge(
        rule: str, profile: str = "xenserver-8", driver_data: DriverData | None = None, **fields: Any
    ) -> list[str]:
        rules = [one for one in all_rules() if one.id == rule]
        return told(check_rpm(forged(**fields), profile_of(profile), driver_data, rules))

    return judge


@pytest.fixture(scope="session")
def pack_verdict() -> Callable[..., list[str]]:
    """What one rule says of a pack that holds these RPMs; other fields are Pack's and PackContext's."""

    def judge(rule: str, rpms: Iterable[Path] = (), profile: str = "xenserver-8", **fields: Any) -> list[str]:
        rules = [one for one in all_rules() if one.id == rule]
        return told(check_pack(pack_context(rpms, profile, **fields), rules), rpms=True)

    return judge


def pack_context(rpms: Iterable[Path], profile: str = "xenserver-8", **fields: Any) -> PackContext:
    """A sound pack with these RPMs; ``requires`` are texts, ``of_context`` what Pack has a field of that name for."""
    words = {
        "label": "acme-suite",
        "version": "5.2",
        "uuid": UUID,
        "description": "Acme",
        "key": "RPM-GPG-KEY-Acme",
    }
    words["volume_id"] = "acme_suite_5_2"
    requires = tuple(map(dependency, fields.pop("requires", ())))
    of_context = fields.pop("of_context", {})
    signed = tuple(map(read_rpm, fields.pop("signed_rpms", ())))
    of_pack = {name: fields.pop(name) for name in list(fields) if name in Pack.__struct_fields__}
    pack = Pack(**{**words, "requires": requires, **of_pack})
    infos = tuple(map(read_rpm, rpms))
    return PackContext(pack, load_profile(profile), infos, signed=signed, **fields, **of_context)


def dependency(text: str) -> Dependency:
    """A dependency as a declaration has it; one that cannot be parsed is taken word by word."""
    found = parse_dependency("requires", text)
    return found if isinstance(found, Dependency) else Dependency(*text.split())

"""A dom0 release: what a host of it has, as far as a pack can depend on it."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from xspack_tool.errors import Problem
from xspack_tool.model.canonical import canonical


class Profile(Struct, frozen=True, dict=True):
    """The data of one dom0 release. An empty value means: not known, so nothing is judged by it.

    ``kernels`` are as ``uname -r`` says them; ``module_dirs`` are the folders below ``/lib/modules/<kernel>``
    that a vendor may use, the first being the one to use; ``glibc`` and ``glibcxx`` are the newest symbol
    versions (``2.17``, ``3.4.19``); ``pythons`` are interpreter paths with their ``X.Y``; ``interpreters``
    are the paths that a shebang or a scriptlet may name; ``payload`` is rpm's ``%_binary_payload``;
    ``rpmlib`` holds whole capabilities (``rpmlib(PayloadIsXz)``); ``provides`` are capabilities of the
    release with their versions, empty where a version is not known; ``releasever`` is what dnf calls so.
    """

    name: str
    title: str
    manager: str
    firewall: str
    arch: str
    kernels: tuple[str, ...]
    module_dirs: tuple[str, ...]
    glibc: str
    glibcxx: str
    pythons: Mapping[str, str]
    interpreters: tuple[str, ...]
    rpm: str
    payload: str
    rpmlib: tuple[str, ...]
    provides: Mapping[str, str]
    releasever: str
    sets_previous_installation: bool
    #: Whether drivers lie side by side in variants, of which an administrator selects one (driver-tool).
    multi_version_drivers: bool = False
    #: "enforced" where no kernel loads a module without a signature that it knows, else "".
    module_signatures: str = ""
    #: The certificates whose signatures its kernels take, in PEM, and the hashes (``sha256``) of such signatures.
    module_keys: tuple[str, ...] = ()
    module_hashes: tuple[str, ...] = ()
    #: What its builds put for %{?dist}; empty where that is not known.
    dist: str = ""
    #: Whether its installer takes driver disks and no other packs.
    driver_disks_alone: bool = False
    #: "el9" where its rpm refuses what the policy of EL 9 and later refuses, "" where that is not known.
    crypto_policy: str = ""

    def __hash__(self) -> int:
        return hash((self.name, self.kernels))

    @property
    def has_sysusers(self) -> bool:
        """Whether its systemd makes the accounts of sysusers.d: CentOS 7's (219) does not, those of releases with dnf
        do."""
        return self.manager == "dnf"

    @property
    def canonical(self) -> str:
        """All values as one text that is the same on every machine (see :mod:`.canonical`)."""
        return canonical(self)

    @functools.cached_property
    def digest(self) -> str:
        """The name, and a digest of all values."""
        return f"{self.name} {hashlib.sha256(self.canonical.encode()).hexdigest()}"

    @property
    def python(self) -> str:
        """The path of the newest interpreter, by its shortest name; empty where no Python is known."""
        if self.pythons:
            return min(
                self.pythons, key=lambda path: (*(-n for n in _numbers(self.pythons[path])), len(path), path)
            )
        return next((path for path in self.interpreters if path.endswith("/python3")), "")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _version(value: object) -> bool:
    return isinstance(value, str) and (not value or all(part.isdigit() for part in value.split(".")))


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _paths(value: object) -> bool:
    return isinstance(value, list) and all(_text(item) and item.startswith("/") for item in value)


def _certificates(value: object) -> bool:
    return isinstance(value, list) and all(
        _text(item) and item.lstrip().startswith("-----BEGIN CERTIFICATE-----") for item in value
    )


def _table(value: object) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


def _pythons(value: object) -> bool:
    return isinstance(value, dict) and all(
        path.startswith("/") and _version(version) and str(version).count(".") == 1
        for path, version in value.items()
    )


class Holds(Struct, frozen=True):
    """What a key holds: a check, the check in words, and as JSON Schema, for editors."""

    check: Callable[[object], bool]
    words: str
    schema: Mapping[str, Any]


_STRING = {"type": "string"}
_TEXT = Holds(_text, "a text", _STRING)
_TEXTS = Holds(_texts, "a list of texts", {"type": "array", "items": _STRING})
_FLAG = Holds(lambda value: isinstance(value, bool), "true or false", {"type": "boolean"})
_VERSIONED = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)*)?$"}


def _word(words: str, *allowed: str) -> Holds:
    return Holds(lambda value: value in allowed, words, {"enum": list(allowed)})


#: Each key of a profile's file: what it says, and what it holds.
KEYS: dict[str, tuple[str, Holds]] = {
    "title": ("the name of the release for people", _TEXT),
    "manager": ("its package manager", _word('"yum" or "dnf"', "yum", "dnf")),
    "firewall": ("what keeps its firewall", _word('"iptables" or "firewalld"', "iptables", "firewalld")),
    "arch": ("its machine, as `uname -m` says it", _TEXT),
    "kernels": ("its kernels, as `uname -r` says them", _TEXTS),
    "module_dirs": (
        "folders below /lib/modules/<kernel> for vendors, the first being the one to use",
        _TEXTS,
    ),
    "glibc": (
        "the newest symbol version of its glibc",
        Holds(_version, 'a version such as "2.17", or ""', _VERSIONED),
    ),
    "glibcxx": (
        "the newest symbol version of its libstdc++",
        Holds(_version, 'a version such as "3.4.19", or ""', _VERSIONED),
    ),
    "pythons": (
        "paths of Python with their versions",
        Holds(
            _pythons,
            'a table of paths with versions such as "3.6"',
            {
                "type": "object",
                "propertyNames": {"pattern": "^/"},
                "additionalProperties": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+$"},
            },
        ),
    ),
    "interpreters": (
        "paths that a #! line or a scriptlet may name",
        Holds(
            _paths,
            "a list of absolute paths",
            {"type": "array", "items": {"type": "string", "pattern": "^/"}},
        ),
    ),
    "rpm": ("the version of its rpm", _TEXT),
    "payload": ("how its rpm compresses: %_binary_payload", _TEXT),
    "rpmlib": ("features of its rpm, such as rpmlib(PayloadIsXz); empty where they are not known", _TEXTS),
    "provides": (
        "capabilities of the release with their versions, empty where one is not known",
        Holds(_table, "a table of texts", {"type": "object", "additionalProperties": _STRING}),
    ),
    "releasever": ("what dnf calls so", _TEXT),
    "sets_previous_installation": ("whether its installer sets XS_PREVIOUS_INSTALLATION", _FLAG),
    "multi_version_drivers": ("whether an administrator selects among variants of a driver", _FLAG),
    "module_signatures": (
        "whether its kernels load signed modules alone",
        _word('"enforced" or ""', "enforced", ""),
    ),
    "module_keys": (
        "certificates whose signatures its kernels take",
        Holds(
            _certificates,
            "a list of certificates in PEM",
            {"type": "array", "items": {"type": "string", "pattern": r"^\s*-----BEGIN CERTIFICATE-----"}},
        ),
    ),
    "module_hashes": ("hashes, such as sha256, of signatures that its kernels take", _TEXTS),
    "dist": ("what its builds put for %{?dist}; empty where that is not known", _TEXT),
    "driver_disks_alone": ("whether its installer takes driver disks, and no other packs", _FLAG),
    "crypto_policy": (
        'the policy by which its rpm refuses keys: "el9" of EL 9 and later, or empty',
        _word('"el9" or ""', "el9", ""),
    ),
}


def profile_schema() -> dict[str, Any]:
    """The JSON Schema (draft 7, which editors of TOML know) of a profile's file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "xspack: profile of a dom0 release",
        "type": "object",
        "additionalProperties": False,
        "required": list(KEYS),
        "properties": {
            key: {"description": meaning, **holds.schema} for key, (meaning, holds) in KEYS.items()
        },
    }


def schema_text() -> str:
    """It as the text of a file."""
    return json.dumps(profile_schema(), indent=2) + "\n"


def profile_problems(file: str, data: Mapping[str, object]) -> list[Problem]:
    """Every mistake in the content of a profile's file; each names the file and the key."""
    problems = [
        Problem(key, data[key], f"{file}: unknown key", _did_you_mean(key, data))
        for key in data
        if key not in KEYS
    ]
    for key, (_, holds) in KEYS.items():
        if key not in data:
            problems.append(
                Problem("", None, f"{file}: the key {key!r} is missing", f"give {key}: {holds.words}")
            )
        elif not holds.check(data[key]):
            problems.append(Problem(key, data[key], f"{file}: must be {holds.words}", "correct it"))
    return problems


def _did_you_mean(key: str, data: Mapping[str, object]) -> str:
    import difflib

    near = difflib.get_close_matches(key, [known for known in KEYS if known not in data], n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(KEYS)}"


def make_profile(name: str, data: Mapping[str, Any]) -> Profile:
    """The profile of ``data``, in which :func:`profile_problems` found nothing."""
    frozen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
    }
    return Profile(name=name, **frozen)

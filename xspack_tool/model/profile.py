"""A dom0 release: what a host of it has, as far as a pack can depend on it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xspack_tool.errors import Problem
from xspack_tool.model.canonical import canonical


@dataclass(frozen=True)
class Profile:
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
    pythons: Mapping[str, str] = field(hash=False)
    interpreters: tuple[str, ...]
    rpm: str
    payload: str
    rpmlib: tuple[str, ...]
    provides: Mapping[str, str] = field(hash=False)
    releasever: str
    sets_previous_installation: bool
    #: Whether drivers lie side by side in variants, of which an administrator selects one (driver-tool).
    multi_version_drivers: bool = False
    #: "enforced" where no kernel loads a module without a signature that it knows, else "".
    module_signatures: str = ""
    #: The certificates whose signatures its kernels take, in PEM, and the hashes (``sha256``) of such signatures.
    module_keys: tuple[str, ...] = ()
    module_hashes: tuple[str, ...] = ()
    #: Whether its installer takes driver disks and no other packs.
    driver_disks_alone: bool = False

    @property
    def has_sysusers(self) -> bool:
        """Whether its systemd makes the accounts of sysusers.d: CentOS 7's (219) does not, those of releases with dnf
        do."""
        return self.manager == "dnf"

    @property
    def canonical(self) -> str:
        """All values as one text that is the same on every machine (see :mod:`.canonical`)."""
        return canonical(self)

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


def _one_of(*words: str) -> Callable[[object], bool]:
    return lambda value: value in words


#: What each key of a profile's file must hold: a check, and the check in words.
KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "title": (_text, "a text"),
    "manager": (_one_of("yum", "dnf"), '"yum" or "dnf"'),
    "firewall": (_one_of("iptables", "firewalld"), '"iptables" or "firewalld"'),
    "arch": (_text, "a text"),
    "kernels": (_texts, "a list of texts"),
    "module_dirs": (_texts, "a list of texts"),
    "glibc": (_version, 'a version such as "2.17", or ""'),
    "glibcxx": (_version, 'a version such as "3.4.19", or ""'),
    "pythons": (_pythons, 'a table of paths with versions such as "3.6"'),
    "interpreters": (_paths, "a list of absolute paths"),
    "rpm": (_text, "a text"),
    "payload": (_text, "a text"),
    "rpmlib": (_texts, "a list of texts"),
    "provides": (_table, "a table of texts"),
    "releasever": (_text, "a text"),
    "sets_previous_installation": (lambda value: isinstance(value, bool), "true or false"),
    "multi_version_drivers": (lambda value: isinstance(value, bool), "true or false"),
    "module_signatures": (_one_of("enforced", ""), '"enforced" or ""'),
    "module_keys": (_certificates, "a list of certificates in PEM"),
    "module_hashes": (_texts, "a list of texts"),
    "driver_disks_alone": (lambda value: isinstance(value, bool), "true or false"),
}


def profile_problems(file: str, data: Mapping[str, object]) -> list[Problem]:
    """Every mistake in the content of a profile's file; each names the file and the key."""
    found = [
        Problem(key, data[key], f"{file}: a profile has no such key", _did_you_mean(key, data))
        for key in data
        if key not in KEYS
    ]
    for key, (holds, words) in KEYS.items():
        if key not in data:
            found.append(Problem("", None, f"{file}: the key {key!r} is missing", f"give {key}: {words}"))
        elif not holds(data[key]):
            found.append(Problem(key, data[key], f"{file}: not what this key holds", f"give {words}"))
    return found


def _did_you_mean(key: str, data: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, [known for known in KEYS if known not in data], n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(KEYS)}"


def make_profile(name: str, data: Mapping[str, Any]) -> Profile:
    """The profile of ``data``, in which :func:`profile_problems` found nothing."""
    frozen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
    }
    return Profile(name=name, **frozen)

"""One RPM as declared: identity, payload, dependencies, scriptlets, changelog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xspack_tool.errors import Problem
from xspack_tool.model import syntax
from xspack_tool.model.changelog import CONSTANT_TIME, ChangelogEntry
from xspack_tool.model.dependency import Dependency, evr_text

#: The scriptlets of an RPM, in the order of a transaction.
PHASES = ("pretrans", "pre", "post", "preun", "postun", "posttrans")

Role = Literal["", "config", "doc", "license", "ghost"]


@dataclass(frozen=True)
class FileEntry:
    """One path of the payload.

    ``kind`` is ``file``, ``dir`` (the folder itself), ``link``, or ``archive``: a tar file made while
    building, whose members all go below ``path``. A file's content is ``text``, or what has the name ``source``
    among the package's contents, as has an archive. ``mode`` None means: from the source,
    0755 where its owner may execute it, else 0644.
    """

    path: str
    kind: Literal["file", "dir", "link", "archive"]
    mode: int | None = None
    owner: str = "root"
    group: str = "root"
    link: str = ""
    text: str | None = None
    role: Role = ""
    source: str = ""

    def problems(self, field: str) -> list[Problem]:
        """Mistakes in its mode and owners, which the user gave in ``field``."""
        found = []
        if self.mode is not None and (type(self.mode) is not int or not 0 <= self.mode <= 0o7777):
            rule = f"the mode of {self.path} is a number from 0 to 0o7777"
            found.append(Problem(field, self.mode, rule, "write it as mode=0o755"))
        for name, value in (("owner", self.owner), ("group", self.group)):
            if not isinstance(value, str) or not syntax.ACCOUNT.fullmatch(value):
                rule = f"the {name} of {self.path} is the name of an account"
                found.append(Problem(field, value, rule, f'write it as {name}="root"'))
        return found


def interpreter_of(text: str) -> str:
    """The program that the first line of a script names, empty where it names none."""
    first = text.partition("\n")[0]
    return first[2:].split()[0] if first.startswith("#!") and first[2:].strip() else ""


@dataclass(frozen=True)
class ScriptPart:
    """A piece of a scriptlet: a text, or (None) what has the name ``source`` among the package's contents."""

    text: str | None
    source: str = ""


@dataclass(frozen=True)
class Script:
    """A scriptlet: its parts run one after the other in one shell, or in ``interpreter``."""

    phase: str
    parts: tuple[ScriptPart, ...]
    interpreter: str = "/bin/sh"


@dataclass(frozen=True)
class Identity:
    """The NEVRA of an RPM that exists or will: what is known of it while reading."""

    name: str
    version: str
    release: str
    arch: str
    epoch: int = 0

    @property
    def file_name(self) -> str:
        """``name-version-release.arch.rpm``."""
        return f"{self.name}-{self.version}-{self.release}.{self.arch}.rpm"

    @property
    def evr(self) -> str:
        """``[epoch:]version-release``."""
        return evr_text(self.epoch, self.version, self.release)


@dataclass(frozen=True)
class Package:
    """An RPM as declared. The functions that write it take its ``contents``: the files by the names that its
    entries and the parts of its scripts have for them (``source``)."""

    name: str
    version: str
    release: str
    summary: str
    license: str
    arch: str = "x86_64"
    epoch: int = 0
    description: str = ""
    vendor: str = ""
    packager: str = ""
    url: str = ""
    group: str = "System Environment/Base"
    entries: tuple[FileEntry, ...] = ()
    requires: tuple[Dependency, ...] = ()
    requires_post: tuple[Dependency, ...] = ()
    requires_postun: tuple[Dependency, ...] = ()
    provides: tuple[Dependency, ...] = ()
    conflicts: tuple[Dependency, ...] = ()
    obsoletes: tuple[Dependency, ...] = ()
    scripts: tuple[Script, ...] = ()
    changelog: tuple[ChangelogEntry, ...] = ()
    #: Whether rpm looks for dependencies in the payload (ELF, interpreters).
    automatic_dependencies: bool = True

    @property
    def identity(self) -> Identity:
        """Its NEVRA."""
        return Identity(self.name, self.version, self.release, self.arch, self.epoch)

    @property
    def file_name(self) -> str:
        """``name-version-release.arch.rpm``."""
        return self.identity.file_name

    def time(self, source_date_epoch: int | None = None) -> int:
        """The package's time: its newest changelog entry, else SOURCE_DATE_EPOCH, else a constant."""
        if self.changelog:
            return max(entry.time for entry in self.changelog)
        return CONSTANT_TIME if source_date_epoch is None else source_date_epoch

    def problems(self) -> list[Problem]:
        """All mistakes in the package's own words."""
        found = [
            *syntax.check_name("name", self.name),
            *syntax.check_version("version", self.version),
            *syntax.check_version("release", self.release),
            *syntax.check_one_line("summary", self.summary),
        ]
        if self.license:
            found += syntax.check_one_line("license", self.license)
        else:
            remedy = "give an SPDX expression as license=, or set XSPACK_LICENSE"
            found.append(Problem("license", self.license, "an RPM names its licence", remedy))
        for name in ("vendor", "packager", "url", "group"):
            if getattr(self, name):
                found += syntax.check_one_line(name, getattr(self, name))
        if self.arch not in syntax.ARCHES:
            remedy = syntax.nearest(self.arch, syntax.ARCHES) or f"use one of {', '.join(syntax.ARCHES)}"
            found.append(Problem("arch", self.arch, "no architecture of dom0", remedy))
        return found

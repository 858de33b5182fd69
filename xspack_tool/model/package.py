"""One RPM as declared: identity, payload, dependencies, scriptlets, changelog."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from xspack_tool.errors import Problem
from xspack_tool.model import syntax
from xspack_tool.model.changelog import CONSTANT_TIME, ChangelogEntry
from xspack_tool.model.dependency import Dependency, evr_text

#: The scriptlets of an RPM, in the order of a transaction.
PHASES = ("pretrans", "pre", "post", "preun", "postun", "posttrans")

#: Scriptlets that run when another package comes or goes; a phase of theirs is ``triggerin -- name >= version``.
TRIGGERS = ("triggerprein", "triggerin", "triggerun", "triggerpostun")

#: ``config`` is kept on upgrade where it was changed, ``config-replace`` is put aside; with ``-missingok`` it may be
#: absent.
Role = Literal[
    "", "config", "config-replace", "config-missingok", "config-replace-missingok", "doc", "license", "ghost"
]


class FileEntry(Struct, frozen=True):
    """One path of the payload.

    ``kind`` is ``file``, ``dir`` (the folder itself), ``link``, ``archive``: a tar file made while building,
    whose members all go below ``path``, or ``tree``: what lies in a folder when that was built, unfolded before
    the RPM is written (rpm/tree.py). A file's content is ``text``, or what has the name ``source`` among the
    package's contents, as has an archive. ``mode`` None means: from the source, 0755 where its owner may execute
    it, else 0644, and no more than ``limit``.
    """

    path: str
    kind: Literal["file", "dir", "link", "archive", "tree"]
    mode: int | None = None
    owner: str = "root"
    group: str = "root"
    link: str = ""
    text: str | None = None
    role: Role = ""
    source: str = ""
    limit: int = 0o7777
    #: Of a tree: the mode of its folders.
    folder_mode: int = 0o755

    def problems(self, field: str) -> list[Problem]:
        """Mistakes in its owners, which the user gave in ``field``."""
        found = []
        for name, value in (("owner", self.owner), ("group", self.group)):
            if not isinstance(value, str) or not syntax.ACCOUNT.fullmatch(value):
                rule = f"the {name} of {self.path} must be the name of an account"
                found.append(Problem(field, value, rule, f'write it as {name}="root"'))
        return found


#: Modes as files and folders have them: nobody has more than the owner, and who may write may read.
_USUAL = re.compile(r"[0-7]?(7[014567]{2}|6[04-6]{2}|5[0145]{2}|4[04]{2}|[67]00)")


def read_mode(field: str, value: object, path: str) -> int | Problem:
    """A mode as the user wrote it: a number, or its octal digits as a text. 755 for 0o755 is found."""
    if isinstance(value, str) and re.fullmatch(r"(0o?)?[0-7]{3,4}", value):
        return int(value.removeprefix("0o"), 8)
    if type(value) is not int or not 0 <= value <= 0o7777:
        rule = f"the mode of {path} must be a number from 0 to 0o7777"
        return Problem(field, value, rule, "write it as mode=0o755")
    if _USUAL.fullmatch(str(value)) and not _is_usual(value):
        rule = f"the mode of {path} is given in decimal, it would be 0o{value:o}"
        return Problem(field, value, rule, f'write mode=0o{value}, or mode="{value:04o}" if that is meant')
    return value


def _is_usual(mode: int) -> bool:
    user, group, others = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    return (
        bool(_USUAL.fullmatch(f"{mode:o}"))
        and group & ~user == 0
        and others & ~group == 0
        and mode not in _SLIPS
    )


#: Usual modes that are other usual ones in decimal: 0o764 is 500.
_SLIPS = frozenset({500})


def interpreter_of(text: str) -> str:
    """The program that the first line of a script names, empty where it names none."""
    first = text.partition("\n")[0]
    return first[2:].split()[0] if first.startswith("#!") and first[2:].strip() else ""


class ScriptPart(Struct, frozen=True):
    """A piece of a scriptlet: a text, or (None) what has the name ``source`` among the package's contents."""

    text: str | None
    source: str = ""


class Script(Struct, frozen=True):
    """A scriptlet: its parts run one after the other in one shell, or in ``interpreter``."""

    phase: str
    parts: tuple[ScriptPart, ...]
    interpreter: str = "/bin/sh"


class Identity(Struct, frozen=True):
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


class Package(Struct, frozen=True):
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
    #: Of these two, what it does not look for: "provides", "requires".
    not_automatic: tuple[str, ...] = ()
    #: Shell patterns of names that it leaves out of what it finds.
    hidden_provides: tuple[str, ...] = ()
    hidden_requires: tuple[str, ...] = ()

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
        problems = [
            *syntax.check_name("name", self.name),
            *syntax.check_version("version", self.version, rest="release"),
            *syntax.check_version("release", self.release),
            *syntax.check_one_line("summary", self.summary),
        ]
        if self.license:
            problems += syntax.check_one_line("license", self.license)
        else:
            remedy = "give an SPDX expression as license=, or set XSPACK_LICENSE"
            problems.append(Problem("license", self.license, "an RPM must name its licence", remedy))
        for field in ("provides", "requires"):
            for pattern in getattr(self, f"hidden_{field}"):
                if not re.fullmatch(r"[^\s\\^\[\]%,<>=]+", pattern):
                    rule = "a pattern must be a name in which * and ? stand for any characters"
                    problems.append(Problem(f"hide_{field}", pattern, rule, "write it as 'libcrypto.so.*'"))
        problems += syntax.check_text("description", self.description)
        for entry in self.changelog:
            problems += syntax.check_text("changelog", f"{entry.author}\n{entry.text}")
        for name in ("vendor", "packager", "url", "group"):
            if getattr(self, name):
                problems += syntax.check_one_line(name, getattr(self, name))
        if self.arch not in syntax.ARCHES:
            remedy = syntax.nearest(self.arch, syntax.ARCHES) or f"use one of {', '.join(syntax.ARCHES)}"
            problems.append(Problem("arch", self.arch, "not an architecture of dom0", remedy))
        return problems

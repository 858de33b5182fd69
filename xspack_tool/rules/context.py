"""What the rules are given to judge: one RPM, one file of it, or a whole pack, and the facts beside it."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from xspack_tool.model.pack import Pack
from xspack_tool.model.profile import Profile
from xspack_tool.rpm.info import PayloadFile, RpmInfo

if TYPE_CHECKING:
    from xspack_tool.rules.baseline import Baseline
    from xspack_tool.rules.elf import Elf
    from xspack_tool.rules.repository import BaseRepository

#: A module's file, plain or compressed, as depmod takes it.
MODULE = re.compile(r"\.ko(?:\.(?:gz|xz|bz2|zst))?$")
_KERNEL_FOLDER = re.compile(r"^(?:/usr)?/lib/modules/([^/]+)/")


class Inbox(Protocol):
    """The devices that the release itself drives; made by the caller from modules.alias or modules.pcimap."""

    def drivers(self, alias: str) -> tuple[str, ...]:
        """The inbox modules that claim a device which the alias pattern ``alias`` claims."""


@dataclass(frozen=True)
class RpmFacts:
    """Everything but the RPM and the profile that its findings depend on.

    ``symvers`` is the Module.symvers of the kernel build tree, ``inbox`` answers which devices the
    release drives already. None: not given, the rules that need it say so.
    """

    symvers: Path | None = None
    inbox: Inbox | None = None


@dataclass(frozen=True)
class RpmContext:
    """One RPM as the rules see it."""

    info: RpmInfo
    profile: Profile
    facts: RpmFacts = RpmFacts()

    @cached_property
    def modules(self) -> tuple[PayloadFile, ...]:
        """Its kernel modules."""
        return modules_of(self.info)

    @cached_property
    def kernels(self) -> tuple[str, ...]:
        """The versions below /lib/modules where it puts modules, sorted."""
        return kernels_of(self.info)


class Member(Protocol):
    """One file of the payload while it is read; valid only during the call it is given to."""

    @property
    def file(self) -> PayloadFile:
        """Its entry in the header."""

    @property
    def head(self) -> bytes:
        """Its first bytes, at most 4096."""

    def content(self, limit: int) -> bytes | None:
        """All its bytes, or None if it has more than ``limit``."""

    @property
    def elf(self) -> Elf | None:
        """What it says as an ELF file, None if it is none; a compressed module is unpacked first."""


@dataclass(frozen=True)
class PrimaryKey:
    """One primary key of a public key file. Times are seconds since 1970, ``expires`` 0 for never."""

    fingerprint: str
    algorithm: str
    expires: int = 0
    signing_subkeys: tuple[str, ...] = ()
    subkeys: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyFile:
    """The public key file of a pack, as read by whoever knows OpenPGP."""

    name: str
    armoured: bool
    has_secret: bool
    primaries: tuple[PrimaryKey, ...]


@dataclass(frozen=True)
class IndexRecord:
    """One file of the yum index as repomd.xml tells it: type ``primary``, .., its path and checksum type."""

    type: str
    href: str
    checksum_type: str


@dataclass(frozen=True)
class PackContext:
    """A pack with everything that rules judge it by; None and empty mean: not given, or not there yet.

    ``rpms`` are the payload RPMs, without the two generated ones. ``signed`` are all RPMs as they go onto the
    ISO, ``iso_paths`` and ``index`` what else is there. ``with_source`` names the RPMs (name of the
    package) whose source goes with the pack. ``releases`` are the profiles that the pack is meant for.
    """

    pack: Pack
    profile: Profile
    rpms: tuple[RpmInfo, ...]
    releases: tuple[Profile, ...] = ()
    with_source: frozenset[str] = frozenset()
    submission: bool = False
    key: KeyFile | None = None
    document_key: str | None = None
    signed: tuple[RpmInfo, ...] | None = None
    today: datetime.date | None = None
    base: BaseRepository | None = None
    baseline: Baseline | None = None
    iso_paths: tuple[str, ...] = ()
    index: tuple[IndexRecord, ...] = ()
    remove_script: str | None = None

    @cached_property
    def drivers(self) -> tuple[RpmInfo, ...]:
        """The RPMs that hold kernel modules."""
        return tuple(info for info in self.rpms if modules_of(info))


def modules_of(info: RpmInfo) -> tuple[PayloadFile, ...]:
    """The kernel modules of an RPM."""
    return tuple(file for file in info.files if file.is_file and MODULE.search(file.path))


def kernels_of(info: RpmInfo) -> tuple[str, ...]:
    """The kernel versions below whose folder the RPM puts modules, sorted."""
    found = (_KERNEL_FOLDER.match(file.path) for file in modules_of(info))
    return tuple(sorted({match[1] for match in found if match}))

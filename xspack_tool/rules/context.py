"""What the rules are given to judge: one RPM, one file of it, or a whole pack, and what is known beside it."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from xspack_tool.binary.module import MODULE
from xspack_tool.binary.signature import certificates_in, read_certificates
from xspack_tool.model.driver import VARIANT, DriverNotes
from xspack_tool.model.pack import Pack
from xspack_tool.model.profile import Profile
from xspack_tool.rpm.info import PayloadFile, RpmInfo

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from xspack_tool.binary.elf import Elf
    from xspack_tool.releases.packages import PackageSet

_KERNEL_FOLDER = re.compile(r"^(?:/usr)?/lib/modules/([^/]+)/")


class Inbox(Protocol):
    """The devices that the release itself drives; made by the caller from modules.alias or modules.pcimap."""

    @property
    def is_empty(self) -> bool:
        """Whether it claims nothing."""

    def drivers(self, alias: str) -> tuple[str, ...]:
        """The inbox modules that claim a device which the alias pattern ``alias`` claims."""


class DriverData(Struct, frozen=True):
    """Everything but the RPM and the profile that its findings depend on.

    ``symvers`` is the Module.symvers of the kernel build tree, ``inbox`` answers which devices the
    release drives already. None: not given, the rules that need it say so. ``driver`` is what its declaration
    knows of a driver that was compiled here. ``module_keys`` are files of certificates (X.509 in PEM or DER) whose
    signatures of modules hosts take, besides those of the profile. ``shellcheck`` is whether that is asked of
    scriptlets: its findings depend on the machine, and it takes longer than all rules do.
    """

    symvers: Path | None = None
    inbox: Inbox | None = None
    driver: DriverNotes | None = None
    module_keys: tuple[Path, ...] = ()
    shellcheck: bool = False


class RpmContext(Struct, frozen=True, dict=True):
    """One RPM as the rules see it."""

    info: RpmInfo
    profile: Profile
    driver_data: DriverData = DriverData()

    @cached_property
    def modules(self) -> tuple[PayloadFile, ...]:
        """Its kernel modules."""
        return modules_of(self.info)

    @cached_property
    def active_modules(self) -> tuple[PayloadFile, ...]:
        """Its kernel modules that are in effect once it is installed: not those of variants."""
        several = self.profile.multi_version_drivers
        return tuple(file for file in self.modules if not (several and VARIANT.match(file.path)))

    @cached_property
    def variants(self) -> dict[str, dict[str, str]]:
        """By the folder of a variant, what was read so far of the names that its modules and its info.json (under an
        empty path) give it; the rule that compares them fills it in."""
        return {}

    @cached_property
    def for_boot(self) -> dict[str, bool]:
        """By the path of a module that was read so far, whether a host may boot from it; K7 fills it in."""
        return {}

    @cached_property
    def module_certificates(self) -> tuple[Certificate, ...]:
        """Whose signatures of modules hosts take; empty where that is not known. Raises BadInput."""
        found = [
            one for text in self.profile.module_keys for one in certificates_in(text.encode(), "module_keys")
        ]
        return tuple(
            found + [one for path in self.driver_data.module_keys for one in read_certificates(path)]
        )

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


class Key(Protocol):
    """What a public key file says; :class:`xspack_tool.signing.keys.PublicKey` is one.

    Of its first primary key: fingerprint, algorithm (``RSA``), expiry in seconds since 1970, fingerprints of
    sub-keys that sign, whether it is revoked, its length in
    bits, the hashes of its own certifications; of the file: how many primary keys, a secret one, armour.
    """

    @property
    def fingerprint(self) -> str: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def expires(self) -> int | None: ...
    @property
    def signing_subkeys(self) -> tuple[str, ...]: ...
    @property
    def revoked(self) -> bool: ...
    @property
    def primaries(self) -> int: ...
    @property
    def has_secret(self) -> bool: ...
    @property
    def armoured(self) -> bool: ...
    @property
    def bits(self) -> int: ...
    @property
    def self_hashes(self) -> tuple[str, ...]: ...


class IndexRecord(Struct, frozen=True):
    """One file of the yum index as repomd.xml tells it: type ``primary``, .., its path and checksum type."""

    type: str
    href: str
    checksum_type: str


class PackContext(Struct, frozen=True, dict=True):
    """A pack with everything that rules judge it by; None and empty mean: not given, or not there yet.

    ``rpms`` are the payload RPMs, without the two generated ones; ``signed`` are all RPMs as they go onto
    the ISO, ``iso_paths`` and ``index`` what else is there. ``with_source`` has the names of the RPMs whose
    source goes with the pack; ``sources_known`` False: nobody said which do. ``releases`` are the profiles it
    is meant for, if more than ``profile``. ``key_name`` is the base name of the key file, ``now`` seconds since
    1970 (a key's expiry is judged by it). ``base`` is the release's repository, ``baseline`` the last release of
    the pack: folder, repository or ISO. ``remove_script`` and ``precheck_script`` are the texts of scripts of the
    user's own.
    """

    pack: Pack
    profile: Profile
    rpms: tuple[RpmInfo, ...]
    releases: tuple[Profile, ...] = ()
    with_source: frozenset[str] = frozenset()
    sources_known: bool = True
    submission: bool = False
    key: Key | None = None
    key_name: str = ""
    signed: tuple[RpmInfo, ...] = ()
    now: int = 0
    base: Path | None = None
    baseline: Path | None = None
    iso_paths: tuple[str, ...] = ()
    index: tuple[IndexRecord, ...] = ()
    remove_script: str | None = None
    precheck_script: str | None = None

    @cached_property
    def package_set(self) -> PackageSet | None:
        """The release's packages and the pack's in one libsolv pool; None without a base repository."""
        from xspack_tool.releases.packages import PackageSet

        return PackageSet(self.base, self.rpms, self.profile.arch) if self.base else None

    @cached_property
    def earlier(self) -> tuple[RpmInfo, ...]:
        """All RPMs of the baseline."""
        from xspack_tool.releases.trees import read_rpms

        return tuple(info for _, info in read_rpms(self.baseline)) if self.baseline else ()

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

"""What the hosts' checks need to know about the machine that gets a pack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from xspack_tool.pack.document import Document
from xspack_tool.rpm.info import PayloadFile, Relation

#: The size of dom0's root file system since XenServer 7.0 (host-installer's constants.py, root_gpt_size).
ROOT_BYTES = 18 << 30


class Owner(Protocol):
    """A package of the release that owns a path; ``file`` is None where its RPM is not at hand."""

    @property
    def name(self) -> str: ...
    @property
    def nevra(self) -> str: ...
    @property
    def file(self) -> PayloadFile | None: ...


class Release(Protocol):
    """The packages of a release, as far as they are known."""

    @property
    def title(self) -> str:
        """The name of the release for people."""

    @property
    def manager(self) -> str:
        """``yum`` or ``dnf``."""

    @property
    def driver_disks_alone(self) -> bool:
        """Whether its installer takes driver disks and no other packs."""

    @property
    def rpmlib(self) -> Sequence[str]:
        """The features of its rpm (``rpmlib(PayloadIsXz)``); empty where they are not known."""

    def provides(self, wanted: Relation) -> bool | None:
        """Whether the release, or an RPM of the pack, provides it; None if that is not known."""

    def versions(self, name: str) -> Sequence[str]:
        """The versions in which the release itself provides the capability ``name``."""

    def conflicting(self, conflict: Relation) -> Sequence[str]:
        """The packages of the release and of the pack (as NEVRA) that a Conflicts names."""

    def owners(self, path: str) -> Sequence[Owner]:
        """The packages of the release that own a path."""


class Host(Struct, frozen=True):
    """A host: its release, the free space on ``/`` in bytes, and the packs that were introduced there."""

    release: Release
    free: int = ROOT_BYTES
    introduced: tuple[Document, ...] = ()

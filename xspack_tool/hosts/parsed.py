"""A finished pack as one frozen value: everything that the hosts judge it by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from xspack_tool.hosts.index import Index
from xspack_tool.pack.document import Document
from xspack_tool.pack.generated import APPLIED, SCRIPTS
from xspack_tool.pack.iso_tree import IsoEntry
from xspack_tool.rpm.info import PayloadFile, RpmInfo
from xspack_tool.signing.keys import PublicKey
from xspack_tool.signing.verify import SignatureStatus


class PackRpm(Struct, frozen=True):
    """An RPM of a pack, ``path`` being its place there and ``size`` its length in bytes.

    ``fault`` says why it cannot be read (``info`` is None then). ``signature`` is one of ``unsigned``, and
    where a key was given ``good``, ``bad`` (damaged) or ``other key``, else ``unknown``. ``sha256`` is empty
    until :func:`hash_rpms` has read it all.
    """

    path: str
    size: int
    info: RpmInfo | None = None
    fault: str = ""
    signature: str = "unknown"
    sha256: str = ""
    #: Where its payload begins.
    offset: int = 0

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.rpartition("/")[2]


class ParsedPack(Struct, frozen=True):
    """What is in an ISO. A part that is missing or damaged is None, and its fault says why.

    ``signatures`` has what gpg said of the signed files, where a key was given; ``signers`` the key ids that
    the signature files themselves name. ``texts`` are the contents of the applied record and of the
    pack's scripts, by their path on a host.
    """

    path: Path
    volume_id: str
    has_rock_ridge: bool
    entries: tuple[IsoEntry, ...]
    document: Document | None
    document_fault: str
    index: Index | None
    index_fault: str
    rpms: tuple[PackRpm, ...]
    key: PublicKey | None = None
    key_name: str = ""
    signatures: Mapping[str, SignatureStatus] = field(default_factory=dict)
    signers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def infos(self) -> tuple[RpmInfo, ...]:
        """The headers of all RPMs that can be read."""
        return tuple(rpm.info for rpm in self.rpms if rpm.info)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path on the ISO."""
        return tuple(entry.path for entry in self.entries)

    @property
    def update(self) -> PackRpm | None:
        """``update-<label>``."""
        return self._named(f"update-{self.document.label}") if self.document else None

    @property
    def control(self) -> PackRpm | None:
        """The control RPM that the document names, or would name."""
        if self.document is None:
            return None
        return self._named(self.document.control or f"control-{self.document.label}")

    @property
    def payload(self) -> tuple[PackRpm, ...]:
        """The RPMs besides the two that are made for every pack."""
        own = (self.update, self.control)
        return tuple(rpm for rpm in self.rpms if rpm.info and rpm not in own)

    def script(self, name: str) -> PayloadFile | None:
        """``precheck`` or ``remove`` as the control RPM holds it."""
        if self.document is None or self.control is None or self.control.info is None:
            return None
        path = f"{SCRIPTS}/{self.document.uuid}/{name}"
        return next((file for file in self.control.info.files if file.path == path), None)

    def _named(self, name: str) -> PackRpm | None:
        return next((rpm for rpm in self.rpms if rpm.info and rpm.info.name == name), None)


def applied_path(document: Document) -> str:
    """Where a host keeps the record that the pack was applied."""
    return f"{APPLIED}/{document.uuid}"

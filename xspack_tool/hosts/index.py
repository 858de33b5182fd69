"""The yum index of a foreign pack, read within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO
from xml.etree.ElementTree import Element

from msgspec import Struct
from msgspec.structs import replace

from xspack_tool.binary.compressed import Uncompressed, compression
from xspack_tool.binary.xml import iterate_xml, parse_xml, tag_of
from xspack_tool.errors import BadInput, HostileInput
from xspack_tool.files import digest_of
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.repo import REPOMD
from xspack_tool.repo.repomd import MAX_REPOMD, RepomdRecord, parse_repomd

#: Bounds for files that nobody vouches for, in bytes; the index of a whole release has a primary of 20 MiB.
_MAX_COMPS, _MAX_PRIMARY, _MAX_FILELISTS = 2 << 20, 32 << 20, 256 << 20
#: More packages than any pack, or any release, has.
_MAX_PACKAGES = 20_000
#: No package of an index has as many elements.
_MAX_ELEMENTS = 100_000
#: More files than any package has.
_MAX_FILES = 2_000_000
_BLOCK = 1 << 20
_EMPTY = Element("")


class Record(Struct, frozen=True):
    """A file that repomd.xml names. ``fault`` says what a reader of it would trip over, empty if nothing."""

    type: str
    href: str
    checksum_type: str
    checksum: str
    compression: str = ""
    fault: str = ""


class IndexedPackage(Struct, frozen=True):
    """An RPM as primary tells it; ``size`` in bytes, ``href`` relative to the pack's root."""

    name: str
    arch: str
    href: str
    size: int
    checksum_type: str
    checksum: str


class Group(Struct, frozen=True):
    """A group of comps with the packages that come with it (mandatory and default ones)."""

    id: str
    visible: bool
    packages: tuple[str, ...]


class Index(Struct, frozen=True):
    """A pack's index. ``comps`` is the text of its group file, empty without one."""

    records: tuple[Record, ...]
    packages: tuple[IndexedPackage, ...]
    groups: tuple[Group, ...]
    comps: str = ""

    def record(self, type: str) -> Record | None:
        """The first record of that type."""
        return next((record for record in self.records if record.type == type), None)

    def group(self, id: str) -> Group | None:
        """The group of that id."""
        return next((group for group in self.groups if group.id == id), None)


def read_index(iso: IsoReader, whole: bool = True) -> Index:
    """The index of a pack. Raises BadInput where repomd.xml or what it names cannot be read at all; a file that is
    missing, or has not the checksum of repomd.xml, is a fault of its record, as are file lists that are not XML, which
    are read if the ``whole`` index is."""
    name = f"{iso.path}: {REPOMD}"
    if REPOMD not in iso:
        raise BadInput(name, "missing")
    records = tuple(_record(iso, said) for said in parse_repomd(iso.read(REPOMD, MAX_REPOMD), name))
    primary = next((record for record in records if record.type == "primary"), None)
    if primary is None:
        raise BadInput(name, "names no primary index")
    packages = () if primary.href not in iso else tuple(_packages(iso, primary.href))
    if whole:
        records = tuple(_read_whole(iso, record) for record in records)
    comps = _comps(iso, records)
    return Index(records, packages, read_groups(comps, f"{iso.path}: group file") if comps else (), comps)


def read_groups(comps: str, name: str) -> tuple[Group, ...]:
    """The groups of a comps file, as yum and dnf see them. Raises BadInput."""
    root = parse_xml(comps.encode(), name, doctype=True)
    return tuple(_group(node) for node in root if tag_of(node) == "group")


def _group(node: Element) -> Group:
    listed = [
        (child.text or "").strip()
        for child in node.iter("packagereq")
        if child.get("type", "mandatory") in ("mandatory", "default", "")
    ]
    # Without the element a group is visible; yum and dnf read the word in any case.
    visible = (node.findtext("uservisible") or "true").strip().lower() != "false"
    return Group((node.findtext("id") or "").strip(), visible, tuple(listed))


def _record(iso: IsoReader, said: RepomdRecord) -> Record:
    record = Record(said.type, said.href, said.checksum_type, said.checksum)
    if said.href not in iso:
        return replace(record, fault="is not on the ISO")
    with iso.open(said.href) as file:
        begin = file.read(8)
        file.seek(0)
        digest = _digest(file, said.checksum_type)
    fault = "" if digest in (None, said.checksum) else "does not have the checksum that repomd.xml says"
    kind = compression(begin)
    return replace(record, compression="" if kind == "none" else kind, fault=fault)


def _digest(file: BinaryIO, kind: str) -> str | None:
    """The checksum of a file; None for a kind of checksum that is not known."""
    if kind not in ("sha", "sha1", "sha224", "sha256", "sha384", "sha512", "md5"):
        return None
    return digest_of(file, "sha1" if kind == "sha" else kind)


class _Bounded:
    """An unpacked stream for a parser, which ends in BadInput where it would become too long."""

    def __init__(self, file: BinaryIO, name: str, limit: int) -> None:
        self._name, self._left, self._limit = name, limit, limit
        begin = file.read(8)
        file.seek(0)
        self._stream = Uncompressed(file, compression(begin) or "none", name)

    def read(self, count: int = _BLOCK) -> bytes:
        data = self._stream.read(count if count >= 0 else _BLOCK)
        self._left -= len(data)
        if self._left < 0:
            raise HostileInput(self._name, f"unpacks to more than {self._limit >> 20} MiB")
        return data

    def all(self) -> bytes:
        return b"".join(iter(self.read, b""))


def _comps(iso: IsoReader, records: tuple[Record, ...]) -> str:
    for kind in ("group", "group_gz", "group_xz", "group_zst"):
        for record in records:
            if record.type == kind and record.href in iso:
                with iso.open(record.href) as file:
                    content = _Bounded(file, f"{iso.path}: {record.href}", _MAX_COMPS).all()
                return content.decode("utf-8", "replace")
    return ""


def _packages(iso: IsoReader, href: str) -> Iterator[IndexedPackage]:
    name = f"{iso.path}: {href}"
    with iso.open(href) as file:
        for count, node in enumerate(iterate_xml(_Bounded(file, name, _MAX_PRIMARY), name, _MAX_ELEMENTS)):
            if count >= _MAX_PACKAGES:
                raise HostileInput(name, f"lists more than {_MAX_PACKAGES} packages")
            if tag_of(node) == "package":
                parts: dict[str, Element] = {}
                for child in node:
                    parts.setdefault(tag_of(child), child)
                checksum = parts.get("checksum", _EMPTY)
                size = parts.get("size", _EMPTY).get("package", "")
                yield IndexedPackage(
                    name=parts.get("name", _EMPTY).text or "",
                    arch=parts.get("arch", _EMPTY).text or "",
                    href=parts.get("location", _EMPTY).get("href", ""),
                    size=int(size) if size.isascii() and size.isdigit() and len(size) < 19 else -1,
                    checksum_type=checksum.get("type", ""),
                    checksum=(checksum.text or "").strip().lower(),
                )


def _read_whole(iso: IsoReader, record: Record) -> Record:
    """A record of the file lists, with a fault where they are no XML: yum and dnf read them for paths that are
    required, and refuse the repository then."""
    if record.type != "filelists" or record.fault:
        return record
    name = f"{iso.path}: {record.href}"
    try:
        with iso.open(record.href) as file:
            for _ in iterate_xml(_Bounded(file, name, _MAX_FILELISTS), name, _MAX_FILES):
                pass
    except HostileInput:
        raise
    except BadInput as error:
        return replace(record, fault=error.why)
    return record

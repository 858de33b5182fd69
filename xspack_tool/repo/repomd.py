"""repomd.xml as read: the files of an index with their checksums."""

from __future__ import annotations

from msgspec import Struct

from xspack_tool.binary.xml import child_of, parse_xml, tag_of
from xspack_tool.errors import BadInput

#: A dozen records; more is no index.
MAX_REPOMD = 1 << 20


class RepomdRecord(Struct, frozen=True):
    """One file of an index; ``href`` is relative to the root of the repository."""

    type: str
    href: str
    checksum_type: str
    checksum: str


def parse_repomd(content: bytes, name: str) -> tuple[RepomdRecord, ...]:
    """The records of a repomd.xml, in its order. Raises BadInput, also for a path that leads out of the repository."""
    records = tuple(
        RepomdRecord(
            node.get("type", ""),
            child_of(node, "location").get("href", ""),
            child_of(node, "checksum").get("type", ""),
            (child_of(node, "checksum").text or "").strip().lower(),
        )
        for node in parse_xml(content, name, MAX_REPOMD)
        if tag_of(node) == "data"
    )
    for record in records:
        if record.href.startswith("/") or ".." in record.href.split("/"):
            raise BadInput(name, f"{record.href[:80]!r} leads out of the repository")
    return records

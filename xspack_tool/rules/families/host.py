"""X2: what the release's rpm and its installer can read."""

from __future__ import annotations

from xspack_tool.rpm.info import PAYLOAD_FEATURES
from xspack_tool.rules.context import PackContext, RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import Hits, also_on_pack, rpm_rule

#: The records of repomd.xml that the installer and yum open.
_OPENED = ("primary", "filelists", "other")


@rpm_rule(
    "X2",
    "E",
    meaning="the release's rpm or installer cannot read it",
    remedy="build it with the features of the release's rpm (payload w2.xzdio, no rich dependencies, no ^)",
    bad="payload zstd, rpmlib(PayloadIsZstd), on a release with rpm 4.11",
    good="payload xz; primary.xml.gz with sha256",
)
def readable(context: RpmContext) -> Hits:
    known = context.profile.rpmlib
    if not known:
        return
    for relation in context.info.requires:
        if relation.is_rpmlib and relation.name not in known:
            yield Hit("Requires", f"{relation.name}: the rpm of {context.profile.title} does not know it")
    needed = PAYLOAD_FEATURES.get(context.info.payload_compressor)
    stated = any(relation.name == needed for relation in context.info.requires)
    if needed and needed not in known and not stated:
        kind = context.info.payload_compressor
        yield Hit("payload", f"compressed with {kind}, which {context.profile.title} cannot unpack")
    if context.info.payload_format != "cpio":
        yield Hit("payload", f"in the format {context.info.payload_format!r}, not cpio")


@also_on_pack("X2")
def index_readable(context: PackContext) -> Hits:
    for record in context.index:
        if record.type in _OPENED and not record.href.endswith(".gz"):
            remedy = "write the index with gzip"
            yield Hit(
                f"repodata: {record.type}",
                f"{record.href} is not gzip; the installer reads nothing else",
                remedy=remedy,
            )
        if record.checksum_type != "sha256":
            remedy = "write the index with sha256"
            text = f"its checksum is {record.checksum_type}; the installer compares sha256"
            yield Hit(f"repodata: {record.type}", text, remedy=remedy)

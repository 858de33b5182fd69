"""Whether a pack is what its provenance says."""

from __future__ import annotations

from pathlib import Path

from xspack_tool.errors import BadInput
from xspack_tool.evidence.provenance import Artifact, differences, read_provenance
from xspack_tool.files import file_digest
from xspack_tool.hosts.parsed import ParsedPack
from xspack_tool.hosts.verdict import Rejection, Verdict
from xspack_tool.signing.verify import verify_file


def judge_provenance(statement: Path, pack: ParsedPack, keyfile: Path | None) -> Verdict:
    """The verdict on a statement and its signature beside it; ``pack`` must have been hashed. Raises BadInput for what
    is no statement."""
    stated, _ = read_provenance(statement)
    there = [Artifact(pack.path.name, file_digest(pack.path))]
    there += [Artifact(rpm.path, rpm.sha256) for rpm in pack.rpms]
    rejections = [Rejection("SUBJECT", words) for words in differences(stated, there)]
    signature = statement.with_name(f"{statement.name}.asc")
    if keyfile is None:
        return Verdict(
            "provenance", tuple(rejections), unjudged=("its signature: name the public key with --key",)
        )
    if not signature.is_file():
        rejections.append(Rejection("SIGNATURE", f"no {signature.name} beside it"))
        return Verdict("provenance", tuple(rejections))
    try:
        status = verify_file(keyfile, statement, signature)
    except BadInput as bad:
        return Verdict("provenance", (*rejections, Rejection("SIGNATURE", str(bad))))
    if not status.accepted:
        rejections.append(
            Rejection("SIGNATURE", f"not signed by the key: gpg says no {', '.join(status.missing)}")
        )
    return Verdict("provenance", tuple(rejections))

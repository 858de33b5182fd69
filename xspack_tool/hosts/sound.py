"""What must hold of an ISO before it gets its name: each file on it is the one that the signed index means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xspack_tool.errors import BadInput, StepError
from xspack_tool.hosts.index import IndexedPackage, read_index
from xspack_tool.pack.iso_read import IsoReader

_REMEDY = "a file changed while it was built from; build again"


def check_sound(image: Path, files: Mapping[str, Path], key: Path | None) -> None:
    """Raise StepError unless the index on an ISO lists each RPM of ``files`` (path on it -> file) and nothing else,
    each with its digest, and ``key`` signed the update document and the index. Without a key, nothing is signed."""
    try:
        with IsoReader(image) as iso:
            index = read_index(iso, whole=False)
            faults = [f"{record.href} {record.fault}" for record in index.records if record.fault]
            listed = {package.href: package for package in index.packages}
            wanted = {path for path in files if path.endswith(".rpm")}
            faults += [f"{path} is not in the index" for path in sorted(wanted - listed.keys())]
            faults += [
                f"{path} is in the index, but not in the pack" for path in sorted(listed.keys() - wanted)
            ]
            faults += [
                f"{path} does not have the digest that the index says"
                for path in sorted(wanted & listed.keys())
                if not _is_listed(iso, listed[path])
            ]
    except BadInput as error:
        raise StepError(f"the index on the ISO: {error.why}: {_REMEDY}") from None
    if key is not None and not faults:
        faults += _signature_faults(files, key)
    if faults:
        raise StepError(f"{'; '.join(faults)}: {_REMEDY}")


def _is_listed(iso: IsoReader, package: IndexedPackage) -> bool:
    return (package.checksum_type, package.checksum) == ("sha256", iso.digest(package.href))


def _signature_faults(files: Mapping[str, Path], key: Path) -> list[str]:
    from xspack_tool.signing.verify import is_signed_by

    # A key that expired since is the rules' to judge.
    return [
        f"{path}.asc is not a signature of {key.name} on {path}"
        for path in ("update.xml", "repodata/repomd.xml")
        if not is_signed_by(key, files[path], files[f"{path}.asc"])
    ]

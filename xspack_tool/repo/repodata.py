"""The yum index of a pack, put together from the fragments of its RPMs."""

from __future__ import annotations

import os
import posixpath
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xspack_tool.errors import BadInput, StepError
from xspack_tool.repo.library import createrepo

if TYPE_CHECKING:
    import createrepo_c

    from xspack_tool.repo.fragment import Fragment

#: The files that :func:`write_repodata` writes, under names that are known before they are built: the type
#: of their record in repomd.xml, and the name.
RECORDS = {
    "primary": "primary.xml.gz",
    "filelists": "filelists.xml.gz",
    "other": "other.xml.gz",
    "group": "comps.xml",
    "group_gz": "comps.xml.gz",
}
REPOMD_NAME = "repomd.xml"
#: So many bytes have no room where an index had none.
_AGAIN = 4 << 20


def write_repodata(fragments: Iterable[Fragment], comps: str, out_dir: Path, revision: int) -> None:
    """Write repomd.xml and the files of :data:`RECORDS` to ``out_dir``.

    Only gzip and SHA-256 are used: the host installer reads nothing else. repomd.xml names the files as they
    are called in the pack, ``repodata/<sha256>-primary.xml.gz`` and so on: see :func:`iso_names`.
    ``revision`` (seconds since 1970) stands for every time in it. The order of the fragments does not matter.
    """
    createrepo_c = createrepo()
    out_dir.mkdir(parents=True, exist_ok=True)
    ordered = sorted(fragments, key=lambda fragment: (fragment.location, fragment.sha256))
    with _scratch(out_dir / f".{REPOMD_NAME}.work") as scratch:
        try:
            _write_chunks(ordered, scratch)
        except createrepo_c.CreaterepoCError as error:
            # The library does not tell why it could not write. The system does.
            (scratch / "again").write_bytes(bytes(_AGAIN))
            raise StepError(f"the index cannot be written: {error}") from None
        content = comps.encode()
        (scratch / RECORDS["group"]).write_bytes(content)
        (scratch / RECORDS["group_gz"]).write_bytes(_gzip(content))
        repomd = createrepo_c.Repomd()
        repomd.set_revision(str(revision))
        for kind, name in RECORDS.items():
            repomd.set_record(_record(kind, scratch / name, revision))
        (scratch / REPOMD_NAME).write_text(repomd.xml_dump(), encoding="utf-8")
        for name in (*RECORDS.values(), REPOMD_NAME):
            os.replace(scratch / name, out_dir / name)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder, removed at the end; what a killed build left in it goes first. It goes by a name that
    createrepo_c takes, which knows UTF-8 alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{number}")
    finally:
        os.close(number)
        shutil.rmtree(folder, ignore_errors=True)


def _gzip(content: bytes) -> bytes:
    """As zlib itself does it: Python's gzip module writes another header from version to version."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(content) + packer.flush()


def _write_chunks(fragments: list[Fragment], folder: Path) -> None:
    createrepo_c = createrepo()
    kinds = {
        "primary": createrepo_c.PrimaryXmlFile,
        "filelists": createrepo_c.FilelistsXmlFile,
        "other": createrepo_c.OtherXmlFile,
    }
    for kind, writer in kinds.items():
        file = writer(str(folder / RECORDS[kind]), createrepo_c.GZ_COMPRESSION)
        file.set_num_of_pkgs(len(fragments))
        for fragment in fragments:
            file.add_chunk(getattr(fragment, kind))
        file.close()


def _record(kind: str, path: Path, revision: int) -> createrepo_c.RepomdRecord:
    createrepo_c = createrepo()
    record = createrepo_c.RepomdRecord(kind, str(path))
    record.fill(createrepo_c.SHA256)
    record.timestamp = revision
    record.location_href = f"repodata/{record.checksum}-{path.name}"
    return record


def iso_names(repomd: Path) -> dict[str, str]:
    """Where each file of :data:`RECORDS` goes in the pack: name as built -> path from the pack's root.

    Raises BadInput if ``repomd`` was not written by :func:`write_repodata`.
    """
    from xspack_tool.repo.repomd import parse_repomd

    hrefs = [record.href for record in parse_repomd(repomd.read_bytes(), str(repomd))]
    names = {posixpath.basename(href).partition("-")[2]: href for href in hrefs}
    if set(names) != set(RECORDS.values()):
        raise BadInput(repomd, "not an index that was written for a pack")
    return names

"""Archives whose bytes depend on names, content and a time alone."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from xspack_tool.files import whole


def write_tar(
    target: Path,
    members: Mapping[str, Path | bytes],
    *,
    time: int,
    top: str = "",
    links: Mapping[str, str] | None = None,
    keep_executable: bool = False,
) -> None:
    """A plain tar of files, or contents, and of links with what they lead to, below the folder ``top``, sorted by name.

    Files are root's and all of ``time`` (seconds since 1970), with mode 0644, or 0755 where ``keep_executable`` and
    their owner may run them. The archive appears whole or not at all.
    """
    links = links or {}
    with whole(target) as beside, tarfile.open(beside, "w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted({*members, *links}):
            entry = tarfile.TarInfo(f"{top}/{name}" if top else name)
            entry.mode, entry.mtime, entry.uname, entry.gname = 0o644, time, "root", "root"
            if name in links:
                entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, links[name], 0o777
                archive.addfile(entry)
                continue
            content = members[name]
            if isinstance(content, bytes):
                entry.size = len(content)
                archive.addfile(entry, BytesIO(content))
                continue
            with content.open("rb") as file:
                state = content.stat()
                entry.size = state.st_size
                if keep_executable and state.st_mode & 0o100:
                    entry.mode = 0o755
                archive.addfile(entry, file)

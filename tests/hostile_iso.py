"""ISOs with tricks in them: ``from hostile_iso import patched``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from xspack_tool.pack.iso import master_iso

#: When the images are said to be made.
TIME = 1577836800


def records(image: bytes, at: int = 156 + 16 * 2048) -> Iterator[tuple[int, str]]:
    """(offset of the directory record, its Rock Ridge name) of every file and folder, from the root on."""
    extent, length = struct.unpack_from("<I", image, at + 2)[0], struct.unpack_from("<I", image, at + 10)[0]
    offset, number = extent * 2048, 0
    while offset < extent * 2048 + length:
        if not image[offset]:  # the rest of a sector
            offset += 2048 - offset % 2048
            continue
        number += 1
        if number > 2:  # behind '.' and '..'
            record = image[offset : offset + image[offset]]
            begin = record.index(b"NM") + 5
            yield offset, record[begin : begin + record[begin - 3] - 5].decode()
            if record[25] & 2:
                yield from records(image, offset)
        offset += image[offset]


def patched(
    image: bytes,
    name: str,
    *,
    rename: str | None = None,
    extent: int | None = None,
    length: int | None = None,
    flags: int | None = None,
) -> bytes:
    """The image with one directory record changed."""
    changed = bytearray(image)
    at = next(offset for offset, found in records(image) if found == name)
    if rename is not None:
        begin = changed.index(b"NM", at) + 5
        assert len(rename) == len(name)
        changed[begin : begin + len(name)] = rename.encode("latin-1")
    for start, value in ((2, extent), (10, length)):
        if value is not None:
            changed[at + start : at + start + 8] = struct.pack("<I", value) + struct.pack(">I", value)
    if flags is not None:
        changed[at + 25] = flags
    return bytes(changed)


def overlapping(folder: Path) -> bytes:
    """An image of 1 MB, whose 20 RPMs are all said to be that megabyte."""
    files = {f"{number:02}.rpm": folder / str(number) for number in range(20)}
    for place, path in enumerate(files.values()):
        path.write_bytes(b"x" * (10 if place else 1_000_000))
    master_iso(files, folder / "overlapping.iso", "OVERLAPPING", TIME)
    image = (folder / "overlapping.iso").read_bytes()
    at = next(at for at, name in records(image) if name == "00.rpm")
    big = struct.unpack_from("<I", image, at + 2)[0]
    for name in list(files)[1:]:
        image = patched(image, name, extent=big, length=1_000_000)
    return image

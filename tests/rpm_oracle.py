"""rpmbuild as a judge of the writer: what it says of files (libmagic), what the machine puts into its headers, and
the difference of two RPMs tag by tag."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import stat
import struct
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from support import lacks, need

from xspack_tool.errors import StepError
from xspack_tool.rpm import write
from xspack_tool.rpm.automatic import class_by_name, kept
from xspack_tool.rpm.contents import File
from xspack_tool.rpm.package_header import Writer
from xspack_tool.rpm.relations import UnusualError

#: Tags that are the writer's own: RPMVERSION, OPTFLAGS, PLATFORM, FILECLASS, CLASSDICT.
OWN_TAGS = frozenset({1064, 1122, 1132, 1141, 1142})
#: MAGIC_CHECK, MAGIC_COMPRESS, MAGIC_NO_CHECK_TOKENS, MAGIC_ERROR: as build/rpmfc.c has them.
_FLAGS = 0x40 | 0x4 | 0x100000 | 0x200
_RPM_VERSION = "4.18"


@functools.cache
def machine() -> Writer:
    """This machine's rpmbuild 4.18 as a writer, and libmagic for the classes; skips the test where it is another."""
    need("rpmbuild", "rpm")
    said = subprocess.run(["rpm", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    if not said.startswith(_RPM_VERSION):
        lacks(f"rpm {_RPM_VERSION} is needed: others write other bytes")
    evaluated = {
        arch: subprocess.run(
            ["rpm", f"--target={arch}", "--eval", "%{optflags}|%{_target_platform}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for arch in ("x86_64", "i686", "aarch64")
    }
    options = {
        "x86_64": "-O2 -g",
        "noarch": "-O2 -g",
        "i686": "-O2 -g -march=i686",
        "aarch64": "-O2 -g",
    }
    vendor = evaluated["x86_64"].partition("|")[2].split("-")[1]
    return Writer(said, "{arch}-" + vendor + "-linux", options, class_by_magic)


@functools.cache
def _magic() -> tuple[Any, int]:
    try:
        library = ctypes.CDLL("libmagic.so.1")
    except OSError:
        lacks("libmagic is needed: apt-get install libmagic1")
    library.magic_open.restype = library.magic_file.restype = ctypes.c_void_p
    library.magic_file.restype = ctypes.c_char_p
    library.magic_file.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.magic_load.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    handle = library.magic_open(_FLAGS)
    assert library.magic_load(handle, None) == 0
    return library, handle


def class_by_magic(file: File, files: Sequence[File]) -> bytes:
    """The class that rpmbuild gives a file."""
    if stat.S_ISDIR(file.mode):
        return b"directory"
    if file.path.startswith(b"/dev/"):
        return b""
    if said := class_by_name(file):
        return said
    if stat.S_ISLNK(file.mode):
        said = b"symbolic link to " + file.link
        if kept(said) or kept(b"broken " + said):
            raise UnusualError("a link whose class depends on whether it is broken")
        return said
    library, handle = _magic()
    with tempfile.NamedTemporaryFile() as place:
        for block in file.blocks():
            place.write(block)
        place.flush()
        os.chmod(place.name, stat.S_IMODE(file.mode) | 0o400)
        said = library.magic_file(handle, os.fsencode(place.name))
    assert said is not None
    return bytes(said)


def differences(one: Path, other: Path, ignored: frozenset[int] = frozenset()) -> list[Any]:
    """Where two RPMs differ; the digests of the header follow from it. An empty list: equal bytes, or with ``ignored``
    tags, nothing else."""
    if one.read_bytes() == other.read_bytes():
        return []
    parts = [_taken_apart(path) for path in (one, other)]
    found: list[Any] = []
    for name in parts[0]:
        a, b = parts[0][name], parts[1][name]
        if isinstance(a, dict):
            skipped = ignored | ({269, 273, 1000, 1004} if ignored and name == "signature" else frozenset())
            found += [
                (name, tag, a.get(tag), b.get(tag))
                for tag in sorted(a.keys() | b.keys())
                if a.get(tag) != b.get(tag) and tag not in skipped
            ]
        elif a != b:
            found.append((name, a[:200], b[:200]))
    return found if found or ignored else ["the order of something"]


def shadowed() -> Callable[..., None]:
    """What writes an RPM in process, and has rpmbuild write it, too: raises AssertionError where they differ."""
    machine()
    build = write.build_rpm

    def both(package: Any, contents: Any, scripts: Any, out: Path, *, payload: str, time: int) -> None:
        build(package, contents, scripts, out, payload=payload, time=time)
        with tempfile.TemporaryDirectory(prefix="shadow-") as folder:
            theirs = Path(folder, out.name)
            try:
                write.write_by_rpmbuild(package, contents, theirs, payload=payload, time=time)
            except StepError as refused:  # a meant difference: a text that rpmbuild would lose
                assert "rpmbuild" in str(refused), refused
            else:
                assert payload.endswith(".zstdio") or differences(theirs, out, OWN_TAGS) == []

    return both


def tags(path: Path) -> dict[int, Any]:
    """The values of an RPM's header."""
    found = _taken_apart(path)["header"]
    assert isinstance(found, dict)
    return found


def _taken_apart(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    signature, end = _header(data, 96)
    header, payload = _header(data, end + -end % 8)
    return {"lead": data[:96], "signature": signature, "header": header, "payload": data[payload:]}


def _header(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    magic, _, count, size = struct.unpack_from("!4sIII", data, at)
    assert magic == b"\x8e\xad\xe8\x01"
    begin = at + 16 + 16 * count
    store = data[begin : begin + size]
    values = {}
    for number in range(count):
        tag, kind, offset, length = struct.unpack_from("!IIII", data, at + 16 + 16 * number)
        if tag not in (62, 63):
            values[tag] = (kind, _value(store, kind, offset, length))
    return values, begin + size


def _value(store: bytes, kind: int, offset: int, count: int) -> Any:
    if kind in (6, 8, 9):
        return re.split(b"\0", store[offset:], maxsplit=count)[:count]
    if kind == 7:
        return store[offset : offset + count]
    return struct.unpack_from(f"!{count}{ {2: 'B', 3: 'H', 4: 'I', 5: 'Q'}[kind] }", store, offset)

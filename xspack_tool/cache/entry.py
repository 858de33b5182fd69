"""What is signed of an entry, and how a file is taken out of a cache only if it is that one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import asdict

from xspack_tool.cache.keys import PublicKey, SigningKey
from xspack_tool.files import digest_of

#: Begins every signed text: a signature by the same key on something else is none on an entry.
FORMAT = "xspack-cache 1"
#: A signature's own text has about 400 bytes.
LARGEST_SIGNATURE = 1 << 12
#: Why an entry is not taken.
UNSIGNED, OTHER_KEY, OTHER_ACTION, DAMAGED = (
    "has no valid signature",
    "is signed by a key that is not trusted",
    "belongs to another action",
    "is damaged",
)


class Refused(Exception):
    """An entry that is not taken; the text is one of the reasons."""


class Entry(Struct, frozen=True):
    """The key by which a result is found, and the file that it is: mode in octal digits, or ``link`` for a symbolic
    link, whose content is where it leads."""

    key: str
    sha256: str
    size: int
    mode: str

    @property
    def message(self) -> bytes:
        """What is signed."""
        return f"{FORMAT}\0{json.dumps(asdict(self), sort_keys=True)}".encode()


def entry_of(path: str, key: str) -> Entry:
    """The entry that a built file makes."""
    state = os.lstat(path)
    if stat.S_ISLNK(state.st_mode):
        content = os.fsencode(os.readlink(path))
        return Entry(key, hashlib.sha256(content).hexdigest(), len(content), "link")
    with open(path, "rb") as file:
        digest, size = digest_of(file), file.tell()
    return Entry(key, digest, size, f"{stat.S_IMODE(state.st_mode) & 0o777:o}")


def sign_entry(entry: Entry, key: SigningKey) -> str:
    """The signature's text: one line of JSON."""
    signature = base64.b64encode(key.key.sign(entry.message)).decode()
    fields = {"format": FORMAT, **asdict(entry), "signed_by": key.public.id, "signature": signature}
    return json.dumps(fields, sort_keys=True) + "\n"


def verified_entry(text: bytes, key: str, trusted: Sequence[PublicKey]) -> Entry:
    """The entry that a signature's text speaks of. Raises Refused unless one of ``trusted`` signed it for ``key``."""
    try:
        fields = json.loads(text)
        entry = Entry(**{name: fields[name] for name in Entry.__struct_fields__})
        signature = base64.b64decode(fields["signature"], validate=True)
        id = fields["signed_by"]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise Refused(UNSIGNED) from None
    if fields.get("format") != FORMAT or not _is_plain(entry):
        raise Refused(UNSIGNED)
    signer = next((known for known in trusted if known.id == id), None)
    if signer is None:
        raise Refused(OTHER_KEY)
    if not signer.verifies(signature, entry.message):
        raise Refused(UNSIGNED)
    if entry.key != key:
        raise Refused(OTHER_ACTION)
    return entry


def _is_plain(entry: Entry) -> bool:
    texts = all(type(text) is str for text in (entry.key, entry.sha256, entry.mode))
    modes = {"link", *(f"{mode:o}" for mode in range(0o1000))}
    return texts and type(entry.size) is int and entry.size >= 0 and entry.mode in modes


def read_signature(path: Path) -> bytes:
    """The text beside an entry. Raises Refused where there is none."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Refused(UNSIGNED)
            return file.read(LARGEST_SIGNATURE)
    except OSError:
        raise Refused(UNSIGNED) from None


def take(path: str, entry: Entry, out: str | None) -> None:
    """Copy an entry of a folder to ``out`` (None only checks it), with the mode that was signed.

    What is checked are the bytes that were copied: who changes the folder meanwhile wins nothing. Raises Refused if
    they are others, OSError for what is wrong with ``out``; nothing is left there then.
    """
    if entry.mode == "link":
        _take_link(path, entry, out)
        return
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        raise Refused(DAMAGED) from None
    with open(handle, "rb") as source:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode) or state.st_size != entry.size:
            raise Refused(DAMAGED)
        if out is None:
            write_checked(_blocks(source), entry, None)
            return
        try:
            with open(out, "wb") as target:
                write_checked(_blocks(source), entry, target)
            os.chmod(out, int(entry.mode, 8) | stat.S_IWUSR)
        except BaseException:
            with suppress(OSError):
                os.unlink(out)
            raise


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(1 << 20), b"")


def write_checked(blocks: Iterable[bytes], entry: Entry, target: BinaryIO | None) -> None:
    """Write an entry's content, to no place where there is none. Raises Refused, at the latest with the last block,
    where size or digest are not the entry's."""
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        size += len(block)
        if size > entry.size:
            break
        if target:
            target.write(block)
    if (size, digest.hexdigest()) != (entry.size, entry.sha256):
        raise Refused(DAMAGED)


def _take_link(path: str, entry: Entry, out: str | None) -> None:
    try:
        leads = os.fsencode(os.readlink(path))
    except OSError:
        raise Refused(DAMAGED) from None
    if hashlib.sha256(leads).hexdigest() != entry.sha256:
        raise Refused(DAMAGED)
    if out is not None:
        os.symlink(leads, os.fsencode(out))

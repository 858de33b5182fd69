"""The keys that entries of a cache are signed by: ed25519, in the text forms of OpenSSH and of PEM.

`ssh-keygen -t ed25519` and `openssl genpkey -algorithm ed25519` make such keys, too, besides `xspack cache-key`. A key
is named by its fingerprint as `ssh-keygen -lf` shows it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from xspack_tool.errors import XspackError
from xspack_tool.files import write_whole

#: How the text of a key begins, where a path might stand as well.
PUBLIC_HEADS = ("ssh-ed25519 ", "-----BEGIN PUBLIC KEY-----")
SECRET_HEAD = "-----BEGIN"
#: A file of keys is small: what is larger is another file.
_LARGEST = 1 << 16
_REMEDY = "`xspack cache-key FILE` makes a pair, FILE and FILE.pub"


class KeyMistake(XspackError):
    """A key that cannot be used. The text tells why and what to do; it holds no secret."""


class PublicKey(Struct, frozen=True):
    """Whose entries are taken."""

    id: str
    key: Ed25519PublicKey

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` is that of this key's owner on ``message``."""
        try:
            self.key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class SigningKey(Struct, frozen=True):
    """By which entries are signed."""

    key: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """The other half."""
        return _public(self.key.public_key())


def make_pair(file: Path) -> str:
    """Write a new secret key to ``file``, for its owner alone, and the public one to ``file.pub``; return the line
    of the public key. Raises KeyMistake if either is there."""
    public_file = file.with_name(f"{file.name}.pub")
    for path in (file, public_file):
        if os.path.lexists(path):
            raise KeyMistake(f"{path}: exists; name another file, or move it away")
    secret = Ed25519PrivateKey.generate()
    public = _line(secret.public_key())
    file.parent.mkdir(parents=True, exist_ok=True)
    _write_secret(file, secret)
    try:
        write_whole(public_file, f"{public} xspack-cache\n")
    except OSError:
        file.unlink()
        raise
    return public


def own_key(file: Path, create: bool) -> SigningKey | None:
    """The user's own key in ``file``, made where there is none; None if there is none and ``create`` is False.

    Raises KeyMistake for a file that others may have written or read.
    """
    if not os.path.lexists(file):
        if not create:
            return None
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside = file.with_name(f".{file.name}.{os.getpid()}.new")
            _write_secret(beside, Ed25519PrivateKey.generate())
            try:
                # Two builds may begin at once: the first one's key stays.
                with suppress(FileExistsError):
                    os.link(beside, file)
            finally:
                beside.unlink()
        except OSError as error:
            raise KeyMistake(f"{file}: own key cannot be made: {error.strerror or error}") from None
    state = os.lstat(file)
    if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise KeyMistake(f"{file}: must be a file of your own with mode 600; remove it, a new one is made")
    return read_secret(_content(file, "cache key"), str(file))


def read_trusted(given: Iterable[str]) -> tuple[PublicKey, ...]:
    """The public keys of files, or of texts (see :data:`PUBLIC_HEADS`). Raises KeyMistake with one reason."""
    found: dict[str, PublicKey] = {}
    for one in given:
        is_text = one.lstrip().startswith(PUBLIC_HEADS)
        where = "public key" if is_text else one
        keys = _read_public(one if is_text else _content(Path(one), "public key"), where)
        found |= {key.id: key for key in keys}
    return tuple(found.values())


def read_signing(given: str) -> SigningKey:
    """The secret key of a file, or of a text that begins with :data:`SECRET_HEAD`. Raises KeyMistake."""
    if given.lstrip().startswith(SECRET_HEAD):
        return read_secret(given, "secret key of the environment")
    return read_secret(_content(Path(given), "secret key"), given)


def read_secret(text: str, where: str) -> SigningKey:
    """A secret key without passphrase. Raises KeyMistake, never with a part of the text."""
    data = text.strip().encode() + b"\n"
    is_ssh = data.startswith(b"-----BEGIN OPENSSH")
    load = serialization.load_ssh_private_key if is_ssh else serialization.load_pem_private_key
    try:
        key = load(data, password=None)
    except TypeError:
        raise KeyMistake(
            f"{where}: has a passphrase; make a key without one, in a file that you alone can read"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyMistake(f"{where}: holds no ed25519 secret key; {_REMEDY}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyMistake(f"{where}: must be an ed25519 key; {_REMEDY}")
    return SigningKey(key)


def _read_public(text: str, where: str) -> list[PublicKey]:
    if "PRIVATE KEY-----" in text:
        raise KeyMistake(
            f"{where}: is a secret key; name the public one, FILE.pub, and keep this for yourself"
        )
    if text.lstrip().startswith(PUBLIC_HEADS[1]):
        parts = [text.strip().encode()]
    else:
        lines = (line.strip() for line in text.splitlines())
        parts = [line.encode() for line in lines if line and not line.startswith("#")]
    keys = []
    for part in parts:
        is_ssh = not part.startswith(b"-----BEGIN")
        load = serialization.load_ssh_public_key if is_ssh else serialization.load_pem_public_key
        try:
            key = load(part)
        except (ValueError, UnsupportedAlgorithm):
            raise KeyMistake(f"{where}: has a line that is not an ed25519 public key; {_REMEDY}") from None
        if not isinstance(key, Ed25519PublicKey):
            raise KeyMistake(f"{where}: must hold ed25519 keys alone; {_REMEDY}")
        keys.append(_public(key))
    if not keys:
        raise KeyMistake(f"{where}: holds no public key; {_REMEDY}")
    return keys


def _content(file: Path, what: str) -> str:
    try:
        with open(file, encoding="utf-8") as stream:
            text = stream.read(_LARGEST)
    except UnicodeDecodeError:
        raise KeyMistake(f"{file}: must be text, as a {what} is; {_REMEDY}") from None
    except OSError as error:
        raise KeyMistake(f"{file}: {error.strerror or error}; name the file of a {what}: {_REMEDY}") from None
    return text


def _write_secret(file: Path, key: Ed25519PrivateKey) -> None:
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(opened, "wb") as stream:
            stream.write(text)
    except OSError as error:
        file.unlink()
        raise OSError(error.errno, error.strerror, str(file)) from None


def _line(key: Ed25519PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def _public(key: Ed25519PublicKey) -> PublicKey:
    blob = base64.b64decode(_line(key).split()[1])
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return PublicKey(f"SHA256:{digest}", key)

"""Keys: what a public key file holds, whether the secret key is there, and throwaway keys for tests."""

from __future__ import annotations

import copy
import functools
import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, ValidationError, convert, to_builtins

from xspack_tool.errors import BadInput, Interrupted, StepError, raise_for_room
from xspack_tool.files import write_whole
from xspack_tool.rpm.openpgp import certified_by
from xspack_tool.run import ASKING, WORKING, environment, missing_program, run, within
from xspack_tool.signing.home import gnupg_home, mark_throwaway, scratch_home

if TYPE_CHECKING:
    import gnupg

#: Algorithm ids of RFC 4880 section 9.1 and its successors, as far as keys that sign go.
ALGORITHMS = {"1": "RSA", "3": "RSA", "17": "DSA", "19": "ECDSA", "22": "EdDSA"}
#: Validities of keys that are invalid, disabled, revoked, expired.
_UNUSABLE = ("i", "d", "r", "e")
_LARGEST = 1 << 20
_ESCAPED = {"n": "\n", "r": "\r", "f": "\f", "v": "\v", "b": "\b", "0": "\0"}


class PublicKey(Struct, frozen=True):
    """What a key file holds: its first primary key, and its form.

    Times are seconds since 1970. ``signing_subkeys`` are fingerprints. ``primaries`` counts the primary
    keys in the file, ``has_secret`` is whether any key in it is a secret one.
    """

    fingerprint: str
    algorithm: str
    bits: int
    created: int
    expires: int | None
    uids: tuple[str, ...]
    signing_subkeys: tuple[str, ...]
    primaries: int
    has_secret: bool
    armoured: bool
    revoked: bool = False
    #: Whether the primary key itself can sign.
    can_sign: bool = True
    #: The hashes by which it certifies its own user ids.
    self_hashes: tuple[str, ...] = ()

    @property
    def key_id(self) -> str:
        """The last 16 digits of the fingerprint, as signatures carry it."""
        return self.fingerprint[-16:]


def python_gnupg(home: str, *options: str) -> gnupg.GPG:
    """python-gnupg on ``home``, free of the user's options and of the caller's environment.

    Raises StepError if gpg is not there.
    """
    if lacking := missing_program("gpg"):
        raise StepError(lacking)
    gpg = copy.copy(_gnupg(shutil.which("gpg") or ""))
    gpg.gnupghome, gpg.options, gpg.env = home, ["--no-options", *options], environment()
    return gpg


@functools.cache
def _gnupg(program: str) -> gnupg.GPG:
    """python-gnupg on no home: each new one would start gpg to ask for its version."""
    import gnupg

    class BoundedGpg(gnupg.GPG):  # type: ignore[misc]
        """gpg is started by python-gnupg itself: with our time limit, and no answer of one that a signal ended."""

        def _collect_output(self, process: Any, result: Any, *rest: Any, **more: Any) -> None:
            try:
                with within(process, "gpg", WORKING):
                    super()._collect_output(process, result, *rest, **more)
            finally:
                # Without room it gives wrong answers, or none: it aborts.
                raise_for_room(getattr(result, "stderr", ""), self.gnupghome)

    try:
        gpg = BoundedGpg(options=["--no-options"], env=environment())
    except ValueError as error:  # its question for gpg's version was not answered
        raise Interrupted(" ".join(str(error).split())) from None
    gpg.encoding = "utf-8"
    return gpg


def read_public_key(path: Path) -> PublicKey:
    """What the key file ``path`` holds; nothing is imported anywhere.

    Raises BadInput if it is no OpenPGP key.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[PublicKey, str]:
    """The key, and the SHA-256 of the file's content."""
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise BadInput(path, error.strerror or "cannot be read") from None
    if len(content) > _LARGEST:
        raise BadInput(path, "larger than 1 MiB: no key file")
    digest = hashlib.sha256(content).hexdigest()
    key = _remembered.get(digest) or _scan(content)
    if key is None:
        raise BadInput(path, "holds no OpenPGP key; export one with: gpg --armor --export FINGERPRINT")
    return key, digest


#: SHA-256 of the content of a key file -> what gpg found in it in an earlier run.
_remembered: dict[str, PublicKey] = {}


def facts_of(path: Path) -> dict[str, Any]:
    """What a key file holds, as plain values for :func:`remember_key`. Raises BadInput."""
    key, digest = _read(path)
    return {"content": digest, "key": to_builtins(key)}


def remember_key(facts: Mapping[str, Any]) -> None:
    """Have a file of that content told of without asking gpg again, which takes as long as to sign a dozen RPMs."""
    with suppress(KeyError, ValidationError):  # noted by another version
        _remembered[facts["content"]] = convert(facts["key"], PublicKey)


@functools.lru_cache(maxsize=16)
def _scan(content: bytes) -> PublicKey | None:
    """gpg's listing of a key file's content (gnupg's doc/DETAILS)."""
    with scratch_home() as home:
        file = home / "key"
        file.write_bytes(content)
        words = ["--batch", "--no-options", "--no-tty", "--no-autostart", "--with-colons", "--dry-run"]
        argv: list[str | Path] = [
            "gpg",
            "--homedir",
            home,
            *words,
            "--import-options",
            "import-show",
            "--import",
            file,
        ]
        done = run(argv, timeout=WORKING, check=False, killed=True)
        raise_for_room(done.err, str(home))  # without room it gives no answer: it aborts
    if done.status < 0:
        raise Interrupted(f"gpg was ended by signal {-done.status} while it read a key file")
    records = [line.split(":") for line in done.out.split("\n")]
    starts = [number for number, record in enumerate(records) if record[0] in ("pub", "sec")]
    if not starts:
        return None
    first = records[starts[0]]
    own = records[starts[0] : starts[1] if len(starts) > 1 else None]
    fingerprint, *others = (record[9] for record in own if record[0] == "fpr")
    subkeys = [record for record in own if record[0] in ("sub", "ssb")]
    return PublicKey(
        fingerprint=fingerprint,
        algorithm=ALGORITHMS.get(first[3], f"algorithm {first[3]}"),
        bits=int(first[2] or 0),
        created=int(first[5] or 0),
        expires=int(first[6]) if first[6] else None,
        uids=tuple(_unescaped(record[9]) for record in own if record[0] == "uid"),
        signing_subkeys=tuple(
            other for subkey, other in zip(subkeys, others, strict=False) if "s" in subkey[11]
        ),
        primaries=len(starts),
        has_secret=any(record[0] == "sec" for record in records),
        armoured=content.lstrip().startswith(b"-----BEGIN PGP "),
        revoked=first[1] == "r",
        can_sign="s" in first[11],
        self_hashes=certified_by(content, fingerprint[-16:]),
    )


def _unescaped(text: str) -> str:
    """A user id as gpg lists it, where signs that would end a field or a line are written as in C."""
    return re.sub(
        r"\\(x[0-9a-f]{2}|[nrfvb0])",
        lambda sign: _ESCAPED.get(sign[1]) or chr(int(sign[1][1:], 16)),
        text,
    )


class SecretKey(Struct, frozen=True):
    """A primary secret key of a keyring. ``grip`` is what gpg's agent calls it; empty where gpg has to judge: another
    algorithm than RSA, a smart card, a key that is expired or may not sign."""

    fingerprint: str
    grip: str


def secret_key(home: Path | None, fingerprint: str) -> SecretKey | None:
    """The primary key of this fingerprint, if the keyring in ``home`` (None: the user's own) can sign with it."""
    return next((key for key in _secret_keys(home, fingerprint) if key.fingerprint == fingerprint), None)


def find_secret_key(home: Path | None, which: str) -> str:
    """The fingerprint of the secret key that a user id, or whatever else gpg takes for a key, names.

    A user id that is the whole of ``which`` comes before one that holds it. Raises StepError if there is none.
    """
    for name in (f"={which}", which):
        if found := _secret_keys(home, name):
            return found[0].fingerprint
    place = home or "gpg's own keyring"
    raise StepError(f"{place} holds no secret key for {which!r}; import it there, or name another keyring")


def export_public_key(home: Path | None, fingerprint: str) -> str:
    """The armoured public key, as a public key file holds it. Raises StepError."""
    argv = ["gpg", "--batch", "--no-options", "--no-tty", "--quiet", "--armor", "--export", fingerprint]
    env = {"GNUPGHOME": gnupg_home(home)}
    return run(argv, env=env, timeout=ASKING, what="exporting the public key").out


def _secret_keys(home: Path | None, which: str) -> list[SecretKey]:
    """The primary secret keys that gpg finds and can use for ``which``."""
    argv = [
        *("gpg", "--batch", "--no-options", "--no-auto-check-trustdb", "--with-colons", "--with-keygrip"),
        *("--list-secret-keys", which),
    ]
    env = {"GNUPGHOME": gnupg_home(home)}
    done = run(argv, env=env, timeout=ASKING, check=False, what="looking for the secret key")
    own: list[str] | None = None  # of the key whose lines are read
    keys, fingerprint = [], ""
    for line in done.out.splitlines():
        fields = line.split(":")
        if fields[0] in ("sec", "ssb"):
            # '#': the secret part itself is elsewhere.
            own = fields if fields[0] == "sec" and fields[14] != "#" else None
        elif fields[0] == "fpr" and own:
            fingerprint = fields[9]
        elif fields[0] == "grp" and own:
            keys.append(SecretKey(fingerprint, fields[9] if _is_for_agent(own) else ""))
    return keys


def _is_for_agent(fields: Sequence[str]) -> bool:
    """Whether the agent signs with a key, of which gpg told its validity, algorithm, capabilities, and ``+`` for a
    secret key that is there (gnupg's doc/DETAILS)."""
    validity, algorithm, capabilities, secret = (fields[number] for number in (1, 3, 11, 14))
    usable = validity not in _UNUSABLE and "s" in capabilities and secret in ("", "+")
    return usable and ALGORITHMS.get(algorithm) == "RSA"


def make_test_key(home: Path, public_file: Path, name: str, created: int) -> PublicKey:
    """Make a throwaway RSA key without a passphrase in ``home``, once, and its armoured public file.

    Its creation is ``created`` (seconds since 1970), whatever the clock says: signatures of packages that
    are not older then bear the package's own time. A second call, or one after a killed one, finds the key
    again by its user id. Raises StepError with gpg's words.
    """
    mark_throwaway(home)
    uid = f"{name} (throwaway test key)"
    env = {"GNUPGHOME": gnupg_home(home)}
    gpg = ["gpg", "--batch", "--no-options", "--no-tty", "--quiet", f"--faked-system-time={created}!"]
    keys = _secret_keys(home, f"={uid}")
    if not keys:
        words = [
            "--pinentry-mode=loopback",
            "--passphrase-fd=0",
            "--quick-generate-key",
            uid,
            "rsa2048",
            "sign",
            "never",
        ]
        run([*gpg, *words], env=env, stdin=b"\n", timeout=WORKING, what="making a test key")
        keys = _secret_keys(home, f"={uid}")
    export = [*gpg, "--armor", "--export", keys[0].fingerprint]
    text = run(export, env=env, timeout=ASKING, what="exporting the test key").out
    if not public_file.exists() or public_file.read_text(encoding="ascii") != text:
        write_whole(public_file, text)
    return read_public_key(public_file)

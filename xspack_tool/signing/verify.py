"""Verifying as hosts do: a keyring that holds one key, and that key trusted ultimately."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from xspack_tool.errors import BadInput
from xspack_tool.rpm.openpgp import RsaSignature, rsa_key, rsa_signature
from xspack_tool.run import WORKING, plain_folder, run
from xspack_tool.signing.home import scratch_home
from xspack_tool.signing.keys import python_gnupg, read_public_key

#: What xapi's gpg wrapper wants to read before it takes a signature for good.
WANTED = ("GOODSIG", "VALIDSIG", "TRUST_ULTIMATE")
_LARGEST_SIGNATURE = 1 << 16
#: What stands before a SHA-256 in a signature (RFC 8017, 9.2, note 1).
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
_CHECK = re.compile(r"    (?P<what>.+): (?P<verdict>[A-Z]+)(?: \(.*\))?")
_SIGNATURE = re.compile(r"(?:Header )?V\d+ (?P<algorithm>\S+) Signature, key ID (?P<key>[0-9a-f]+)")


class SignatureStatus(Struct, frozen=True):
    """What gpg's status lines said of a detached signature: their keywords in order, and who signed."""

    tokens: tuple[str, ...]
    fingerprint: str
    words: str

    @property
    def accepted(self) -> bool:
        """Whether a host would take it. An expired key gives EXPKEYSIG in place of GOODSIG."""
        return all(token in self.tokens for token in WANTED)

    @property
    def missing(self) -> tuple[str, ...]:
        """The keywords that a host looks for and does not find."""
        return tuple(token for token in WANTED if token not in self.tokens)


class RpmStatus(Struct, frozen=True):
    """What ``rpmkeys -Kv`` said: (what was checked, OK | NOKEY | BAD | NOTFOUND ..) in order."""

    checks: tuple[tuple[str, str], ...]

    @property
    def signatures(self) -> tuple[tuple[str, str], ...]:
        """(key id as rpm prints it, verdict) of each signature."""
        found = ((_SIGNATURE.fullmatch(what), verdict) for what, verdict in self.checks)
        return tuple((match["key"], verdict) for match, verdict in found if match)

    @property
    def accepted(self) -> bool:
        """Whether it is signed by the key and nothing about it is damaged."""
        return bool(self.signatures) and all(verdict == "OK" for _, verdict in self.checks)

    @property
    def has_md5(self) -> bool:
        """Whether header and payload have the MD5 digest, the one that rpm 4.11 knows."""
        return any(what == "MD5 digest" for what, _ in self.checks)


@contextmanager
def host_keyring(keyfile: Path) -> Iterator[Callable[[Path, Path], SignatureStatus]]:
    """A host's gpg that has imported ``keyfile`` and nothing else: a function of a file and its detached
    signature.

    Raises BadInput, as that function does, if a file cannot be read as what it should be.
    """
    key = read_public_key(keyfile)
    with scratch_home() as home:
        gpg = python_gnupg(str(home), "--no-autostart", "--trust-model=pgp", f"--trusted-key={key.key_id}")
        gpg.import_keys(keyfile.read_bytes())

        def check(data: Path, signature: Path) -> SignatureStatus:
            for path, largest in ((signature, _LARGEST_SIGNATURE), (data, 1 << 30)):
                if not path.is_file():
                    raise BadInput(path, "no such file")
                if path.stat().st_size > largest:
                    raise BadInput(path, f"larger than {largest} bytes")
            with open(signature, "rb") as file:
                return _status(gpg.verify_file(file, str(data.absolute()), close_file=False).stderr)

        yield check


def _status(stderr: str) -> SignatureStatus:
    lines = [line.split() for line in stderr.splitlines() if line.startswith("[GNUPG:] ")]
    signer = next((words[2] for words in lines if words[1] == "VALIDSIG"), "")
    said = [line for line in stderr.splitlines() if line.startswith("gpg: ")]
    return SignatureStatus(tuple(words[1] for words in lines), signer, "\n".join(said))


def is_signed_by(keyfile: Path, data: Path, signature: Path) -> bool:
    """Whether ``signature`` is one of the key in ``keyfile`` on ``data``, whatever a host says of that key.

    RSA is verified in process; gpg is asked where the key or the signature is of another kind, and where it does not
    fit. Raises BadInput as :func:`verify_file` does.
    """
    key, made = rsa_key(keyfile.read_bytes()), rsa_signature(signature.read_bytes())
    if key and made and made.hash == "SHA256" and _fits(key, made, data.read_bytes()):
        return True
    return "VALIDSIG" in verify_file(keyfile, data, signature).tokens


def _fits(key: tuple[int, int], made: RsaSignature, data: bytes) -> bool:
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2.2). To load a library for it takes longer than all else that is
    compared before an ISO gets its name."""
    modulus, exponent = key
    size, number = (modulus.bit_length() + 7) // 8, int.from_bytes(made.number, "big")
    digest = _SHA256 + hashlib.sha256(data + made.after).digest()
    encoded = b"\0\1" + b"\xff" * (size - 3 - len(digest)) + b"\0" + digest
    return number < modulus and pow(number, exponent, modulus).to_bytes(size, "big") == encoded


def verify_file(keyfile: Path, data: Path, signature: Path) -> SignatureStatus:
    """What a host's gpg says of ``signature`` on ``data`` when it has imported ``keyfile`` and nothing else.

    Raises BadInput if one of the files cannot be read as what it should be.
    """
    with host_keyring(keyfile) as check:
        return check(data, signature)


def verify_rpm(keyfile: Path | None, rpm: Path) -> RpmStatus:
    """What rpm says of the digests and signatures of ``rpm`` when it knows ``keyfile`` (None: no key) alone.

    Raises BadInput if it is no RPM.
    """
    if not rpm.is_file():
        raise BadInput(rpm, "no such file")
    with tempfile.TemporaryDirectory(prefix="xspack-rpm-", dir=plain_folder()) as scratch:
        # rpm would take what it is not, and its name, for a list of patterns.
        link = Path(scratch, "pack.rpm")
        link.symlink_to(rpm.absolute())
        if keyfile is not None:
            (Path(scratch) / "pack.key").write_bytes(keyfile.read_bytes())
        argv = [
            *("rpmkeys", "--macros=/usr/lib/rpm/macros", "--rcfile=/dev/null", "--define", "_keyring fs"),
            *("--define", f"_keyringpath {scratch}/", "--define", f"_dbpath {scratch}/db"),
            *("--checksig", "--verbose", str(link)),
        ]
        done = run(argv, check=False, timeout=WORKING, what=f"verifying {rpm.name}")
    matches = [_CHECK.fullmatch(line) for line in done.out.splitlines()]
    checks = tuple((match["what"], match["verdict"]) for match in matches if match)
    if not checks:
        said = next(
            (line for line in done.err.splitlines() if line.startswith("error: ")), "error: not an RPM"
        )
        raise BadInput(rpm, said.removeprefix("error: ").removeprefix(f"{link}: "))
    return RpmStatus(checks)

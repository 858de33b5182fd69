"""Who signs: a key named by its public file or by a user id, secret in a keyring."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from xspack_tool.errors import StepError
from xspack_tool.signing.keys import export_public_key, find_secret_key, read_public_key, secret_key
from xspack_tool.signing.passphrase import read_passphrase
from xspack_tool.signing.sign import Signer, remember_secret_key


def add_keyring_argument(parser: argparse.ArgumentParser) -> None:
    """``--gnupghome``."""
    parser.add_argument(
        "--gnupghome",
        type=Path,
        default=Path(os.environ["XSPACK_GNUPGHOME"]) if os.environ.get("XSPACK_GNUPGHOME") else None,
        metavar="DIR",
        help="keyring with the secret key (XSPACK_GNUPGHOME, else gpg's own)",
    )


def signer_of_file(public_file: Path, home: Path | None) -> Signer:
    """Who signs with the key of a public key file. Raises BadInput or StepError."""
    key = read_public_key(public_file)
    secret = secret_key(home, key.fingerprint)
    if secret is None:
        place = home or "gpg's own keyring"
        raise StepError(
            f"{place} holds no secret key {key.fingerprint} of {public_file}; import it there, or name the "
            "keyring that has it with --gnupghome"
        )
    remember_secret_key(home, secret)
    return Signer(home, key, read_passphrase())


def signer_of_uid(uid: str, home: Path | None, work: Path) -> Signer:
    """Who signs with the key that a user id names; ``work`` is a folder for the public key while it is read."""
    file = work / "public-key"
    file.write_text(export_public_key(home, find_secret_key(home, uid)), encoding="ascii")
    return Signer(home, read_public_key(file), read_passphrase())

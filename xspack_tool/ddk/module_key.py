"""The key that signs modules, as it is named."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

#: How the URI of a key in a token begins.
TOKEN = "pkcs11:"


class ModuleKey(Struct, frozen=True):
    """A key that signs modules: the file of the private key (PEM) or its URI in a token (``pkcs11:..``, RFC 7512), and
    the file of its certificate (PEM or DER). ``digest`` is what the kernel's CONFIG_MODULE_SIG_HASH says.

    The key's passphrase, or the token's PIN, if there is one, is found in KBUILD_SIGN_PIN of the environment, as by the
    kernel's own scripts/sign-file.
    """

    key: str
    certificate: Path
    digest: str = ""

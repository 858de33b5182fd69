"""The keys and packs that hosts judge."""

import pytest
from pack_maker import TIME, Key, keys, make_pack, program

__all__ = ["expired", "keys", "make_pack"]


@pytest.fixture(scope="session")
def expired(keys: dict[str, Key]) -> Key:
    """A key that was valid for a month after TIME."""
    home, file = keys["Acme"].home, keys["Acme"].home.parent / "RPM-GPG-KEY-Expired"
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", f"--faked-system-time={TIME}!"]
    words = ["--pinentry-mode=loopback", "--passphrase=", "--quick-gen-key", "Expired <old@acme.example>"]
    program(*gpg, *words, "rsa2048", "sign", "30d")
    file.write_text(program(*gpg, "--armor", "--export", "=Expired <old@acme.example>").stdout)
    return Key(home, file)

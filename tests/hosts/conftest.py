"""One throwaway key and one maker of packs for each worker."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pack_maker import TIME, Key, PackMaker, make_key, program
from support import need

from xspack_tool.signing.home import end_agent


@pytest.fixture(scope="session")
def keys() -> Iterator[dict[str, Key]]:
    need("gpg", "rpmbuild", "rpmsign", "rpmkeys")
    folder = Path(tempfile.mkdtemp(prefix="xs-", dir="/tmp"))
    made = {name: make_key(folder, f"RPM-GPG-KEY-{name}") for name in ("Acme", "Other")}
    yield made
    for key in made.values():
        end_agent(key.home)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def make_pack(keys: dict[str, Key], tmp_path_factory: pytest.TempPathFactory) -> PackMaker:
    return PackMaker(tmp_path_factory.mktemp("packs"), keys["Acme"])


@pytest.fixture(scope="session")
def expired(keys: dict[str, Key]) -> Key:
    """A key that was valid for a month after TIME."""
    home, file = keys["Acme"].home, keys["Acme"].home.parent / "RPM-GPG-KEY-Expired"
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", f"--faked-system-time={TIME}!"]
    words = ["--pinentry-mode=loopback", "--passphrase=", "--quick-gen-key", "Expired <old@acme.example>"]
    program(*gpg, *words, "rsa2048", "sign", "30d")
    file.write_text(program(*gpg, "--armor", "--export", "=Expired <old@acme.example>").stdout)
    return Key(home, file)

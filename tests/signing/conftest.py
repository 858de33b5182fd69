"""Real keys and a real RPM, made once a worker."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import need

from xspack_tool.signing.home import end_agent, mark_throwaway
from xspack_tool.signing.keys import PublicKey, make_test_key, read_public_key

CREATED = 1577836800
SPEC = """\
Name: signed-thing
Version: 1.0
Release: 1
Summary: something to sign
License: MIT
BuildArch: noarch
%description
Something to sign.
%install
mkdir -p %{buildroot}/opt/thing
head -c 300000 /dev/zero > %{buildroot}/opt/thing/zeros
%files
/opt/thing
"""


@dataclass(frozen=True)
class SigningKey:
    """A keyring in ``home`` and the public file of a key in it."""

    home: Path
    file: Path
    key: PublicKey


@pytest.fixture(scope="session")
def short_tmp() -> Iterator[Path]:
    """A folder whose path leaves room for sockets (pytest's own may not)."""
    need("gpg")
    folder = Path(tempfile.mkdtemp(prefix="xs-", dir="/tmp"))
    yield folder
    for home in folder.glob("*/gnupg"):
        end_agent(home)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def signing_key(short_tmp: Path) -> SigningKey:
    home, file = short_tmp / "one/gnupg", short_tmp / "one/RPM-GPG-KEY-One"
    return SigningKey(home, file, make_test_key(home, file, "RPM-GPG-KEY-One", CREATED))


def _generate(folder: Path, uid: str, *words: str, passphrase: str = "", at: int = CREATED) -> SigningKey:
    """A key of any kind in ``folder``, made by gpg itself: ``words`` are algorithm, usage, expiry."""
    home, file = folder / "gnupg", folder / "key.asc"
    mark_throwaway(home)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", f"--faked-system-time={at}!"]
    loopback = ["--pinentry-mode=loopback", "--passphrase-fd=0"]
    subprocess.run(
        [*gpg, *loopback, "--quick-gen-key", uid, *words], input=f"{passphrase}\n".encode(), check=True
    )
    file.write_bytes(
        subprocess.run([*gpg, "--armor", "--export", f"={uid}"], capture_output=True, check=True).stdout
    )
    return SigningKey(home, file, read_public_key(file))


@pytest.fixture(scope="session")
def make_key(short_tmp: Path) -> Callable[..., SigningKey]:
    """``make_key(folder name, uid, algorithm, usage, expiry, passphrase=, at=)``."""
    return lambda folder, *words, **more: _generate(short_tmp / folder, *words, **more)


@pytest.fixture(scope="session")
def locked_key(short_tmp: Path) -> SigningKey:
    """A key with the passphrase ``correct horse``."""
    home = short_tmp / "locked/gnupg"
    home.mkdir(parents=True)
    # Without a cache the passphrase is asked for each time.
    (home / "gpg-agent.conf").write_text("max-cache-ttl 0\ndefault-cache-ttl 0\ns2k-count 65536\n")
    words = ("rsa2048", "sign", "never")
    return _generate(home.parent, "Locked <locked@x.example>", *words, passphrase="correct horse")


@pytest.fixture(scope="session")
def plain_rpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("rpmbuild", "rpmsign", "rpmkeys")
    top = tmp_path_factory.mktemp("rpmbuild")
    (top / "thing.spec").write_text(SPEC)
    words = [
        "rpmbuild",
        "-bb",
        "--quiet",
        "--define",
        f"_topdir {top}",
        "--define",
        "_binary_payload w2.xzdio",
    ]
    subprocess.run([*words, top / "thing.spec"], check=True, capture_output=True)
    return next(top.glob("RPMS/*/*.rpm"))

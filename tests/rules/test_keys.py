"""G1 to G4: real keys, as the signing room reads them."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from support import need

from xspack_tool.signing.keys import PublicKey, read_public_key

Verdict = Callable[..., list[str]]
NAME = "RPM-GPG-KEY-Acme"
DAY = 24 * 3600
NOW = int(datetime.datetime(2026, 11, 22, tzinfo=datetime.timezone.utc).timestamp())


class Keyring:
    """gpg in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str) -> bytes:
        argv = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
        argv += ["--passphrase", "", *arguments]
        return subprocess.run(argv, check=True, capture_output=True).stdout

    def make(self, name: str, *how: str) -> None:
        self("--quick-generate-key", name, *how)

    def file(self, folder: Path, *arguments: str) -> PublicKey:
        path = folder / NAME
        path.write_bytes(self(*arguments))
        return read_public_key(path)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    need("gpg")
    import shutil
    import tempfile

    home = Path(tempfile.mkdtemp(prefix="xs-", dir="/tmp"))
    ring = Keyring(home)
    ring.make("good", "rsa2048", "sign", "never")
    ring.make("second", "rsa2048", "sign", "never")
    ring.make("edwards", "ed25519", "sign", "never")
    ring.make("parted", "rsa2048", "sign", "never")
    listed = ring("--list-keys", "--with-colons", "parted").decode()
    fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
    ring("--quick-add-key", fingerprint, "rsa2048", "sign", "never")
    yield ring
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    shutil.rmtree(home)


@pytest.fixture
def good(keyring: Keyring, tmp_path: Path) -> PublicKey:
    return keyring.file(tmp_path, "--armor", "--export", "good")


def with_key(pack_verdict: Verdict, rule: str, key: PublicKey | None, **fields: object) -> list[str]:
    """The verdict on a pack with this key file."""
    rpms = fields.pop("rpms", ())
    return pack_verdict(rule, rpms, of_context={"key": key}, **{"key_name": NAME, "now": NOW, **fields})


def test_g1_algorithms(pack_verdict: Verdict, keyring: Keyring, tmp_path: Path, good: PublicKey) -> None:
    edwards = keyring.file(tmp_path, "--armor", "--export", "edwards")
    assert with_key(pack_verdict, "G1", edwards) == [f"E {NAME}: a key of EdDSA; hosts take RSA alone"]
    parted = keyring.file(tmp_path, "--armor", "--export", "parted")
    assert with_key(pack_verdict, "G1", parted) == [
        f"E {NAME}: it signs with a sub-key ({parted.signing_subkeys[0]}), which hosts do not take"
    ]
    assert with_key(pack_verdict, "G1", good) == []
    assert with_key(pack_verdict, "G1", None) == []


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (-1, "E {}: the key expired on 2026-11-21"),
        (0, "E {}: the key expired on 2026-11-22"),
        (1, "W {}: the key expires on 2026-11-23: hosts reject the pack from then on"),
        (90, "W {}: the key expires on 2027-02-20: hosts reject the pack from then on"),
        (91, None),
    ],
)
def test_g1_expiry(pack_verdict: Verdict, good: PublicKey, days: int, said: str | None) -> None:
    key = replace(good, expires=NOW + days * DAY)
    assert with_key(pack_verdict, "G1", key) == ([said.format(NAME)] if said else [])


def test_g1_revoked(pack_verdict: Verdict, good: PublicKey) -> None:
    assert with_key(pack_verdict, "G1", replace(good, revoked=True)) == [f"E {NAME}: the key is revoked"]


def test_g2_name_and_armour(pack_verdict: Verdict, keyring: Keyring, tmp_path: Path, good: PublicKey) -> None:
    binary = keyring.file(tmp_path, "--export", "good")
    assert with_key(pack_verdict, "G2", binary, key_name="RPM-GPG-KEY-Renamed") == [
        "E RPM-GPG-KEY-Renamed: the key file is not armoured",
        "E key: update.xml names 'RPM-GPG-KEY-Acme', the key file is 'RPM-GPG-KEY-Renamed'",
    ]
    assert with_key(pack_verdict, "G2", good) == []


def test_g2_signatures(
    pack_verdict: Verdict, keyring: Keyring, tmp_path: Path, good: PublicKey, forged: Callable[..., Path]
) -> None:
    need("rpmsign")
    plain = forged(name="plain", files={"/opt/plain": b"x"})
    signed = {}
    for who in ("good", "second"):
        listed = keyring("--list-keys", "--with-colons", who).decode()
        fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
        path = tmp_path / f"{who}.rpm"
        path.write_bytes(forged(name=who, files={"/opt/x": b"x"}).read_bytes())
        defines = [f"_gpg_name {fingerprint}", f"_gpg_path {keyring.home}", "__gpg /usr/bin/gpg"]
        argv = ["rpmsign", "--addsign", *(f"--define={one}" for one in defines), str(path)]
        subprocess.run(argv, check=True, capture_output=True)
        signed[who] = (path, fingerprint[-16:])
    own, other = signed["good"], signed["second"]
    assert with_key(pack_verdict, "G2", good, signed_rpms=[plain, own[0], other[0]]) == [
        "E plain-1.0-1.x86_64.rpm: signature: the RPM is not signed",
        f"E second-1.0-1.x86_64.rpm: signature: signed by {other[1]}, not by {own[1]}",
    ]
    assert with_key(pack_verdict, "G2", good, signed_rpms=[own[0]]) == []


def test_g3_secret_and_second_keys(
    pack_verdict: Verdict, keyring: Keyring, tmp_path: Path, good: PublicKey
) -> None:
    secret = keyring.file(tmp_path, "--armor", "--export-secret-keys", "good")
    assert with_key(pack_verdict, "G3", secret) == [f"E {NAME}: the key file holds a SECRET key"]
    both = keyring.file(tmp_path, "--armor", "--export", "good", "second")
    assert with_key(pack_verdict, "G3", both) == [f"E {NAME}: the key file holds 2 keys"]
    assert with_key(pack_verdict, "G3", good) == []
    assert with_key(pack_verdict, "G3", None) == []


@pytest.mark.parametrize(
    ("kind", "digest", "said"),
    [
        ("rsa2048", "SHA256", []),
        ("rsa2048", "SHA512", []),
        ("rsa1024", "SHA256", ["an RSA key of 1024 bits; XCP-ng 9 takes 2048 or more"]),
        ("rsa2048", "SHA1", ["its user ids are certified by SHA1, which XCP-ng 9 refuses"]),
    ],
)
def test_g4_keys_that_el_9_refuses(
    pack_verdict: Verdict, keyring: Keyring, tmp_path: Path, kind: str, digest: str, said: list[str]
) -> None:
    """Keys that gpg made, and what its own list of packets says of them."""
    name = f"{kind} {digest} key"
    keyring("--no-options", "--cert-digest-algo", digest, "--quick-generate-key", name, kind, "sign", "never")
    key = keyring.file(tmp_path, "--armor", "--export", f"={name}")
    packets = subprocess.run(
        ["gpg", "--list-packets", tmp_path / NAME], check=True, capture_output=True
    ).stdout
    number = {"SHA1": 2, "SHA256": 8, "SHA512": 10}[digest]
    assert f"digest algo {number},".encode() in packets
    assert key.self_hashes == (digest,)
    assert with_key(pack_verdict, "G4", key, profile="xcp-ng-9") == [f"E {NAME}: {line}" for line in said]
    assert with_key(pack_verdict, "G4", key, profile="xcp-ng-8.3") == []

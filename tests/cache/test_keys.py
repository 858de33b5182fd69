"""Pairs of keys, as `xspack cache-key` makes them, and what is signed by them."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pack_maker import xspack
from support import need

from xspack_tool.cache.entry import (
    OTHER_ACTION,
    OTHER_KEY,
    UNSIGNED,
    Entry,
    Refused,
    sign_entry,
    verified_entry,
)
from xspack_tool.cache.keys import KeyMistake, make_pair, read_signing, read_trusted

ENTRY = Entry("0f" * 16, "ab" * 32, 12, "644")


def test_the_command_makes_a_pair_that_openssh_knows(tmp_path: Path) -> None:
    need("ssh-keygen")
    done = xspack("cache-key", tmp_path / "keys/ci")
    secret, public = tmp_path / "keys/ci", tmp_path / "keys/ci.pub"
    assert done.status == 0
    assert secret.stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True).stdout
    assert f"fingerprint {shown.split()[1]}" in done.out.splitlines()
    again = subprocess.run(["ssh-keygen", "-yf", secret], capture_output=True, text=True, check=True).stdout
    assert again.split()[:2] == public.read_text().split()[:2]


def test_the_command_writes_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "ci.pub").write_text("mine")
    done = xspack("cache-key", tmp_path / "ci")
    assert done.status == 1
    assert f"{tmp_path}/ci.pub: exists; name another file, or move it away" in done.err
    assert not (tmp_path / "ci").exists() and (tmp_path / "ci.pub").read_text() == "mine"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "key"
    make_pair(file)
    return file


def test_a_signature_holds_for_its_entry_alone(pair: Path) -> None:
    trusted = read_trusted([f"{pair}.pub"])
    text = sign_entry(ENTRY, read_signing(str(pair))).encode()
    assert verified_entry(text, ENTRY.key, trusted) == ENTRY
    with pytest.raises(Refused, match=OTHER_KEY):
        verified_entry(text, ENTRY.key, ())
    with pytest.raises(Refused, match=OTHER_ACTION):
        verified_entry(text, "0e" * 16, trusted)
    for name, value in {"key": "x", "sha256": "cd" * 32, "size": 13, "mode": "755"}.items():
        other = json.dumps({**json.loads(text), name: value}).encode()
        with pytest.raises(Refused, match=UNSIGNED):
            verified_entry(other, value if name == "key" else ENTRY.key, trusted)


@pytest.mark.parametrize("bad", [-1, 12.0, True, "12", None])
def test_a_size_is_a_number(pair: Path, bad: object) -> None:
    key = read_signing(str(pair))
    text = sign_entry(replace(ENTRY, size=bad), key).encode()  # type: ignore[arg-type]
    with pytest.raises(Refused, match=UNSIGNED):
        verified_entry(text, ENTRY.key, (key.public,))


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["key", "sha256", "size", "mode", "signature", "signed_by", "format"]),
                    inner,
                )
            ),
            max_leaves=10,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_whatever_stands_there_is_refused(text: bytes) -> None:
    with pytest.raises(Refused):
        verified_entry(text, "k", ())


def test_a_key_with_a_passphrase_and_one_of_another_kind_are_mistakes(tmp_path: Path) -> None:
    need("ssh-keygen", "openssl")
    for name, words in {"closed": ["ed25519", "-N", "secret"], "other": ["ecdsa", "-N", ""]}.items():
        subprocess.run(["ssh-keygen", "-q", "-t", *words, "-f", tmp_path / name], check=True)
    with pytest.raises(KeyMistake, match="has a passphrase"):
        read_signing(f"{tmp_path}/closed")
    with pytest.raises(KeyMistake, match="must be an ed25519 key"):
        read_signing(f"{tmp_path}/other")
    with pytest.raises(KeyMistake, match="must hold ed25519 keys alone"):
        read_trusted([f"{tmp_path}/other.pub"])
    bad = "ssh-ed25519 " + base64.b64encode(b"nothing").decode()
    with pytest.raises(KeyMistake, match="not an ed25519 public key"):
        read_trusted([bad])

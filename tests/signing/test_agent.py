"""What is signed through the agent's socket has the bytes that rpmsign and gpg give it."""

import shutil
from pathlib import Path

import pytest
from support import need

from xspack_tool.run import run
from xspack_tool.signing import agent
from xspack_tool.signing.agent import Agent, AgentError, find_key, remember_key_of
from xspack_tool.signing.home import gnupg_home
from xspack_tool.signing.keys import SecretKey, secret_key
from xspack_tool.signing.sign import Signer
from xspack_tool.signing.verify import verify_file, verify_rpm

LATER = 1700000000


def both(signer: Signer, rpm: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, bytes]:
    """The RPM as the agent has it signed, with no rpmsign there, and as rpmsign signs it."""
    need("rpmsign")
    programs = folder / "bin"
    programs.mkdir()
    for name in ("gpg", "gpgconf", "gpg-agent"):
        (programs / name).symlink_to(shutil.which(name) or name)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(programs))
        signer.sign_rpm(rpm, folder / "agent.rpm", LATER)
    signer._sign_by_rpmsign(rpm, folder / "rpmsign.rpm", signer._options(LATER))
    return (folder / "agent.rpm").read_bytes(), (folder / "rpmsign.rpm").read_bytes()


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_the_bytes_of_rpmsign(make_key, plain_rpm, tmp_path, monkeypatch, bits):
    key = make_key(f"rsa{bits}", f"Acme {bits} <a@x.example>", f"rsa{bits}", "sign", "never")
    mine, theirs = both(Signer(key.home, key.key), plain_rpm, tmp_path, monkeypatch)
    assert mine == theirs
    assert verify_rpm(key.file, tmp_path / "agent.rpm").accepted


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_a_document_has_the_bytes_of_gpg(make_key, tmp_path, monkeypatch, bits):
    key = make_key(f"doc{bits}", f"Acme {bits} <a@x.example>", f"rsa{bits}", "sign", "never")
    signer, data = Signer(key.home, key.key), tmp_path / "update.xml"
    for content in (b"", b"<update/>\r\n no end", bytes(range(256)) * 300):
        data.write_bytes(content)
        with monkeypatch.context() as patch:
            patch.setattr(Signer, "_sign_file_by_gpg", None)
            signer.sign_file(data, tmp_path / "agent.asc", LATER)
        signer._sign_file_by_gpg(data, tmp_path / "gpg.asc", signer._options(LATER))
        assert (tmp_path / "agent.asc").read_bytes() == (tmp_path / "gpg.asc").read_bytes()
        assert verify_file(key.file, data, tmp_path / "agent.asc").accepted


def test_a_key_with_a_passphrase(locked_key, plain_rpm, tmp_path, monkeypatch):
    signer = Signer(locked_key.home, locked_key.key, "correct horse")
    mine, theirs = both(signer, plain_rpm, tmp_path, monkeypatch)
    assert mine == theirs


def test_a_wrong_passphrase_is_left_to_rpmsign(locked_key, tmp_path):
    home = gnupg_home(locked_key.home)
    place = find_key(home, locked_key.key.fingerprint)
    with Agent(place.socket, "wrong") as agent, pytest.raises(AgentError) as caught:
        agent.sign(place.keygrip, bytes(32))
    assert "Bad passphrase" in str(caught.value) and "wrong" not in str(caught.value)


@pytest.mark.parametrize("words", [("ed25519", "sign"), ("rsa2048", "cert")])
def test_other_keys_are_left_to_rpmsign(make_key, words):
    key = make_key("-".join(words), "Other <o@x.example>", *words, "never")
    with pytest.raises(AgentError, match=r"^a key that gpg has to judge$"):
        find_key(gnupg_home(key.home), key.key.fingerprint)


def test_a_key_that_was_deleted_is_not_found_any_more(make_key):
    key = make_key("deleted", "Deleted <d@x.example>", "rsa2048", "sign", "never")
    home, fingerprint = gnupg_home(key.home), key.key.fingerprint
    assert find_key(home, fingerprint) == find_key(home, fingerprint)
    run(["gpg", "--homedir", home, "--batch", "--yes", "--delete-secret-keys", fingerprint], timeout=60)
    with pytest.raises(AgentError, match=r"^no secret key$"):
        find_key(home, fingerprint)


def test_gpg_is_not_asked_for_what_an_earlier_run_found(make_key, monkeypatch):
    """Until the keyring changes; an agent that does not have the key is believed."""
    key = make_key("remembered", "Remembered <r@x.example>", "rsa2048", "sign", "never")
    home = gnupg_home(key.home)
    found = secret_key(key.home, key.key.fingerprint)
    place = find_key(home, found.fingerprint)
    agent._find_key.cache_clear()
    asked = []
    monkeypatch.setattr(agent, "secret_key", lambda home, fingerprint: asked.append(fingerprint))
    remember_key_of(home, found)
    assert find_key(home, found.fingerprint) == place and asked == []
    (key.home / "pubring.kbx").touch()
    with pytest.raises(AgentError, match=r"^no secret key$"):
        find_key(home, found.fingerprint)
    assert asked == [found.fingerprint]
    remember_key_of(home, SecretKey(found.fingerprint, "0" * 40))
    with pytest.raises(AgentError):
        find_key(home, found.fingerprint)
    assert asked == [found.fingerprint]

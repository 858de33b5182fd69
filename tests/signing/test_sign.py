"""Signatures made by gpg and rpmsign, judged by gpg and rpmkeys."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import sentences

from xspack_tool.errors import BadInput, StepError
from xspack_tool.signing import verify
from xspack_tool.signing.sign import Signer
from xspack_tool.signing.verify import is_signed_by, verify_file, verify_rpm

CREATED = 1577836800
LATER = 1700000000


def signature_time(signature) -> int:
    packets = subprocess.run(
        ["gpg", "--list-packets", signature], capture_output=True, text=True, check=True
    ).stdout
    return int(packets.split("created ")[1].split(",")[0])


@pytest.mark.parametrize(("time", "expected"), [(LATER, LATER), (CREATED - 5, CREATED)])
def test_a_document_gets_the_same_signature_each_time(time, expected, signing_key, tmp_path):
    data = tmp_path / "update.xml"
    data.write_bytes(b"<update/>\n")
    signer = Signer(signing_key.home, signing_key.key)
    for name in ("a.asc", "b.asc"):
        signer.sign_file(data, tmp_path / name, time)
    assert (tmp_path / "a.asc").read_bytes() == (tmp_path / "b.asc").read_bytes()
    assert (tmp_path / "a.asc").read_text().startswith("-----BEGIN PGP SIGNATURE-----\n\n")
    assert signature_time(tmp_path / "a.asc") == expected
    status = verify_file(signing_key.file, data, tmp_path / "a.asc")
    assert status.accepted and status.missing == ()
    assert status.fingerprint == signing_key.key.fingerprint
    assert {path.name for path in tmp_path.iterdir()} == {"update.xml", "a.asc", "b.asc"}


def test_what_a_host_does_not_find_in_a_bad_signature(signing_key, locked_key, make_key, tmp_path):
    data, signature = tmp_path / "d", tmp_path / "d.asc"
    data.write_bytes(b"data")
    Signer(signing_key.home, signing_key.key).sign_file(data, signature, LATER)
    other = verify_file(locked_key.file, data, signature)
    assert (other.accepted, other.missing) == (False, ("GOODSIG", "VALIDSIG", "TRUST_ULTIMATE"))
    assert "NO_PUBKEY" in other.tokens
    data.write_bytes(b"date")
    assert "BADSIG" in verify_file(signing_key.file, data, signature).tokens
    signature.write_bytes(b"no signature")
    assert "NODATA" in verify_file(signing_key.file, data, signature).tokens

    expired = make_key("expired", "Old <old@x.example>", "rsa2048", "sign", "1y")
    Signer(expired.home, expired.key).sign_file(data, signature, CREATED)
    status = verify_file(expired.file, data, signature)
    assert "EXPKEYSIG" in status.tokens and status.missing[0] == "GOODSIG"
    for sign in (Signer(expired.home, expired.key).sign_file, Signer(expired.home, expired.key).sign_rpm):
        with pytest.raises(StepError) as caught:
            sign(data, tmp_path / "out", LATER)
        words = "expired on 2020-12-31; extend it unless that was done, and export its public file again, "
        words += "or sign with another key"
        assert str(caught.value) == f"key {expired.key.fingerprint} {words}"


def test_an_rpm_gets_the_same_signature_each_time(signing_key, plain_rpm, tmp_path):
    signer = Signer(signing_key.home, signing_key.key)
    before = plain_rpm.read_bytes()
    for name in ("a.rpm", "b.rpm"):
        signer.sign_rpm(plain_rpm, tmp_path / name, LATER)
    assert (tmp_path / "a.rpm").read_bytes() == (tmp_path / "b.rpm").read_bytes()
    assert plain_rpm.read_bytes() == before
    status = verify_rpm(signing_key.file, tmp_path / "a.rpm")
    short = signing_key.key.fingerprint[-8:].lower()
    assert status.checks == (
        (f"{sentences.HEADER_SIGNATURE} {short}", "OK"),
        ("Header SHA256 digest", "OK"),
        ("Header SHA1 digest", "OK"),
        ("Payload SHA256 digest", "OK"),
        ("MD5 digest", "OK"),
    )
    assert status.accepted and status.has_md5
    assert {path.name for path in tmp_path.iterdir()} == {"a.rpm", "b.rpm"}
    query = [
        "rpm",
        "-qp",
        "--nosignature",
        "--qf",
        "%{RSAHEADER:pgpsig}|%{SIGPGP}|%{SIGMD5}|%{SHA1HEADER}|%{SIGSIZE}",
    ]
    rsa, v3, md5, sha1, size = subprocess.run(
        [*query, tmp_path / "a.rpm"],
        capture_output=True,
        text=True,
        check=True,
        env={"TZ": "UTC", "LC_ALL": "C"},
    ).stdout.split("|")
    assert rsa == f"RSA/SHA256, Tue Nov 14 22:13:20 2023, Key ID {signing_key.key.key_id.lower()}"
    assert (v3, len(md5), len(sha1)) == ("(none)", 32, 40) and int(size) > 1000


def test_another_key_replaces_every_signature(signing_key, locked_key, plain_rpm, tmp_path):
    both = tmp_path / "both.rpm"
    both.write_bytes(plain_rpm.read_bytes())
    words = ["--define", "__gpg /usr/bin/gpg", "--define", f"_gpg_name {signing_key.key.fingerprint}"]
    env = {"GNUPGHOME": str(signing_key.home), "PATH": "/usr/bin:/bin"}
    subprocess.run(
        ["rpmsign", "--addsign", "--rpmv3", *words, both], env=env, check=True, capture_output=True
    )
    assert len(verify_rpm(signing_key.file, both).signatures) == 2
    Signer(locked_key.home, locked_key.key, "correct horse").sign_rpm(both, both, LATER)
    status = verify_rpm(locked_key.file, both)
    assert status.signatures == ((locked_key.key.fingerprint[-8:].lower(), "OK"),)
    assert status.accepted
    assert verify_rpm(signing_key.file, both).signatures == (
        (locked_key.key.fingerprint[-8:].lower(), "NOKEY"),
    )
    assert not verify_rpm(None, both).accepted


def test_damage_is_seen(signing_key, plain_rpm, tmp_path):
    assert not verify_rpm(signing_key.file, plain_rpm).accepted
    bad = tmp_path / "bad.rpm"
    Signer(signing_key.home, signing_key.key).sign_rpm(plain_rpm, bad, LATER)
    content = bytearray(bad.read_bytes())
    content[-20] ^= 1
    bad.write_bytes(content)
    status = verify_rpm(signing_key.file, bad)
    assert not status.accepted
    bad_ones = {what for what, verdict in status.checks if verdict == "BAD"}
    assert {"Payload SHA256 digest", "MD5 digest"} <= bad_ones and "Header SHA256 digest" not in bad_ones
    bad.write_bytes(b"no rpm at all")
    with pytest.raises(BadInput) as caught:
        verify_rpm(signing_key.file, bad)
    assert str(caught.value) == f"{bad}: not an RPM"


def test_failures_say_what_gpg_said_and_leave_nothing(signing_key, locked_key, plain_rpm, tmp_path):
    data = tmp_path / "data"
    data.write_bytes(b"data")
    absent = Signer(signing_key.home, msgspec.structs.replace(signing_key.key, fingerprint="A" * 40))
    wrong = Signer(locked_key.home, locked_key.key, "wrong horse")
    for signer, words in ((absent, "No secret key"), (wrong, "Bad passphrase")):
        with pytest.raises(StepError, match=f"(?s)signing {plain_rpm.name}: .*{words}"):
            signer.sign_rpm(plain_rpm, tmp_path / "out.rpm", LATER)
        with pytest.raises(StepError, match=f"(?s)signing data: .*{words}") as caught:
            signer.sign_file(data, tmp_path / "data.asc", LATER)
        assert "[GNUPG:]" not in str(caught.value)
    assert "horse" not in repr(wrong)
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_threads_sign_at_once_with_a_passphrase(locked_key, plain_rpm, tmp_path):
    signer = Signer(locked_key.home, locked_key.key, "correct horse")
    outs = [tmp_path / f"{n}.rpm" for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda out: signer.sign_rpm(plain_rpm, out, LATER), outs))
    assert len({out.read_bytes() for out in outs}) == 1
    assert verify_rpm(locked_key.file, outs[0]).accepted


def test_odd_paths(signing_key, plain_rpm, tmp_path):
    out = tmp_path / "a b 'c' %{d} \"e\"" / "p q.rpm"
    Signer(signing_key.home, signing_key.key).sign_rpm(plain_rpm, out, LATER)
    assert verify_rpm(signing_key.file, out).accepted


def test_an_rsa_signature_is_verified_in_process(signing_key, locked_key, make_key, tmp_path, monkeypatch):
    data, signature = tmp_path / "d", tmp_path / "d.asc"
    data.write_bytes(b"<update/>\n")
    Signer(signing_key.home, signing_key.key).sign_file(data, signature, LATER)
    with monkeypatch.context() as patch:
        patch.setattr(verify, "verify_file", None)  # gpg is not asked
        assert is_signed_by(signing_key.file, data, signature)
    assert not is_signed_by(locked_key.file, data, signature)
    whole = signature.read_bytes()
    for place in range(0, len(whole), 7):
        signature.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert is_signed_by(signing_key.file, data, signature) == (
            "VALIDSIG" in verify_file(signing_key.file, data, signature).tokens
        )
    for damaged in (b"", whole[:100], b"no signature"):
        signature.write_bytes(damaged)
        assert not is_signed_by(signing_key.file, data, signature)
    signature.write_bytes(whole)
    data.write_bytes(b"<update />\n")
    assert not is_signed_by(signing_key.file, data, signature)


def test_another_kind_of_signature_is_gpgs_to_verify(make_key, tmp_path):
    key = make_key("edwards", "Ed <ed@x.example>", "ed25519", "sign", "never")
    data, signature = tmp_path / "d", tmp_path / "d.asc"
    data.write_bytes(b"data")
    Signer(key.home, key.key).sign_file(data, signature, LATER)
    assert is_signed_by(key.file, data, signature)
    data.write_bytes(b"date")
    assert not is_signed_by(key.file, data, signature)

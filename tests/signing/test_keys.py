"""What key files say, and throwaway keys."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from support import lacks, wait_for

from xspack_tool.errors import BadInput
from xspack_tool.signing.home import gnupg_home
from xspack_tool.signing.keys import PublicKey, make_test_key, read_public_key, secret_key

CREATED = 1577836800


def test_a_test_key_is_made_once(signing_key, short_tmp):
    before = signing_key.file.stat().st_mtime_ns, signing_key.file.read_bytes()
    again = make_test_key(signing_key.home, signing_key.file, "RPM-GPG-KEY-One", CREATED)
    assert again == signing_key.key
    assert (signing_key.file.stat().st_mtime_ns, signing_key.file.read_bytes()) == before
    assert again == PublicKey(
        fingerprint=again.fingerprint,
        algorithm="RSA",
        bits=2048,
        created=CREATED,
        expires=None,
        uids=("RPM-GPG-KEY-One (throwaway test key)",),
        signing_subkeys=(),
        primaries=1,
        has_secret=False,
        armoured=True,
        self_hashes=("SHA512",),
    )
    assert re.fullmatch("[0-9A-F]{40}", again.fingerprint)
    assert signing_key.home.stat().st_mode & 0o777 == 0o700
    # Two names in one keyring are two keys.
    other = make_test_key(signing_key.home, short_tmp / "one/RPM-GPG-KEY-One-B", "RPM-GPG-KEY-One-B", CREATED)
    assert other.fingerprint != again.fingerprint


def test_a_killed_run_is_made_good(short_tmp):
    home, file = short_tmp / "killed/gnupg", short_tmp / "killed/RPM-GPG-KEY-K"
    code = (
        "import sys, pathlib as p; from xspack_tool.signing.keys import make_test_key as m;"
        f"m(p.Path({str(home)!r}), p.Path({str(file)!r}), 'RPM-GPG-KEY-K', {CREATED})"
    )
    for moment in (0.15, 0.3, 0.5):
        with subprocess.Popen([sys.executable, "-c", code]) as process:
            time.sleep(moment)
            process.kill()
        if file.exists():
            read_public_key(file)  # whole, if it is there at all
    key = make_test_key(home, file, "RPM-GPG-KEY-K", CREATED)
    assert secret_key(home, key.fingerprint)
    file.unlink()
    assert make_test_key(home, file, "RPM-GPG-KEY-K", CREATED) == key
    assert [p.name for p in home.parent.iterdir() if p.name not in ("gnupg", file.name)] == []


def test_a_secret_key_is_found_by_fingerprint(signing_key, locked_key):
    assert secret_key(signing_key.home, signing_key.key.fingerprint)
    assert secret_key(locked_key.home, locked_key.key.fingerprint)
    assert secret_key(signing_key.home, locked_key.key.fingerprint) is None
    assert secret_key(signing_key.home / "nowhere", signing_key.key.fingerprint) is None


def test_facts_of_other_keys(make_key, signing_key, tmp_path):
    ed = make_key("ed", "Ed <ed@x.example>", "ed25519", "sign", "never").key
    assert (ed.algorithm, ed.bits) == ("EdDSA", 255) or (ed.algorithm, ed.bits) == ("EdDSA", 256)
    dsa = make_key("dsa", "Dsa <dsa@x.example>", "dsa2048", "sign", "2y").key
    assert (dsa.algorithm, dsa.expires) == ("DSA", CREATED + 2 * 365 * 86400)

    home = gnupg_home(signing_key.home)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase="]
    secret = subprocess.run([*gpg, "--armor", "--export-secret-keys"], capture_output=True, check=True).stdout
    (tmp_path / "secret").write_bytes(secret)
    assert read_public_key(tmp_path / "secret").has_secret
    binary = subprocess.run([*gpg, "--export"], capture_output=True, check=True).stdout
    (tmp_path / "binary").write_bytes(binary)
    assert not read_public_key(tmp_path / "binary").armoured
    (tmp_path / "two").write_bytes(signing_key.file.read_bytes() + (Path(ed_file(make_key)).read_bytes()))
    two = read_public_key(tmp_path / "two")
    assert (two.primaries, two.fingerprint) == (2, signing_key.key.fingerprint)


def ed_file(make_key):
    return make_key("ed2", "Ed <ed2@x.example>", "ed25519", "sign", "never").file


def test_signing_subkeys_are_told(make_key):
    made = make_key("sub", "Sub <sub@x.example>", "rsa2048", "sign", "never")
    gpg = ["gpg", "--homedir", made.home, "--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase="]
    for usage in ("sign", "encr"):
        subprocess.run([*gpg, "--quick-add-key", made.key.fingerprint, "rsa2048", usage, "never"], check=True)
    exported = subprocess.run([*gpg, "--armor", "--export"], capture_output=True, check=True).stdout
    made.file.write_bytes(exported)
    key = read_public_key(made.file)
    assert len(key.signing_subkeys) == 1 and key.signing_subkeys[0] != key.fingerprint
    assert msgspec.structs.replace(key, signing_subkeys=()) == made.key
    exported = subprocess.run(
        [*gpg, "--armor", "--export-secret-keys"], capture_output=True, check=True
    ).stdout
    made.file.write_bytes(exported)
    secret = read_public_key(made.file)
    assert secret.has_secret
    assert (secret.fingerprint, secret.signing_subkeys) == (key.fingerprint, key.signing_subkeys)


def test_user_ids_are_told_as_they_are(make_key):
    uid = "A: \\x41 \\n \\\\ Ünï\u2028cöde <a@x.example>"
    assert make_key("odd", uid, "ed25519", "sign", "never").key.uids == (uid,)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "holds no OpenPGP key; export one with: gpg --armor --export FINGERPRINT"),
        (
            b"\x99\xff\xff" + b"\xff" * 400,
            "holds no OpenPGP key; export one with: gpg --armor --export FINGERPRINT",
        ),
        (b"a" * ((1 << 20) + 1), "larger than 1 MiB: no key file"),
        (None, "No such file or directory"),
    ],
)
def test_what_is_no_key_is_refused(content, why, tmp_path):
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_public_key(file)
    assert str(caught.value) == f"{file}: {why}"


def agents_of(home: Path) -> list[str]:
    """Command lines of the agents that run for ``home`` or a link to it."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().decode().split("\0")
        except OSError:
            continue
        if words[0].endswith("gpg-agent") and os.path.realpath(words[words.index("--homedir") + 1]) == str(
            home
        ):
            found.append(" ".join(words))
    return found


def socket_folder(home: str) -> Path:
    words = ["gpgconf", "--homedir", home, "--list-dirs", "socketdir"]
    return Path(subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip())


def test_a_long_home_works_and_no_agent_is_left(tmp_path):
    home = (tmp_path / ("long-" * 20) / "gnupg").resolve()
    code = (
        "import sys, pathlib as p\n"
        "from xspack_tool.signing.home import gnupg_home\n"
        "from xspack_tool.signing.keys import make_test_key as m, secret_key as h\n"
        "home = p.Path(sys.argv[1])\n"
        f"print(bool(h(home, m(home, home.parent / 'KEY', 'KEY', {CREATED}).fingerprint)), gnupg_home(home))"
    )
    done = subprocess.run([sys.executable, "-c", code, home], capture_output=True, text=True, check=True)
    works, used = done.stdout.split()
    assert works == "True" and len(str(home)) > 107
    # Below /run/user, where gpg has it so, sockets have room; elsewhere there was a link, which is gone.
    folder = socket_folder(str(home))
    assert used == str(home) if folder != home else re.fullmatch(r"/tmp/xspack-\d+/[0-9a-f]{16}", used)
    assert not os.path.islink(used)
    wait_for(lambda: agents_of(home) == [])
    assert not [path.name for path in home.rglob("*") if "lock" in path.name or path.name.startswith(".#")]


@pytest.mark.parametrize("length", [86, 87, 88, 108])
def test_gpg_itself_without_run_user(short_dir, length):
    """The longest home that needs no link, and those around it, in a namespace where nobody is logged in."""
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        lacks("the right to make mount namespaces is needed: run the tests as root")
    home = f"{short_dir}/".ljust(length, "x")
    code = (
        "import sys, pathlib as p\n"
        "from xspack_tool.signing.keys import make_test_key as m\n"
        f"m(p.Path(sys.argv[1]), p.Path(sys.argv[2]), 'KEY', {CREATED})"
    )
    words = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
    public = short_dir / "KEY"
    done = subprocess.run([*words, sys.executable, "-c", code, home, public], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert read_public_key(public).has_secret is False
    assert agents_of(home) == []


def test_a_long_home_without_run_user(tmp_path, monkeypatch):
    """As on a machine where nobody is logged in: the sockets are in the home, and a link makes it short."""
    home = tmp_path / ("long-" * 20) / "gnupg"
    monkeypatch.setattr("xspack_tool.signing.home.agent_socket", lambda path: f"{path}/S.gpg-agent")
    used = gnupg_home(home)
    assert re.fullmatch(rf"/tmp/xspack-{os.getuid()}/[0-9a-f]{{16}}", used)
    assert os.readlink(used) == str(home)
    assert os.stat(os.path.dirname(used)).st_mode & 0o777 == 0o700
    assert gnupg_home(home) == used
    os.unlink(used)

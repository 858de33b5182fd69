"""Keys of modules with a passphrase, and in a token: the secret comes from the environment and goes nowhere else."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from module_keys import Pair, make_pair, openssl_agrees
from pack_maker import program
from rpm_asked import payload
from support import lacks, need
from trees import Tree

PIN = "271828-a-secret"
URI = "pkcs11:token=acme;object=sign;type=private"
RPM = "build/rpms/acme-1-1.x86_64.rpm"
LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
)
HEAD = 'env = Environment(tools=["xspack"], XSPACK_LICENSE="GPL-2.0-only", XSPACK_DDK="{0}")\n'
DECLARED = 'env.KernelModule("acme", version="1", source="driver", sign_key=[{0!r}, "cert.pem"], waive={{"K5": "-"}})\n'


@pytest.fixture
def tree(trees: dict[str, str], tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "tree")
    tree.write(
        {
            "driver/Kbuild": "obj-m := acme.o\n",
            "driver/acme.c": '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n',
        }
    )
    tree.write({"head": HEAD.format(next(iter(trees.values())))})
    return tree


def declare(tree: Tree, key: str) -> Tree:
    return tree.declare(DECLARED.format(key), (tree.path / "head").read_text())


def module_in(tree: Tree) -> bytes:
    return next(content for path, content in payload(tree.path / RPM).items() if path.endswith(".ko"))


def nowhere(tree: Tree, secret: str, said: str) -> bool:
    """Whether a secret is neither in what was printed nor in any file below the tree."""
    files = (path for path in tree.path.rglob("*") if path.is_file() and path.name != "key.pem")
    return secret not in said and not any(secret.encode() in path.read_bytes() for path in files)


@dataclass(frozen=True)
class Calls:
    """A program in front of another one, that notes how it was called."""

    log: Path
    path: str

    def words(self) -> str:
        return self.log.read_text()


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    """openssl behind a script that logs the words of its command line."""
    need("openssl")
    folder = tmp_path / "bin"
    folder.mkdir()
    real = shlex.quote(str(shutil.which("openssl")))
    log = shlex.quote(str(tmp_path / "log"))
    (folder / "openssl").write_text(f'#!/bin/sh\necho "$*" >>{log}\nexec {real} "$@"\n')
    (folder / "openssl").chmod(0o755)
    return Calls(tmp_path / "log", f"{folder}:{os.environ['PATH']}")


def test_a_key_with_a_passphrase(tree: Tree, tmp_path: Path) -> None:
    pair = make_pair(tree.path)
    plain = pair.key.read_bytes()
    (tmp_path / "pin").write_text(PIN)
    words = ["-topk8", "-in", pair.key, "-out", tmp_path / "locked", "-passout", f"file:{tmp_path / 'pin'}"]
    program("openssl", "pkcs8", *words)
    declare(tree, "key.pem")
    tree.scons(RPM).good()
    unlocked = module_in(tree)
    pair.key.write_bytes((tmp_path / "locked").read_bytes())
    shutil.rmtree(tree.path / "build")
    ran = tree.scons(RPM, env={"KBUILD_SIGN_PIN": PIN}).good()
    assert module_in(tree) == unlocked
    assert openssl_agrees(unlocked, pair.certificate)
    assert nowhere(tree, PIN, ran.said)
    assert plain != pair.key.read_bytes()
    shutil.rmtree(tree.path / "build")
    for env, why in (
        ({"KBUILD_SIGN_PIN": ""}, "key.pem has a passphrase; set KBUILD_SIGN_PIN to it in the environment"),
        (
            {"KBUILD_SIGN_PIN": "wrong"},
            "key.pem: not a private key in PEM, or KBUILD_SIGN_PIN is not its passphrase",
        ),
    ):
        ran = tree.scons(RPM, env=env)
        assert ran.status == 2
        assert f"signing acme.ko: {why}" in ran.said
        assert not (tree.path / RPM).exists()


@pytest.fixture
def token(tmp_path: Path) -> Iterator[tuple[Pair, dict[str, str]]]:
    """A token of SoftHSM with a key, and the environment that reaches it."""
    need("softhsm2-util", "openssl")
    library = next((path for path in LIBRARIES if Path(path).exists()), "")
    there = [["engine", "-t", "pkcs11"], ["list", "-providers", "-provider", "pkcs11"]]
    said = [subprocess.run(["openssl", *words], capture_output=True, text=True).stdout for words in there]
    if not library or not any("available" in one or "pkcs11" in one.lower() for one in said):
        lacks("openssl's way to tokens is needed: apt-get install libengine-pkcs11-openssl softhsm2")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    env = {"SOFTHSM2_CONF": f"{tmp_path}/softhsm.conf", "PKCS11_MODULE_PATH": library}
    env |= {"PKCS11_PROVIDER_MODULE": library}
    pair = make_pair(tmp_path / "pair")
    softhsm = ["softhsm2-util", "--pin", PIN]
    full = {**os.environ, **env}
    for words in (
        ["--init-token", "--free", "--label", "acme", "--so-pin", "4321"],
        ["--import", str(pair.key), "--token", "acme", "--label", "sign", "--id", "01"],
    ):
        subprocess.run([*softhsm, *words], env=full, check=True, capture_output=True)
    pair.key.unlink()  # it is in the token alone
    yield pair, env


def test_a_key_in_a_token(tree: Tree, token: tuple[Pair, dict[str, str]], calls: Calls) -> None:
    pair, env = token
    tree.write({"cert.pem": pair.certificate.read_bytes()})
    declare(tree, URI)
    ran = tree.scons(RPM, env={**env, "KBUILD_SIGN_PIN": PIN, "PATH": calls.path}).good()
    signed = module_in(tree)
    assert openssl_agrees(signed, pair.certificate)
    assert URI in calls.words()
    assert PIN not in calls.words()
    assert nowhere(tree, PIN, ran.said)
    assert URI.encode() not in (tree.path / ".sconsign.dblite").read_bytes()  # nor is where the key is
    assert tree.scons(RPM, env=env).good().built == set()  # nor is it needed where nothing is to be signed


def test_what_a_token_refuses(tree: Tree, token: tuple[Pair, dict[str, str]]) -> None:
    pair, env = token
    tree.write({"cert.pem": pair.certificate.read_bytes()})
    declare(tree, URI)
    ran = tree.scons(RPM, env={**env, "KBUILD_SIGN_PIN": ""})
    assert ran.status == 2
    hint = "cannot be used; a token's PIN is asked for in KBUILD_SIGN_PIN of the environment"
    assert f"signing acme.ko: {URI} {hint}" in ran.said
    ran = tree.scons(RPM, env={**env, "KBUILD_SIGN_PIN": "wrong-pin"})
    assert ran.status == 2
    assert f"signing acme.ko: {URI} cannot be used\n" in ran.said
    assert "wrong-pin" not in ran.said
    other = make_pair(tree.path / "other", "Other")
    tree.write({"cert.pem": other.certificate.read_bytes()})
    ran = tree.scons(RPM, env={**env, "KBUILD_SIGN_PIN": PIN})
    assert ran.status == 2
    assert f"signing acme.ko: {URI} cannot be used\n" in ran.said
    assert not (tree.path / RPM).exists()


def test_a_secret_in_the_uri(tree: Tree) -> None:
    make_pair(tree.path)
    (said,) = declare(tree, f"{URI}?pin-value={PIN}").scons().refused()
    assert (
        "a URI with a secret in it; leave pin-value out, and set KBUILD_SIGN_PIN in the environment" in said
    )
    assert PIN not in said

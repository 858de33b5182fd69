"""SCons's CacheDir: what is a function of its sources comes back in a fresh clone, what is signed is never in it, and
an entry that is damaged, or signed by none whom we trust, is noticed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sentences
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from rebuild.lab import Lab, kernel, steps
from support import need, need_root
from trees import Ran, Tree

from xspack_tool.cache.entry import entry_of, sign_entry
from xspack_tool.cache.keys import SigningKey, make_pair

FILES: Mapping[str, str | bytes] = {
    "src/f": "f\n",
    "src/driver/Kbuild": "obj-m := a.o\n",
    "src/driver/a.c": "int a;\n",
    **{f"kernel/{name}": text for name, text in kernel().items()},
}
DECLARED = [
    ("Userspace", "p", {"version": "'1'", "arch": "'noarch'", "files": "{'/opt/p/f': 'f'}"}),
    ("KernelModule", "k", {"version": "'1'", "source": "env.Dir('driver')", "ddk": "'#kernel'"}),
    (
        "Pack",
        "one",
        {
            "version": "'1'",
            "uuid": "'9a1f0f0e-0000-4000-8000-000000000000'",
            "description": "'a'",
            "packages": "[made['p']]",
            "key": "'KEY'",
        },
    ),
]
#: What may come out of the cache.
CACHED = {
    "rpms/p-1-1.noarch.rpm",
    "rpms/k-1-1.x86_64.rpm",
    "rpms/update-one-1-1.noarch.rpm",
    "modules/k-6.1.0-acme.tar",
    "modules/k-6.1.0-acme.symvers",
    "records/xenserver-8/KEY/p-1-1.noarch.rpm.json",
    "records/xenserver-8/KEY/update-one-1-1.noarch.rpm.json",
    "packs/one/index.jsonl",
    "packs/one/records.jsonl",
    "packs/one/generated/index.jsonl",
    "packs/one/generated/records.jsonl",
    "packs/one/installed-size",
    "packs/one/time",
    "packs/one/update.xml",
    *(f"packs/one/repodata/{name}" for name in ("repomd.xml", "comps.xml", "comps.xml.gz")),
    *(f"packs/one/repodata/{name}.xml.gz" for name in ("primary", "filelists", "other")),
}
#: What never does.
MADE = {
    "Sign signed/KEY/p-1-1.noarch.rpm",
    "Sign signed/KEY/update-one-1-1.noarch.rpm",
    "Sign packs/one/update.xml.asc",
    "Sign packs/one/repodata/repomd.xml.asc",
    "Judge one-findings.json",
    "ISO one-1.iso",
}


class Clones:
    """Fresh clones of one tree, which share a cache."""

    def __init__(self, folder: Path, lab_key: Any) -> None:
        self.folder, self.key, self.count = folder, lab_key, 0
        self.cache = folder / "cache"

    def clone(self) -> Lab:
        self.count += 1
        lab = Lab(self.folder / f"clone{self.count}", {**FILES, "src/KEY": self.key.public})
        lab.cache = str(self.cache)
        lab.declare_all(DECLARED, {"XSPACK_GNUPGHOME": str(self.key.home)})
        return lab

    def entries(self) -> list[Path]:
        """The entries of the cache, without their signatures."""
        return [path for path in self.cache.glob("??/*") if not path.name.endswith(".sig")]


@pytest.fixture
def clones(tmp_path: Path, lab_key: Any) -> Clones:
    need("rpmbuild", "rpmsign", "make", "gcc", "strip")
    return Clones(tmp_path, lab_key)


TARGETS = ("build/rpms", "build/modules", "build/one-1.iso", "build/one-findings.json")


def retrieved(ran: Ran) -> set[str]:
    lines = (
        line.split("`")[1].split("'")[0] for line in ran.said.splitlines() if line.startswith("Retrieved `")
    )
    return {line.removeprefix("build/") for line in lines}


def without_programs(tmp_path: Path) -> dict[str, str]:
    """An environment in which the programs that write RPMs and compile modules end badly, and say their version."""
    for program in ("rpmbuild", "make"):
        place = tmp_path / "none" / program
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/sh\n[ $1 = --version ] && exec {shutil.which(program)} $1\nexit 9\n")
        place.chmod(0o755)
    return {"PATH": f"{tmp_path / 'none'}:/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fresh_clone_takes_what_is_unsigned(clones: Clones, tmp_path: Path, jobs: int) -> None:
    """Without rpmbuild and kbuild; signatures, ISOs and the findings of packs are made anew."""
    first = clones.clone()
    first.scons(f"-j{jobs}", *TARGETS).good()
    assert len(clones.entries()) == len(CACHED)
    second = clones.clone()
    ran = second.scons(f"-j{jobs}", *TARGETS, env=without_programs(tmp_path)).good()
    assert retrieved(ran) == CACHED
    assert steps(ran) == MADE
    assert second.outputs() == first.outputs()
    assert steps(second.scons(*TARGETS).good()) == set()


def test_nothing_signed_is_in_the_cache(clones: Clones) -> None:
    """Neither by name nor by content."""
    lab = clones.clone()
    lab.scons(*TARGETS).good()
    content = {path.read_bytes() for path in clones.entries()}
    for name, wanted in lab.outputs().items():
        assert ((lab.path / "build" / name).read_bytes() in content) == (name in CACHED), (name, wanted)
    secret = b"".join(path.read_bytes() for path in clones.key.home.rglob("*.key"))
    assert secret and not any(secret[:64] in one for one in content)


def test_older_versions_go_though_the_new_one_is_retrieved(clones: Clones) -> None:
    newer = [("Userspace", "p", {**DECLARED[0][2], "version": "'2'"}), *DECLARED[1:]]
    first = clones.clone()
    first.declare_all(newer, {"XSPACK_GNUPGHOME": str(clones.key.home)})
    first.scons("build/rpms").good()
    second = clones.clone()
    second.scons("build/rpms").good()
    second.declare_all(newer, {"XSPACK_GNUPGHOME": str(clones.key.home)})
    assert "rpms/p-2-1.noarch.rpm" in retrieved(second.scons("build/rpms").good())
    assert not (second.path / "build/rpms/p-1-1.noarch.rpm").exists()


def _sig(path: Path) -> Path:
    return path.with_name(f"{path.name}.sig")


def _edit(path: Path, **fields: object) -> None:
    """Change fields of an entry's signature's text."""
    text = json.loads(_sig(path).read_text())
    _sig(path).write_text(json.dumps({**text, **fields}) + "\n")


def _by(path: Path, key: SigningKey, **fields: str) -> None:
    """Have an entry signed by another key, as one who owns that could."""
    entry = entry_of(str(path), fields.get("key", path.name))
    _sig(path).write_text(sign_entry(replace(entry, **fields), key))


OTHER = SigningKey(Ed25519PrivateKey.generate())
DAMAGED = "is damaged"
UNSIGNED = "has no valid signature"
#: What was done to every entry -> why it is refused.
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), DAMAGED),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"x"), DAMAGED),
    "empty": (lambda path: path.write_bytes(b""), DAMAGED),
    "changed": (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), DAMAGED),
    "a link": (lambda path: (path.unlink(), path.symlink_to("/etc/passwd")), DAMAGED),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), DAMAGED),
    "without a signature": (lambda path: _sig(path).unlink(), UNSIGNED),
    "with an empty signature": (lambda path: _sig(path).write_text(""), UNSIGNED),
    "with a signature that is no JSON": (lambda path: _sig(path).write_text("[" * 4000), UNSIGNED),
    "with a pipe as signature": (lambda path: (_sig(path).unlink(), os.mkfifo(_sig(path))), UNSIGNED),
    "another digest": (lambda path: _edit(path, sha256="0" * 64), UNSIGNED),
    "another mode": (lambda path: _edit(path, mode="777"), UNSIGNED),
    "a special mode": (lambda path: _edit(path, mode="4755"), UNSIGNED),
    "another format": (lambda path: _edit(path, format="xspack-cache 0"), UNSIGNED),
    "the key's name on another's signature": (
        lambda path: (
            name := json.loads(_sig(path).read_text())["signed_by"],
            _by(path, OTHER),
            _edit(path, signed_by=name),
        ),
        UNSIGNED,
    ),
    "another's signature": (lambda path: _by(path, OTHER), "is signed by a key that is not trusted"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_entry_is_told_and_built_instead(clones: Clones, kind: str) -> None:
    damage, why = DAMAGE[kind]
    first = clones.clone()
    first.scons(*TARGETS).good()
    count = len(clones.entries())
    for path in clones.entries():
        damage(path)
    second = clones.clone()
    ran = second.scons("-j2", *TARGETS).good()
    told = [line for line in ran.said.splitlines() if line.startswith("xspack: ") and "cache" in line]
    assert len(told) == 1, told
    assert told[0].endswith(f": its entry in the cache {clones.cache} {why}; {sentences.BUILT_INSTEAD}")
    assert retrieved(ran) == set()
    assert {"RPM rpms/p-1-1.noarch.rpm", "Modules modules/k-6.1.0-acme.tar"} <= steps(ran)
    assert second.outputs() == first.outputs()
    # The bad entries are gone, good ones are in their place.
    assert len(clones.entries()) == count
    third = clones.clone()
    assert retrieved(third.scons("-j2", *TARGETS).good()) == CACHED
    assert third.outputs() == first.outputs()


def test_another_action_s_entry_is_told_and_built_instead(clones: Clones) -> None:
    """All entries get the content and the signature of one of them, which is valid."""
    first = clones.clone()
    first.scons("build/rpms").good()
    replayed, *others = sorted(clones.entries())
    for path in others:
        path.write_bytes(replayed.read_bytes())
        _sig(path).write_bytes(_sig(replayed).read_bytes())
    second = clones.clone()
    ran = second.scons("build/rpms").good()
    assert "belongs to another action; it is built instead" in ran.said
    assert len(retrieved(ran)) <= 1
    assert second.outputs() == first.outputs()


def test_the_signed_mode_counts_and_not_the_entry_s(clones: Clones) -> None:
    clones.clone().scons("build/rpms").good()
    for path in clones.entries():
        path.chmod(0o4777)
    second = clones.clone()
    assert "rpms/p-1-1.noarch.rpm" in retrieved(second.scons("build/rpms").good())
    assert {path.stat().st_mode & 0o7777 for path in (second.path / "build/rpms").iterdir()} == {0o644}


def test_what_the_user_s_own_builders_make_is_signed_as_well(tmp_path: Path) -> None:
    """A program or an object that another put there would be in the RPM."""
    text = f"""
env.CacheDir("{tmp_path}/cache")
env.Command("tool", "f", [Copy("$TARGET", "$SOURCE"), Chmod("$TARGET", 0o755)])
env.Command("link", "f", lambda target, source, env: __import__("os").symlink("f", str(target[0])))
"""
    for name in ("a", "b", "c"):
        Tree(tmp_path / name).declare(text).write({"f": "f\n"})
    Tree(tmp_path / "a").scons("tool", "link").good()
    ran = Tree(tmp_path / "b").scons("tool", "link").good()
    assert retrieved(ran) == {"tool", "link"}
    assert (tmp_path / "b/tool").stat().st_mode & 0o777 == 0o755
    assert os.readlink(tmp_path / "b/link") == "f"
    for path in (tmp_path / "cache").glob("??/*.sig"):
        path.unlink()
    ran = Tree(tmp_path / "c").scons("tool", "link").good()
    assert retrieved(ran) == set() and UNSIGNED in ran.said


def test_looking_leaves_a_damaged_entry(clones: Clones) -> None:
    """With -n and --cache-readonly nothing is removed."""
    clones.clone().scons("build/rpms").good()
    for path in clones.entries():
        path.write_bytes(b"")
    before = sorted(clones.entries())
    assert "is damaged; it is built instead" in clones.clone().scons("-n", "build/rpms").good().said
    assert (
        "is damaged; it is built instead"
        in clones.clone().scons("--cache-readonly", "build/rpms").good().said
    )
    assert sorted(clones.entries()) == before


def test_the_user_s_own_key_is_made_once_for_its_owner_alone(
    clones: Clones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    key = tmp_path / "settings/xspack/cache-key"
    clones.clone().scons("-n", "build/rpms").good()
    assert not key.exists()
    clones.clone().scons("-j2", "build/rpms").good()
    assert key.stat().st_mode & 0o777 == 0o600 and key.parent.stat().st_mode & 0o777 == 0o700
    text = key.read_text()
    assert "rpms/p-1-1.noarch.rpm" in retrieved(clones.clone().scons("build/rpms").good())
    assert key.read_text() == text
    assert list(key.parent.iterdir()) == [key]
    # One that others may have read is not used.
    key.chmod(0o640)
    ran = clones.clone().scons("build/rpms").good()
    assert retrieved(ran) == set()
    assert (
        f"the cache {clones.cache} is not used: {key}: must be a file of your own with mode 600" in ran.said
    )


def test_a_folder_that_others_can_write_needs_keys(clones: Clones, tmp_path: Path) -> None:
    clones.cache.mkdir()
    clones.cache.chmod(0o777)
    ran = clones.clone().scons("build/rpms").good()
    told = [line for line in ran.said.splitlines() if line.startswith("xspack: ") and "cache" in line]
    assert len(told) == 1, told
    assert told[0].startswith(
        f"xspack: the cache {clones.cache} is not used: others can write to it (chmod go-w changes that); name"
    )
    assert clones.entries() == []
    make_pair(tmp_path / "key")
    signs = {"XSPACK_CACHE_SIGN_KEY": str(tmp_path / "key")}
    trusts = {"XSPACK_CACHE_TRUST": str(tmp_path / "key.pub")}
    # Without a signing key a build only reads.
    ran = clones.clone().scons("build/rpms", env=trusts).good()
    assert clones.entries() == [] and "the cache" not in ran.said
    clones.clone().scons("build/rpms", env=signs).good()
    assert len(clones.entries()) > 1
    assert "rpms/p-1-1.noarch.rpm" in retrieved(clones.clone().scons("build/rpms", env=trusts).good())
    # Another's entry is no entry, and one who cannot write leaves it.
    make_pair(tmp_path / "other")
    ran = clones.clone().scons("build/rpms", env={"XSPACK_CACHE_TRUST": str(tmp_path / "other.pub")}).good()
    assert retrieved(ran) == set() and "is signed by a key that is not trusted" in ran.said
    assert "rpms/p-1-1.noarch.rpm" in retrieved(clones.clone().scons("build/rpms", env=trusts).good())


def test_another_user_s_folder_needs_keys(clones: Clones) -> None:
    need_root()
    clones.cache.mkdir()
    os.chown(clones.cache, 65534, 65534)
    ran = clones.clone().scons("build/rpms").good()
    assert f"the cache {clones.cache} is not used: it belongs to another user; name" in ran.said


MAKES = "`xspack cache-key FILE` makes a pair, FILE and FILE.pub"
SETTINGS_MISTAKES = {
    "a secret key as a public one": (
        {"XSPACK_CACHE_TRUST": "key"},
        "key: is a secret key; name the public one, FILE.pub, and keep this for yourself",
    ),
    "no such file": (
        {"XSPACK_CACHE_TRUST": "none.pub"},
        "none.pub: No such file or directory; name the file of a public key: " + MAKES,
    ),
    "no key": (
        {"XSPACK_CACHE_TRUST": "src/f"},
        "f: has a line that is not an ed25519 public key; " + MAKES,
    ),
    "a public key as a secret one": (
        {"XSPACK_CACHE_SIGN_KEY": "key.pub"},
        "key.pub: holds no ed25519 secret key; " + MAKES,
    ),
    "a secret key that is cut": (
        {"XSPACK_CACHE_SIGN_KEY": "-----BEGIN OPENSSH PRIVATE KEY-----\nTOPSECRET\n"},
        "secret key of the environment: holds no ed25519 secret key; " + MAKES,
    ),
}


@pytest.mark.parametrize("case", SETTINGS_MISTAKES)
def test_a_wrong_key_is_a_mistake(clones: Clones, case: str) -> None:
    given, wanted = SETTINGS_MISTAKES[case]
    lab = clones.clone()
    make_pair(lab.path / "key")
    ran = lab.scons("build/rpms", env=given)
    mistakes = ran.refused()
    assert len(mistakes) == 1 and mistakes[0].endswith(wanted), mistakes
    assert mistakes[0].startswith("src/SConscript:")
    assert "TOPSECRET" not in ran.said


def test_a_secret_key_is_refused_on_the_command_line(clones: Clones) -> None:
    lab = clones.clone()
    ran = lab.scons("build/rpms", "XSPACK_CACHE_SIGN_KEY=-----BEGIN OPENSSH PRIVATE KEY----- TOPSECRET")
    (mistake,) = ran.refused()
    assert (
        "a secret key must not be in the command line; name its file, or put it into the environment"
        in mistake
    )
    assert "TOPSECRET" not in ran.said


def test_keys_are_texts_and_files_of_openssh_and_openssl(clones: Clones, tmp_path: Path) -> None:
    """A secret key's text in the environment, and public keys as a list, as a text and as paths with colons."""
    need("openssl", "ssh-keygen")
    clones.cache.mkdir()
    clones.cache.chmod(0o777)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "ssh"], check=True)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "pem"], check=True)
    subprocess.run(
        ["openssl", "pkey", "-in", tmp_path / "pem", "-pubout", "-out", tmp_path / "pem.pub"], check=True
    )
    clones.clone().scons("build/rpms", env={"XSPACK_CACHE_SIGN_KEY": (tmp_path / "pem").read_text()}).good()
    both = f"{tmp_path}/ssh.pub:{tmp_path}/pem.pub"
    for trust in ((tmp_path / "pem.pub").read_text(), both):
        ran = clones.clone().scons("build/rpms", env={"XSPACK_CACHE_TRUST": trust}).good()
        assert "rpms/p-1-1.noarch.rpm" in retrieved(ran)
    lab = clones.clone()
    lab.declare_all(
        DECLARED, {"XSPACK_GNUPGHOME": str(clones.key.home), "XSPACK_CACHE_TRUST": both.split(":")}
    )
    assert "rpms/p-1-1.noarch.rpm" in retrieved(lab.scons("build/rpms").good())
    ssh = (tmp_path / "ssh.pub").read_text()
    assert retrieved(clones.clone().scons("build/rpms", env={"XSPACK_CACHE_TRUST": ssh}).good()) == set()


def test_a_full_or_unwritable_cache_fails_no_build(clones: Clones) -> None:
    """The folder of an entry cannot be made: a file is in its place."""
    lab = clones.clone()
    clones.cache.mkdir(mode=0o700)
    for one in range(256):
        (clones.cache / f"{one:02X}").write_text("")
    ran = lab.scons("build/rpms").good()
    assert f"xspack: the cache {clones.cache} cannot be written, which costs time alone: " in ran.said
    assert "rpms/p-1-1.noarch.rpm" in lab.outputs()

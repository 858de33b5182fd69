"""Signing again: what is replaced, what stays, and what is refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import sentences
from msgspec.structs import replace
from pack_maker import PACK, TIME, UUID, Key, PackMaker, package, xspack

from xspack_tool.signing.home import mark_throwaway


def resign(source: Path, key: Key, out: Path, *more: str) -> tuple[int, str, str]:
    said = xspack("resign", source, "--key", key.file, "--gnupghome", key.home, "-o", out, *more)
    return said.status, said.out, said.err


def test_out_and_in_again_gives_the_same_bytes(
    make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path
) -> None:
    """Unpacked, packed and signed by the key it had."""
    pack = replace(PACK, volume_id="acme_5_2")  # what a folder is given, since it cannot keep one
    iso = make_pack(pack, [package(), package("acme-tools")])
    assert xspack("unpack", iso, tmp_path / "folder").out == f"12 files in {tmp_path / 'folder'}\n"
    assert resign(tmp_path / "folder", keys["Acme"], tmp_path / "again.iso")[0] == 0
    assert (tmp_path / "again.iso").read_bytes() == iso.read_bytes()
    assert resign(iso, keys["Other"], tmp_path / "other.iso")[0] == 0
    assert resign(tmp_path / "other.iso", keys["Acme"], tmp_path / "back.iso")[0] == 0
    assert (
        xspack("diff", iso, tmp_path / "back.iso", "--exit-code").out == "acme 5.2 -> acme 5.2: no change\n"
    )


def test_other_files_of_the_pack_stay(make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path) -> None:
    iso = make_pack.changed(make_pack(), lambda folder: (folder / "README").write_text("Acme\n") and None)
    assert resign(iso, keys["Other"], tmp_path / "r.iso")[0] == 0
    xspack("unpack", tmp_path / "r.iso", tmp_path / "folder")
    assert (tmp_path / "folder/README").read_text() == "Acme\n"


def test_the_input_is_never_written_over(make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path) -> None:
    iso = tmp_path / "pack.iso"
    iso.write_bytes(make_pack().read_bytes())
    content = iso.read_bytes()
    os.link(iso, tmp_path / "hard.iso")
    (tmp_path / "soft.iso").symlink_to(iso)
    for name in ("pack.iso", "hard.iso", "soft.iso", "../" + tmp_path.name + "/pack.iso"):
        out = tmp_path / name
        assert resign(iso, keys["Other"], out) == (
            2,
            "",
            f"xspack: {out} is the pack to sign; name another file\n",
        )
    assert iso.read_bytes() == content
    xspack("unpack", iso, tmp_path / "folder")
    status, _, said = resign(tmp_path / "folder", keys["Other"], tmp_path / "folder/out.iso")
    assert (status, said.count("is in the folder to sign; name a file elsewhere")) == (2, 1)


def test_nobody_vouches_for_what_is_damaged(
    make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path
) -> None:
    place = "Packages/acme-agent-5.2-1.noarch.rpm"

    def damage(folder: Path) -> None:
        content = bytearray((folder / place).read_bytes())
        content[-20] ^= 0xFF
        (folder / place).write_bytes(content)

    iso = make_pack.changed(make_pack(), damage)
    assert resign(iso, keys["Other"], tmp_path / "r.iso") == (
        1,
        "",
        f"xspack: {iso}: {place} {sentences.DAMAGED}\n",
    )
    xspack("unpack", iso, tmp_path / "folder")
    assert resign(tmp_path / "folder", keys["Other"], tmp_path / "r.iso") == (
        1,
        "",
        "xspack: acme-agent-5.2-1.noarch.rpm: damaged: rpm finds another digest than its header says\n",
    )
    assert not (tmp_path / "r.iso").exists()


def test_a_key_without_its_secret_part(make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path) -> None:
    stranger = Key(keys["Other"].home, keys["Acme"].file)
    fingerprint = keys["Acme"].public.fingerprint
    assert resign(make_pack(), stranger, tmp_path / "r.iso") == (
        1,
        "",
        (
            f"xspack: {stranger.home} holds no secret key {fingerprint} of {stranger.file}; import it there, or name "
            "the keyring that has it with --gnupghome\n"
        ),
    )


def test_no_pack(keys: dict[str, Key], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    status, _, said = resign(tmp_path / "folder", keys["Acme"], tmp_path / "r.iso")
    assert (status, said) == (
        1,
        f"xspack: {tmp_path / 'folder'}: holds no update.xml: it is no unpacked pack\n",
    )


def test_a_passphrase_from_the_environment(
    make_pack: PackMaker, short_dir: Path, monkeypatch: object, tmp_path: Path
) -> None:
    """It is in no argument and in no output."""
    home, file = short_dir / "g", short_dir / "RPM-GPG-KEY-Locked"
    mark_throwaway(home)
    (home / "gpg-agent.conf").write_text("max-cache-ttl 0\ndefault-cache-ttl 0\n")
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", f"--faked-system-time={TIME}!"]
    words = [
        "--pinentry-mode=loopback",
        "--passphrase=battery staple",  # another than that of signing/test_passphrase.py, which watches the machine
        "--quick-gen-key",
        "Locked",
        "rsa2048",
        "sign",
        "never",
    ]
    subprocess.run([*gpg, *words], check=True, capture_output=True)
    exported = subprocess.run([*gpg, "--armor", "--export", "Locked"], check=True, capture_output=True)
    file.write_bytes(exported.stdout)
    locked = Key(home, file)
    monkeypatch.setenv("XSPACK_PASSPHRASE", "battery staple")  # type: ignore[attr-defined]
    status, out, err = resign(make_pack(), locked, tmp_path / "r.iso")
    assert status == 0, err
    assert "battery" not in out + err
    assert xspack("verify", tmp_path / "r.iso", "--key", file).status == 0
    monkeypatch.setenv("XSPACK_PASSPHRASE", "wrong")  # type: ignore[attr-defined]
    status, out, err = resign(make_pack(), locked, tmp_path / "w.iso")
    assert status == 1
    assert not (tmp_path / "w.iso").exists()


def test_the_uuid_stays(make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path) -> None:
    resign(make_pack(replace(PACK, after_apply=("restartHost",))), keys["Other"], tmp_path / "r.iso")
    document = xspack("info", tmp_path / "r.iso", "--json").json["document"]
    assert (document["uuid"], document["after_apply"], document["key"]) == (
        UUID,
        ["restartHost"],
        "RPM-GPG-KEY-Other",
    )

"""An ISO gets no name while its index, its RPMs and its signatures are not those of each other."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from pack_maker import TIME, Key, PackMaker, package

from xspack_tool.errors import StepError
from xspack_tool.hosts.sound import check_sound
from xspack_tool.pack.iso import master_iso
from xspack_tool.pack.iso_read import IsoReader

RPM = "Packages/acme-agent-5.2-1.noarch.rpm"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pack_again(path: Path) -> None:
    """The same content in other bytes."""
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=1))


def record(folder: Path, name: str) -> Path:
    (found,) = (folder / "repodata").glob(f"*-{name}.xml.gz")
    return found


def sign_with(key: Key, name: str) -> Callable[[Path], None]:
    return lambda folder: key.signer.sign_file(folder / name, folder / f"{name}.asc", TIME)


#: What is done to the files of a pack before it is mastered -> what is said of it.
CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a byte of an RPM": (
        lambda folder: flip(folder / RPM),
        f"{RPM} does not have the digest that the index says",
    ),
    "an RPM is cut": (
        lambda folder: (folder / RPM).write_bytes((folder / RPM).read_bytes()[:-1]),
        f"{RPM} does not have the digest that the index says",
    ),
    "an RPM is gone": (
        lambda folder: (folder / RPM).unlink(),
        f"{RPM} is in the index, but not in the pack",
    ),
    "an RPM more": (
        lambda folder: (folder / "Packages/more.rpm").write_bytes(b"x"),
        "Packages/more.rpm is not in the index",
    ),
    "a byte of a file of the index": (
        lambda folder: flip(record(folder, "filelists")),
        "does not have the checksum that repomd.xml says",
    ),
    "a list of packages that cannot be read": (
        lambda folder: cut(record(folder, "primary")),
        "the index on the ISO: ",
    ),
    "a list of packages in other bytes": (
        lambda folder: pack_again(record(folder, "primary")),
        "does not have the checksum that repomd.xml says",
    ),
    "a byte of the document": (
        lambda folder: flip(folder / "update.xml"),
        "update.xml.asc is not a signature of RPM-GPG-KEY-Acme on update.xml",
    ),
    "an empty signature": (
        lambda folder: (folder / "repodata/repomd.xml.asc").write_bytes(b""),
        "repodata/repomd.xml.asc is not a signature of RPM-GPG-KEY-Acme on repodata/repomd.xml",
    ),
    "no index": (lambda folder: (folder / "repodata/repomd.xml").write_bytes(b""), "is not XML"),
}


def files_of(iso: Path, folder: Path) -> Path:
    with IsoReader(iso) as reader:
        reader.extract(folder)
    return folder


def master(folder: Path, out: Path, key: Path | None) -> None:
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    master_iso(files, out, "ACME", TIME, lambda image: check_sound(image, files, key))


@pytest.mark.parametrize("name", CHANGES)
def test_what_does_not_fit_gets_no_name(
    name: str, make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path
) -> None:
    change, words = CHANGES[name]
    folder = files_of(make_pack(packages=[package()]), tmp_path / "iso")
    change(folder)
    out = tmp_path / "out" / "acme.iso"
    with pytest.raises(StepError) as caught:
        master(folder, out, keys["Acme"].file)
    assert words in str(caught.value)
    assert str(caught.value).endswith(": a file changed while it was built from; build again")
    assert "\n" not in str(caught.value)
    assert list(out.parent.iterdir()) == []


def test_another_key(make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path) -> None:
    folder = files_of(make_pack(packages=[package()]), tmp_path / "iso")
    sign_with(keys["Other"], "update.xml")(folder)
    with pytest.raises(
        StepError, match=r"update\.xml\.asc is not a signature of RPM-GPG-KEY-Acme on update\.xml"
    ):
        master(folder, tmp_path / "out.iso", keys["Acme"].file)


@pytest.mark.parametrize("signed", [True, False])
def test_a_sound_pack(make_pack: PackMaker, keys: dict[str, Key], tmp_path: Path, signed: bool) -> None:
    folder = files_of(make_pack(packages=[package()], signer=signed), tmp_path / "iso")
    master(folder, tmp_path / "out.iso", keys["Acme"].file if signed else None)
    assert (tmp_path / "out.iso").is_file()

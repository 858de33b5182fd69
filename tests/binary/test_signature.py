"""Signatures of modules: read and verified as kernels do, judged by openssl, modinfo and Debian's own modules."""

from __future__ import annotations

import io
import lzma
import os
import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import sentences
from cryptography import x509
from forge import module
from module_keys import Pair, appended, cms, make_pair, openssl_agrees, signed_by
from pack_maker import program
from support import lacks, need

from xspack_tool.binary.elf import read_elf
from xspack_tool.binary.module import plain_module
from xspack_tool.binary.signature import (
    Signature,
    certificates_in,
    read_certificates,
    read_signature,
    verify,
)
from xspack_tool.ddk.module_key import ModuleKey
from xspack_tool.ddk.sign import sign_module
from xspack_tool.errors import BadInput
from xspack_tool.releases.local import kernel_trees

_LZ4 = bytes.fromhex("02214c18")
_CERTIFICATE = re.compile(rb"\x30\x82(..)\x30\x82", re.DOTALL)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"))


def read(content: bytes) -> Signature:
    found = read_signature(io.BytesIO(content))
    assert found is not None
    return found


def verdicts(content: bytes, *pairs: Pair) -> list[str]:
    known = [one for pair in pairs for one in read_certificates(pair.certificate)]
    return [verify(signer, known) for signer in read(content).signers]


@pytest.mark.parametrize("kind", ["rsa:2048", "rsa:4096", "ec"])
@pytest.mark.parametrize("hash_name", ["sha1", "sha256", "sha384", "sha512"])
def test_what_openssl_and_we_sign(tmp_path: Path, kind: str, hash_name: str) -> None:
    curve = ["-pkeyopt", "ec_paramgen_curve:P-384"] if kind == "ec" else []
    mine, other = make_pair(tmp_path / "mine", "Mine", kind, *curve), make_pair(tmp_path / "other", "Other")
    content = module("6.6.0")
    texts = [signed_by(content, mine, hash_name), signed_by(content, mine, hash_name, "-noattr", "-keyid")]
    if hash_name != "sha1":
        (tmp_path / "acme.ko").write_bytes(content)
        sign_module(tmp_path / "acme.ko", "acme.ko", ModuleKey(str(mine.key), mine.certificate, hash_name))
        texts.append((tmp_path / "acme.ko").read_bytes())
    for text in texts:
        assert openssl_agrees(text, mine.certificate)
        assert verdicts(text, mine) == verdicts(text, other, mine) == ["good"]
        assert verdicts(text, other) == verdicts(text) == ["unknown"]
        assert [one.hash for one in read(text).signers] == [hash_name]
    (tmp_path / "shown.ko").write_bytes(texts[0])
    fields = ("signer", "sig_key", "sig_hashalgo")
    said = [program("modinfo", "-F", field, tmp_path / "shown.ko").stdout.strip() for field in fields]
    (one,) = read(texts[0]).signers
    assert said == [one.name, one.key_id, one.hash]


def test_each_flipped_byte_is_found(pair: Pair) -> None:
    content = module("6.6.0")
    good = signed_by(content, pair)
    certificates = read_certificates(pair.certificate)
    value = read(good).signers[0].value
    at = good.index(value, len(content))
    checked = [*range(len(content)), *range(at, at + len(value)), *range(len(good) - 40, len(good))]
    for place in checked:
        bad = bytearray(good)
        bad[place] ^= 0x10
        found = read_signature(io.BytesIO(bytes(bad)))
        ends = found is None or found.fault or [verify(one, certificates) for one in found.signers]
        assert ends is True or isinstance(ends, str) or ends == ["broken"], place


def test_no_byte_of_the_message_is_read_beyond_its_bounds(pair: Pair) -> None:
    """Each byte of PKCS #7 changed in several ways: a fault or another signer, and never another exception."""
    content = module("6.6.0")
    message = cms(content, pair)
    for place in range(len(message)):
        for value in (0, 0x7F, 0x80, 0x84, 0xFF):
            bad = message[:place] + bytes([value]) + message[place + 1 :]
            found = read(appended(content, bad))
            assert bool(found.fault) != bool(found.signers)
    for length in range(len(message)):
        assert read(appended(content, message[:length])).fault


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda ko, one: appended(ko, one, kind=1), "no kernel reads this kind of signature"),
        (lambda ko, one: appended(ko, one, length=1 << 30), "it is damaged: its length is invalid"),
        (lambda ko, one: appended(ko, one, length=0), "it is damaged: its length is invalid"),
        (lambda ko, one: appended(ko, b"\x30\x82\x01\x00" + bytes(256)), "it is damaged: not PKCS #7"),
        (lambda ko, one: appended(ko, one + b"\0"), "it is damaged: not PKCS #7"),
        (
            lambda ko, one: appended(ko, one)[:-33] + b"\1" + appended(ko, one)[-32:],
            "no kernel reads this kind of signature",
        ),
    ],
)
def test_what_no_kernel_reads(pair: Pair, change: object, fault: str) -> None:
    content = module("6.6.0")
    assert read(change(content, cms(content, pair))).fault == fault  # type: ignore[operator]


def test_attributes_are_refused_as_by_kernels(pair: Pair) -> None:
    content = module("6.6.0")
    found = read(signed_by(content, pair, "sha256", "-nocerts"))
    assert found.fault == sentences.ATTRIBUTES


def test_certificates_in_files(pair: Pair, tmp_path: Path) -> None:
    (der,) = certificates_in(pair.certificate.read_bytes(), "cert")
    pem = pair.certificate.read_bytes()
    assert certificates_in(pem + b"\n" + pem, "both") == [der, der]
    (tmp_path / "der").write_bytes(
        program_bytes("openssl", "x509", "-in", pair.certificate, "-outform", "DER")
    )
    assert read_certificates(tmp_path / "der") == [der]
    with pytest.raises(BadInput, match=r"key\.pem: not a certificate"):
        read_certificates(pair.key)
    with pytest.raises(BadInput, match="none: No such file"):
        read_certificates(tmp_path / "none")


def program_bytes(*argv: str | Path) -> bytes:
    return subprocess.run([str(word) for word in argv], capture_output=True, check=True).stdout


def test_in_compressed_modules(pair: Pair) -> None:
    """Kernels sign first and compress then; what is appended to what was compressed is no signature."""
    text = signed_by(module("6.6.0"), pair)
    with plain_module("acme.ko.xz", io.BytesIO(lzma.compress(text))) as plain:
        found = read_elf(plain, "acme.ko.xz").signature
    assert found is not None
    assert [verify(one, read_certificates(pair.certificate)) for one in found.signers] == ["good"]


@dataclass(frozen=True)
class Kernel:
    """Debian's package of a kernel, unpacked."""

    folder: Path

    @property
    def modules(self) -> list[Path]:
        return sorted(self.folder.glob("lib/modules/**/*.ko"))

    def certificates(self) -> list[x509.Certificate]:
        """Those in the kernel itself, whose signatures it takes (its boot protocol says where it is compressed)."""
        need("lz4")
        image = next(self.folder.glob("boot/vmlinuz-*")).read_bytes()
        offset, length = struct.unpack_from("<II", image, 0x248)
        begin = (image[0x1F1] + 1) * 512 + offset
        packed = image[begin : begin + length - 4]
        assert packed.startswith(_LZ4)
        plain = subprocess.run(["lz4", "-dc"], input=packed, capture_output=True, check=False).stdout
        found = []
        for match in _CERTIFICATE.finditer(plain):
            size = int.from_bytes(match[1], "big") + 4
            try:
                found.append(x509.load_der_x509_certificate(plain[match.start() : match.start() + size]))
            except ValueError:
                continue
        return found


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    """The kernel package of an installed header package: Debian's own signed modules."""
    need("apt-get", "dpkg-deb", "modinfo")
    folder = tmp_path_factory.mktemp("debian")
    names = [f"linux-image-{kernel}" for kernel in kernel_trees() if "cloud" in kernel]
    if not names:
        lacks("the headers of a cloud kernel are needed: apt-get install linux-headers-cloud-amd64")
    words = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", names[0]]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=os.environ, check=False)
    if done.returncode:
        lacks(f"{names[0]} cannot be downloaded by apt-get: {done.stderr.strip()}")
    program("dpkg-deb", "-x", next(folder.glob("*.deb")), folder / "kernel")
    return Kernel(folder / "kernel")


def test_debians_own_modules(debian: Kernel) -> None:
    certificates, modules = debian.certificates(), debian.modules
    assert len(modules) > 500
    for path in modules:
        with path.open("rb") as file:
            found = read_signature(file)
        assert found is not None
        assert [verify(one, certificates) for one in found.signers] == ["good"], path
    words = ["-F", "signer"], ["-F", "sig_key"], ["-F", "sig_hashalgo"]
    said = [program("modinfo", *word, modules[0]).stdout.strip() for word in words]
    with modules[0].open("rb") as file:
        (one,) = read(file.read()).signers
    assert said == [one.name, one.key_id, one.hash]
    changed = bytearray(modules[0].read_bytes())
    changed[len(changed) // 2] ^= 1
    assert [verify(one, certificates) for one in read(bytes(changed)).signers] == ["broken"]

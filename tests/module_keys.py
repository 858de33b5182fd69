"""Keys that sign kernel modules, and modules signed by openssl: ``from module_keys import make_pair, signed_by``."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pack_maker import program
from support import need


@dataclass(frozen=True)
class Pair:
    """The files of a private key and its certificate."""

    key: Path
    certificate: Path


def make_pair(folder: Path, name: str = "Acme", kind: str = "rsa:2048", *more: str) -> Pair:
    """A new key with a certificate that it signed itself."""
    need("openssl")
    folder.mkdir(parents=True, exist_ok=True)
    pair = Pair(folder / "key.pem", folder / "cert.pem")
    words = [
        "-keyout",
        pair.key,
        "-out",
        pair.certificate,
        "-subj",
        f"/O=Acme Inc/CN={name}",
        "-days",
        "9000",
    ]
    program("openssl", "req", "-x509", "-newkey", kind, "-nodes", *words, *more)
    return pair


def cms(content: bytes, pair: Pair, hash_name: str = "sha256", *more: str) -> bytes:
    """What the kernel's scripts/sign-file makes, by openssl's own command."""
    words = ["-binary", "-outform", "DER", "-md", hash_name, *(more or ("-noattr", "-nocerts"))]
    argv = ["openssl", "cms", "-sign", *words, "-signer", str(pair.certificate), "-inkey", str(pair.key)]
    return subprocess.run(argv, input=content, capture_output=True, check=True).stdout


def appended(content: bytes, signature: bytes, kind: int = 2, length: int | None = None) -> bytes:
    """A module with a signature at its end."""
    end = struct.pack(">BBBBB3xI", 0, 0, kind, 0, 0, len(signature) if length is None else length)
    return content + signature + end + b"~Module signature appended~\n"


def signed_by(content: bytes, pair: Pair, hash_name: str = "sha256", *more: str) -> bytes:
    """A module, signed."""
    return appended(content, cms(content, pair, hash_name, *more))


def extract_module_sig(signed: bytes) -> tuple[bytes, bytes]:
    """Content and signature, cut as the kernel's scripts/extract-module-sig.pl does it."""
    mark = b"~Module signature appended~\n"
    assert signed.endswith(mark)
    rest = signed[: -len(mark)]
    algorithm, hash_id, kind, signer, key, size = struct.unpack(">BBBBB3xI", rest[-12:])
    assert (algorithm, hash_id, kind, signer, key) == (0, 0, 2, 0, 0)
    rest = rest[:-12]
    return rest[: len(rest) - size], rest[len(rest) - size :]


def openssl_agrees(signed: bytes, certificate: Path) -> bool:
    """Whether openssl takes the signature for that of what stands before it."""
    content, signature = extract_module_sig(signed)
    with tempfile.TemporaryDirectory() as folder:
        files = {"content": content, "signature": signature}
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        words = ["-inform", "DER", "-in", f"{folder}/signature", "-content", f"{folder}/content", "-binary"]
        argv = [
            "openssl",
            "cms",
            "-verify",
            *words,
            "-certfile",
            str(certificate),
            "-noverify",
            "-out",
            "/dev/null",
        ]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

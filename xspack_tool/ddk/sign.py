"""Signatures of modules, as the kernel's own scripts/sign-file appends them: no program of a kit is needed for it."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from xspack_tool.binary.signature import MARK, PKCS7, TRAILER
from xspack_tool.ddk.module_key import TOKEN, ModuleKey
from xspack_tool.errors import StepError
from xspack_tool.run import run

#: By what CONFIG_MODULE_SIG_HASH says.
_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
#: Where the passphrase, or the PIN, is; and how long a token may take, in seconds.
_PIN, _PATIENCE = "KBUILD_SIGN_PIN", 120.0
#: CMS_NOATTR, CMS_NOCERTS, CMS_BINARY and CMS_DETACHED of sign-file.
_OPTIONS = (
    pkcs7.PKCS7Options.NoAttributes,
    pkcs7.PKCS7Options.NoCerts,
    pkcs7.PKCS7Options.Binary,
    pkcs7.PKCS7Options.DetachedSignature,
)


def sign_module(module: Path, name: str, key: ModuleKey) -> None:
    """Append a signature to a module. Raises StepError with what is wrong with the key."""
    what = f"signing {name}"
    algorithm = _HASHES.get(key.digest or "sha256")
    if algorithm is None:
        known = ", ".join(_HASHES)
        raise StepError(f"{what}: its kernel wants a signature by {key.digest}; xspack signs by {known}")
    content, certificate = module.read_bytes(), _certificate(key.certificate, what)
    if key.key.startswith(TOKEN):
        signature = _signed_by_token(module, key, certificate, what)
    else:
        private = _private_key(Path(key.key), what)
        if private.public_key() != certificate.public_key():
            name = Path(key.key).name
            raise StepError(f"{what}: {key.certificate.name} is not the certificate of {name}; name the pair")
        builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
        builder = builder.add_signer(certificate, private, algorithm())
        signature = builder.sign(serialization.Encoding.DER, list(_OPTIONS))
    trailer = TRAILER.pack(0, 0, PKCS7, 0, 0, len(signature))
    module.write_bytes(content + signature + trailer + MARK)


def _signed_by_token(module: Path, key: ModuleKey, certificate: x509.Certificate, what: str) -> bytes:
    """The signature by a key that a token keeps, which openssl's provider or engine for PKCS #11 reaches. These find
    the token's library by the caller's environment; the PIN stays there, too."""
    environment = {**os.environ, _PIN: os.environ.get(_PIN, "")}
    with tempfile.TemporaryDirectory() as folder:
        pem, made = Path(folder, "certificate"), Path(folder, "signature")
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        form = ("-sign", "-binary", "-noattr", "-nocerts", "-outform", "DER", "-md", key.digest or "sha256")
        names = ("-signer", pem, "-inkey", key.key, "-passin", f"env:{_PIN}", "-in", module, "-out", made)
        way = _way_to_tokens(shutil.which("openssl") or "openssl")
        words: list[str | Path] = ["openssl", "cms", *form, *way, *names]
        # libp11's engine crashes openssl after it said that the PIN is wrong.
        done = run(words, env=environment, check=False, timeout=_PATIENCE, what=what, killed=True)
        if done.status or not made.is_file():
            said = "\n    ".join((done.err.strip() or "openssl said nothing").splitlines())
            hint = (
                ""
                if os.environ.get(_PIN)
                else "; a token's PIN is asked for in KBUILD_SIGN_PIN of the environment"
            )
            raise StepError(f"{what}: {key.key} cannot be used{hint}\n    {said}")
        return made.read_bytes()


@functools.cache
def _way_to_tokens(program: str) -> tuple[str, ...]:
    """The words of an openssl for the provider, else (before OpenSSL 3.2 most have no other) for the engine."""
    asked = run(
        [program, "list", "-providers", "-provider", "pkcs11"], env=os.environ, check=False, timeout=60
    )
    if asked.status == 0 and "pkcs11" in asked.out:
        return ("-provider", "default", "-provider", "pkcs11")
    return ("-engine", "pkcs11", "-keyform", "engine")


def _private_key(path: Path, what: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    pin = os.environ.get(_PIN) or None
    content = _read(path, what)
    try:
        try:
            key = serialization.load_pem_private_key(content, None)
        except TypeError:  # it has a passphrase
            if pin is None:
                raise StepError(
                    f"{what}: {path.name} has a passphrase; set KBUILD_SIGN_PIN to it in the environment"
                ) from None
            key = serialization.load_pem_private_key(content, pin.encode())
    except ValueError:
        reason = (
            "not a private key in PEM"
            if pin is None
            else "not a private key in PEM, or KBUILD_SIGN_PIN is not its passphrase"
        )
        raise StepError(f"{what}: {path.name}: {reason}") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise StepError(f"{what}: {path.name}: kernels know RSA and ECDSA keys alone")
    return key


def _certificate(path: Path, what: str) -> x509.Certificate:
    content = _read(path, what)
    load = x509.load_pem_x509_certificate if b"-----BEGIN" in content else x509.load_der_x509_certificate
    try:
        return load(content)
    except ValueError:
        raise StepError(f"{what}: {path.name}: not a certificate (X.509 in PEM or DER)") from None


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StepError(f"{what}: {path.name}: {error.strerror}") from None

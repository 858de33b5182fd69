"""Signatures of modules, as the kernel's own scripts/sign-file appends them: no program of a kit is needed for it."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from xspack_tool.binary.signature import MARK, PKCS7, TRAILER
from xspack_tool.ddk.modules import ModuleKey
from xspack_tool.errors import StepError

#: By what CONFIG_MODULE_SIG_HASH says.
_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
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
    private, certificate = _private_key(key.key, what), _certificate(key.certificate, what)
    if private.public_key() != certificate.public_key():
        raise StepError(
            f"{what}: {key.certificate.name} is not the certificate of {key.key.name}; name the pair"
        )
    content = module.read_bytes()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    builder = builder.add_signer(certificate, private, algorithm())
    signature = builder.sign(serialization.Encoding.DER, list(_OPTIONS))
    trailer = TRAILER.pack(0, 0, PKCS7, 0, 0, len(signature))
    module.write_bytes(content + signature + trailer + MARK)


def _private_key(path: Path, what: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    pin = os.environ.get("KBUILD_SIGN_PIN")
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
            "no private key in PEM"
            if pin is None
            else "no private key in PEM, or KBUILD_SIGN_PIN is not its passphrase"
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
        raise StepError(f"{what}: {path.name}: no certificate (X.509 in PEM or DER)") from None


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StepError(f"{what}: {path.name}: {error.strerror}") from None

"""The command key: an Ed25519 key in the keys folder, never in the database, and the CA's certificate of it.

``command.key`` signs; only its owner may read it. ``command.pem`` is what agents pin: issued by the platform's CA to
``SOC commands``, for signing (extended key usage codeSigning, RFC 5280 section 4.2.1.12) and not for TLS.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from soc.errors import SettingsError
from soc.receive.certificates import CA_LASTS, write_secret

COMMON_NAME = "SOC commands"
CONTEXT = b"soc-command-1\0"  # before the document, in what is signed


def command_signer(keys_home: Path) -> Callable[[bytes], bytes]:
    """What signs a document; the key is made if there is none, and read at each signature.

    Raises:
        SettingsError: the key cannot be read, or others can.
    """
    _make_key(keys_home)
    return lambda document: _load(keys_home / "command.key").sign(CONTEXT + document)


def command_certificate(keys_home: Path, now: datetime) -> str:
    """The PEM of the certificate that agents pin, made when key or CA have no matching one.

    Raises:
        SettingsError: the CA is not there, or not usable.
    """
    _make_key(keys_home)
    path, key = keys_home / "command.pem", _load(keys_home / "command.key").public_key()
    try:
        ca = x509.load_pem_x509_certificate((keys_home / "ca.pem").read_bytes())
        if path.exists():
            kept = x509.load_pem_x509_certificate(path.read_bytes())
            kept.verify_directly_issued_by(ca)
            if kept.public_key() == key:
                return path.read_text(encoding="ascii")
    except InvalidSignature:
        pass  # of an earlier CA
    except (OSError, ValueError) as error:
        raise SettingsError(f"{keys_home}: no command certificate: {error}") from error
    ca_key = serialization.load_pem_private_key((keys_home / "ca.key").read_bytes(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise SettingsError(f"{keys_home / 'ca.key'} holds no EC key")
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, COMMON_NAME)]))
        .issuer_name(ca.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + CA_LASTS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    write_secret(path, made.public_bytes(serialization.Encoding.PEM))
    return path.read_text(encoding="ascii")


def _make_key(keys_home: Path) -> None:
    """Make the key once, also when two processes begin at the same time."""
    path = keys_home / "command.key"
    if path.exists():
        return
    keys_home.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"command.key.{os.getpid()}")
    write_secret(
        fresh,
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    try:
        os.link(fresh, path)  # fails where the other process was first
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"{path} can be read by others; run: chmod 600 {path}")
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"the command key {path} cannot be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{path} does not hold an Ed25519 key")
    return key

"""The platform's own certificate authority and the door's certificate, made once and renewed before they end."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LASTS = timedelta(days=3650)
DOOR_LASTS = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(hours=1)  # agents' clocks may be a little behind


@dataclass(frozen=True, slots=True)
class DoorCertificate:
    """The files that the door and its callers need; ``ca`` is the only one that is no secret of ours."""

    ca: Path
    certificate: Path
    key: Path


def door_certificate(keys_home: Path, names: Sequence[str], now: datetime) -> DoorCertificate:
    """The door's certificate for ``names`` (host names and addresses), made or renewed where needed.

    Localhost, 127.0.0.1 and ::1 are always among the names. The authority in ``ca.pem`` stays the same for ten years.
    """
    keys_home.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca_path, ca_key_path = keys_home / "ca.pem", keys_home / "ca.key"
    if not (ca_path.exists() and ca_key_path.exists()):
        _make_ca(ca_path, ca_key_path, now)
    made = DoorCertificate(ca_path, keys_home / "door.pem", keys_home / "door.key")
    wanted = sorted({"localhost", "127.0.0.1", "::1", *names})
    if not _still_good(made, wanted, now):
        _make_door(made, ca_key_path, wanted, now)
    return made


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _make_ca(path: Path, key_path: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SOC platform CA")])
    builder = _builder(name, name, key.public_key(), now, CA_LASTS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    write_secret(key_path, _pem(key))
    write_secret(path, certificate.public_bytes(serialization.Encoding.PEM))
    path.chmod(0o644)


def _make_door(made: DoorCertificate, ca_key_path: Path, names: list[str], now: datetime) -> None:
    ca = x509.load_pem_x509_certificate(made.ca.read_bytes())
    ca_key = serialization.load_pem_private_key(ca_key_path.read_bytes(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{ca_key_path} holds no EC key")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SOC door")])
    builder = _builder(subject, ca.subject, key.public_key(), now, DOOR_LASTS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
    )
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
    )
    certificate = builder.sign(ca_key, hashes.SHA256())
    write_secret(made.key, _pem(key))
    write_secret(made.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _still_good(made: DoorCertificate, names: list[str], now: datetime) -> bool:
    if not (made.certificate.exists() and made.key.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    ca = x509.load_pem_x509_certificate(made.ca.read_bytes())
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    sans = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    written = sorted(str(name.value) for name in sans)
    return (
        written == names
        and certificate.issuer == ca.subject
        and certificate.not_valid_after_utc - RENEW_BEFORE > now
        and certificate.public_key() == key.public_key()  # a kill between the two files
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    lasts: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

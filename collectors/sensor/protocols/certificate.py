"""The facts of an X.509 certificate (RFC 5280). A certificate is read once and remembered, as servers show it often."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha1, sha256
from typing import Any

from collectors.sensor.conversation import text

AT = "tls.server"
MOST_NAMES = 100
LONG_NAMES = {"CN": "common_name", "O": "organization", "OU": "organizational_unit"}
LONG_NAMES |= {"C": "country", "L": "locality", "ST": "state_or_province"}


def fields(chain: Sequence[bytes]) -> dict[str, Any]:
    """ECS fields of a server's chain; the first certificate is the server's own."""
    found = dict(_facts(chain[0]))
    if len(chain) > 1:
        found["sensor.tls.server.chain_length"] = len(chain)
    return found


@lru_cache(2048)
def _facts(der: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {
        f"{AT}.hash.sha1": sha1(der, usedforsecurity=False).hexdigest().upper(),
        f"{AT}.hash.sha256": sha256(der).hexdigest().upper(),
    }
    try:
        found |= _read(der)
    except Exception as error:  # the library has many errors for what is no certificate
        found["sensor.tls.server.certificate_problem"] = text(str(error).encode())[:200]
    return found


def _read(der: bytes) -> dict[str, Any]:
    from cryptography import x509

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # certificates of the network break rules; that is theirs
        one = x509.load_der_x509_certificate(der)
        begins, ends = one.not_valid_before_utc, one.not_valid_after_utc
        found: dict[str, Any] = {
            f"{AT}.subject": _name(one.subject),
            f"{AT}.issuer": _name(one.issuer),
            f"{AT}.not_before": _time(begins),
            f"{AT}.not_after": _time(ends),
            f"{AT}.x509.not_before": _time(begins),
            f"{AT}.x509.not_after": _time(ends),
            f"{AT}.x509.serial_number": f"{one.serial_number:X}",
            f"{AT}.x509.version_number": str(one.version.value + 1),
        }
        for side, name in (("subject", one.subject), ("issuer", one.issuer)):
            for part in name:
                label = LONG_NAMES.get(part.rfc4514_attribute_name)
                if label:
                    found.setdefault(f"{AT}.x509.{side}.{label}", str(part.value))
        oid = one.signature_algorithm_oid
        found[f"{AT}.x509.signature_algorithm"] = getattr(oid, "_name", "") or oid.dotted_string
        if names := _alternative_names(one):
            found[f"{AT}.x509.alternative_names"] = names
        found |= _key(one)
        if one.subject == one.issuer:
            found["sensor.tls.server.is_self_signed"] = True
    return found


def _name(name: Any) -> str:
    """A distinguished name, the most telling part last, as Suricata and openssl write it."""
    return ", ".join(f"{part.rfc4514_attribute_name}={part.value}" for part in name)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _alternative_names(one: Any) -> list[str]:
    from cryptography import x509

    try:
        found = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    return [str(name.value) for name in list(found)[:MOST_NAMES]]


def _key(one: Any) -> dict[str, Any]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    try:
        key = one.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return {}
    kinds = {"RSA": rsa.RSAPublicKey, "EC": ec.EllipticCurvePublicKey, "DSA": dsa.DSAPublicKey}
    kinds |= {"Ed25519": ed25519.Ed25519PublicKey, "Ed448": ed448.Ed448PublicKey}
    for name, kind in kinds.items():
        if isinstance(key, kind):
            size = getattr(key, "key_size", None)
            return {f"{AT}.x509.public_key_algorithm": name} | (
                {f"{AT}.x509.public_key_size": size} if size else {}
            )
    return {}

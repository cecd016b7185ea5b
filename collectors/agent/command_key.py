"""The platform's command key as this agent knows it: pinned once, and only if the platform's own CA vouches for it.

``command.pem`` in the home is a certificate of an Ed25519 key, named ``SOC commands``, good for signing and not for
TLS, issued by the CA that was pinned at enrolment. A new agent gets it in the answer to its enrolment; one that was
enrolled before gets the same certificate with its next question for commands, and takes it on the word of that CA
and of nothing else. Once pinned it stays: another key is refused until an administrator of the machine takes the
file away.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collectors.agent.errors import ConfigError
from collectors.agent.segments import write_durably

FILE = "command.pem"
COMMON_NAME = "SOC commands"


def pin(home: Path, offered: str, ca: Path) -> Ed25519PublicKey:
    """Keep what the platform offers, or insist on what is kept; the key.

    Raises:
        ConfigError: the CA does not vouch for it, or another key is pinned.
    """
    path = home / FILE
    key = key_of(offered.encode(), ca)
    if path.exists():
        kept = key_of(path.read_bytes(), ca)
        if kept.public_bytes_raw() != key.public_bytes_raw():
            raise ConfigError(
                f"the platform shows another command key than the one in {path}; if it was changed on purpose,"
                " remove that file"
            )
        return kept
    write_durably(path, offered.encode())
    return key


def pinned(home: Path, ca: Path) -> Ed25519PublicKey | None:
    """The key that is kept; None before there is one."""
    path = home / FILE
    return key_of(path.read_bytes(), ca) if path.exists() else None


def key_of(pem: bytes, ca: Path) -> Ed25519PublicKey:
    """The key of a certificate that the CA issued for commands.

    Raises:
        ConfigError: it is anything else.
    """
    try:
        found = x509.load_pem_x509_certificate(pem)
        authorities = x509.load_pem_x509_certificates(ca.read_bytes())
        usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = found.public_key()
    except (ValueError, OSError, x509.ExtensionNotFound) as error:
        raise ConfigError(f"the command key's certificate cannot be used: {error}") from error
    if [one.value for one in names] != [COMMON_NAME] or list(usage) != [
        ExtendedKeyUsageOID.CODE_SIGNING
    ]:
        raise ConfigError("this certificate was not made for commands")
    if not any(_issued(found, one) for one in authorities):
        raise ConfigError("the command key's certificate is not of the platform's CA")
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("the command key is no Ed25519 key")
    return key


def _issued(found: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        found.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True

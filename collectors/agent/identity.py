"""Who the agent is: an Ed25519 key made at enrolment, and the RFC 9421 signature on each request."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collectors.agent.errors import ConfigError, NotEnrolled
from collectors.agent.segments import write_durably

COMPONENTS = '("@method" "@path" "content-digest")'


@dataclass(frozen=True, slots=True)
class Identity:
    """What enrolment left in the home, beside the private key."""

    agent_id: str
    name: str  # host name at enrolment
    platform: str  # https://host:port
    key: Ed25519PrivateKey

    def sign(
        self, method: str, path: str, body: bytes, *, created: int, nonce: str = ""
    ) -> dict[str, str]:
        """The three headers that prove a request (docs/wire.md, Signature).

        Args:
            body: as sent, after compression.
            created: Unix seconds by the platform's clock.
            nonce: random when empty.
        """
        nonce = nonce or secrets.token_urlsafe(18)
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
        parameters = (
            f'{COMPONENTS};created={created};nonce="{nonce}";keyid="{self.agent_id}";alg="ed25519"'
        )
        base = (
            f'"@method": {method}\n"@path": {path}\n"content-digest": {digest}\n'
            f'"@signature-params": {parameters}'
        )
        signature = base64.b64encode(self.key.sign(base.encode())).decode()
        return {
            "Content-Digest": digest,
            "Signature-Input": f"sig1={parameters}",
            "Signature": f"sig1=:{signature}:",
        }


def make_key(home: Path) -> Ed25519PrivateKey:
    """The home's key, made if there is none; readable by its owner only."""
    path = home / "key.pem"
    if path.exists():
        return _load_key(path)
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_durably(path, text)
    return key


def save_identity(home: Path, *, agent_id: str, name: str, platform: str) -> None:
    facts = {"agent_id": agent_id, "name": name, "platform": platform}
    write_durably(home / "identity.json", json.dumps(facts, ensure_ascii=False).encode())


def load_identity(home: Path) -> Identity:
    """Read what enrolment left.

    Raises:
        NotEnrolled: there is nothing to read.
        ConfigError: the files cannot be used, or others may read the key.
    """
    path = home / "identity.json"
    try:
        facts = json.loads(path.read_bytes())
        key = _load_key(home / "key.pem")
        return Identity(facts["agent_id"], facts["name"], facts["platform"], key)
    except FileNotFoundError as error:
        remedy = f"soc-agent enrol --home {home} --platform URL --ca FILE --token TOKEN"
        raise NotEnrolled(f"{home} holds no identity; enrol first: {remedy}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read ({error!r}); enrol again") from error


def _load_key(path: Path) -> Ed25519PrivateKey:
    if os.name != "nt" and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} may be read by others; run: chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path} holds no private key that can be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} does not hold an Ed25519 key")
    return key


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 raw bytes of the public key."""
    return key.public_key().public_bytes_raw()


def facts_of(identity: Identity) -> dict[str, str]:
    """What may be shown of an identity."""
    return {name: text for name, text in asdict(identity).items() if name != "key"}

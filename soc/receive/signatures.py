"""Signed requests: RFC 9421 (HTTP message signatures) with Ed25519 over RFC 9530 content digests."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from soc.errors import NotAuthenticated, Overloaded
from soc.records.agents import AgentRow

WINDOW = timedelta(seconds=300)
COMPONENTS = '("@method" "@path" "content-digest")'
NONCES_OF_ONE_AGENT = 20_000  # in 10 minutes: 33 requests a second
_INPUT = re.compile(
    r'sig1=(\("@method" "@path" "content-digest"\))((?:;[a-z]+=(?:\d{1,15}|"[^"\\]{1,200}"))+)'
)
_PARAMETER = re.compile(r';([a-z]+)=(?:(\d{1,15})|"([^"\\]{1,200})")')
_SIGNATURE = re.compile(r"sig1=:([A-Za-z0-9+/=]{1,200}):")
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/=]{44}):")


class ClockWrong(NotAuthenticated):
    """The signature is right, but the sender's clock is not; ``offset`` is theirs minus ours."""

    def __init__(self, agent: AgentRow, offset: timedelta) -> None:
        self.agent, self.offset = agent, offset
        super().__init__(f"the sender's clock is {offset.total_seconds():+.0f} s from ours")


@dataclass(frozen=True, slots=True)
class Signature:
    """The parts of the two signature headers."""

    key_id: str
    created: datetime
    nonce: str
    parameters: str  # as written, for the signature base
    value: bytes


def read_signature(headers: Mapping[str, str]) -> Signature:
    """Read ``Signature-Input`` and ``Signature`` (lower-case header names).

    Raises:
        NotAuthenticated: one is missing, or not in the one form that agents write.
    """
    given = _INPUT.fullmatch(headers.get("signature-input", ""))
    value = _SIGNATURE.fullmatch(headers.get("signature", ""))
    if given is None or value is None:
        raise NotAuthenticated("no readable Signature-Input and Signature headers")
    pairs = [(name, number or text) for name, number, text in _PARAMETER.findall(given[2])]
    parameters = dict(pairs)
    if len(pairs) != 4 or parameters.keys() != {"created", "nonce", "keyid", "alg"}:
        raise NotAuthenticated("a signature needs created, nonce, keyid and alg, each once")
    if parameters["alg"] != "ed25519" or not parameters["created"].isdigit():
        raise NotAuthenticated('a signature needs alg="ed25519" and a numeric created')
    try:
        return Signature(
            key_id=parameters["keyid"],
            created=datetime.fromtimestamp(int(parameters["created"]), UTC),
            nonce=parameters["nonce"],
            parameters=given[1] + given[2],
            value=base64.b64decode(value[1], validate=True),
        )
    except (binascii.Error, ValueError, OverflowError, OSError) as error:
        raise NotAuthenticated(f"unreadable signature: {error}") from error


def signature_base(method: str, path: str, digest: str, parameters: str) -> bytes:
    """The bytes that are signed (RFC 9421 section 2.5)."""
    return (
        f'"@method": {method}\n"@path": {path}\n"content-digest": {digest}\n'
        f'"@signature-params": {parameters}'
    ).encode()


def content_digest(body: bytes) -> str:
    """
    >>> content_digest(b"")
    'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:'
    """
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def check_digest(header: str, body: bytes) -> None:
    """Compare the signed digest with the bytes that came.

    Raises:
        NotAuthenticated: they differ.
    """
    if not hmac.compare_digest(header.encode(), content_digest(body).encode()):
        raise NotAuthenticated("the content digest is not that of the body")


class Nonces:
    """Nonces seen while they could be used again. Never forgets early: a full memory refuses instead.

    A restart forgets them; a request replayed then is a repeat of a batch, which is stored once.
    """

    def __init__(self, limit_per_agent: int = NONCES_OF_ONE_AGENT) -> None:
        self._limit = limit_per_agent
        self._seen: dict[str, OrderedDict[str, datetime]] = {}
        self._lock = threading.Lock()  # an agent may have several requests on the way

    def take(self, key_id: str, nonce: str, until: datetime, now: datetime) -> None:
        """Remember a nonce until it is too old to be accepted anyway.

        Raises:
            NotAuthenticated: it was used before.
            Overloaded: this agent used too many of late.
        """
        with self._lock:
            seen = self._seen.setdefault(key_id, OrderedDict())
            while seen and next(iter(seen.values())) < now:
                seen.popitem(last=False)
            if nonce in seen:
                raise NotAuthenticated("this nonce was used before")
            if len(seen) >= self._limit:
                raise Overloaded("too many requests of one agent", retry_after_seconds=60)
            seen[nonce] = max(until, seen[next(reversed(seen))]) if seen else until


class Verifier:
    """Proves who sent a request, from its headers alone, before any of the body is read."""

    def __init__(self, find_agent: Callable[[str], AgentRow | None], nonces: Nonces | None = None):
        self._find_agent = find_agent
        self._nonces = nonces or Nonces()

    def verify(self, method: str, path: str, headers: Mapping[str, str], now: datetime) -> AgentRow:
        """The agent that signed; the body must still be held against ``check_digest``.

        Raises:
            NotAuthenticated: unsigned, unknown, revoked, wrong, replayed, or ClockWrong.
        """
        signature = read_signature(headers)
        digest = headers.get("content-digest", "")
        if _DIGEST.fullmatch(digest) is None:
            raise NotAuthenticated("no readable Content-Digest header with sha-256")
        agent = self._find_agent(signature.key_id)
        if agent is None or not agent.public_key:  # a shipper shows a token, and never signs
            raise NotAuthenticated(f"no agent {signature.key_id!r} is enrolled")
        base = signature_base(method, path, digest, signature.parameters)
        try:
            Ed25519PublicKey.from_public_bytes(agent.public_key).verify(signature.value, base)
        except InvalidSignature as error:
            raise NotAuthenticated("the signature is wrong") from error
        if agent.revoked_at is not None:
            raise NotAuthenticated(f"agent {agent.id} was revoked")
        if abs(signature.created - now) > WINDOW:
            raise ClockWrong(agent, signature.created - now)
        self._nonces.take(agent.id, signature.nonce, signature.created + WINDOW, now)
        return agent

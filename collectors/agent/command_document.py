"""A command of the platform as it travels: signed bytes, read strictly, believed only after every check.

Envelope: ``{"document": base64 of the bytes, "signature": base64 of 64 bytes}``; the Ed25519 signature is over
``b"soc-command-1\\0"`` and the document's bytes (docs/wire.md, Commands; golden bytes in tests/wire).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from collectors.agent.errors import AgentError

CONTEXT = b"soc-command-1\0"
LARGEST_BYTES = 64 * 1024
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
VERBS = ("run", "undo", "dry_run")
TEXTS = ("id", "agent_id", "action", "verb", "measure", "reason", "case_id", "asked_by")
FIELDS = {*TEXTS, "version", "parameters", "approved_by", "not_before", "expires_at"}


class CommandRefused(AgentError):
    """A command that must not be carried out; ``code`` and ``reason`` go back to the platform."""

    def __init__(self, code: str, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(f"{code}: {reason}")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What came, unchecked but for its shape."""

    document: bytes
    signature: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.document).hexdigest()

    @property
    def claimed_id(self) -> str:
        """The id that the document claims, for the answer to a refused one; empty if it has none."""
        try:
            claimed = json.loads(self.document)["id"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        return claimed if isinstance(claimed, str) and ID.fullmatch(claimed) else ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was believed. Times are µs since 1970-01-01T00:00Z."""

    id: str
    agent_id: str
    action: str
    verb: str  # run, undo, dry_run
    measure: str  # the command that an undo takes back; empty otherwise
    parameters: Mapping[str, Any]
    reason: str
    case_id: str
    asked_by: str
    approved_by: tuple[str, ...]
    not_before: int
    expires_at: int

    @property
    def custody(self) -> dict[str, Any]:
        """Who stands behind it."""
        return {
            "agent_id": self.agent_id,
            "asked_by": self.asked_by,
            "approved_by": list(self.approved_by),
            "case_id": self.case_id,
            "reason": self.reason,
        }


def read_envelope(item: Any) -> Envelope:
    """The bytes of one entry of the platform's answer.

    Raises:
        CommandRefused: it is none.
    """
    try:
        document, signature = item["document"], item["signature"]
        if len(document) > 2 * LARGEST_BYTES or len(signature) > 200:
            raise CommandRefused("document", "it is too large")
        return Envelope(
            base64.b64decode(document, validate=True), base64.b64decode(signature, validate=True)
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise CommandRefused("document", f"no envelope: {error!r}"[:200]) from error


def believe(envelope: Envelope, key: Ed25519PublicKey, agent_id: str, now: int) -> Command:
    """The command, once its signature, addressee and time are in order; it may still be too early.

    Raises:
        CommandRefused: with the first reason found; nothing in an unsigned document is believed.
    """
    try:
        key.verify(envelope.signature, CONTEXT + envelope.document)
    except InvalidSignature as error:
        raise CommandRefused("signature", "not signed by the platform's command key") from error
    command = _read(envelope.document)
    if command.agent_id != agent_id:
        raise CommandRefused("agent", f"it is for {command.agent_id}, not for this agent")
    if now >= command.expires_at:
        late = (now - command.expires_at) / 1e6
        raise CommandRefused("expired", f"it expired {late:.0f} s ago by this machine's clock")
    return command


def _read(document: bytes) -> Command:
    try:
        facts = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise CommandRefused("document", f"no JSON: {error}"[:200]) from error
    if not isinstance(facts, dict) or set(facts) != FIELDS or facts["version"] != 1:
        raise CommandRefused("document", "not the fields of version 1")
    approved, times = facts["approved_by"], (facts["not_before"], facts["expires_at"])
    right = (
        all(isinstance(facts[name], str) and len(facts[name]) <= 4000 for name in TEXTS)
        and isinstance(facts["parameters"], dict)
        and isinstance(approved, list)
        and all(isinstance(one, str) for one in approved)
        and all(isinstance(one, int) and not isinstance(one, bool) for one in times)
        and ID.fullmatch(facts["id"])
        and facts["verb"] in VERBS
        and (ID.fullmatch(facts["measure"]) if facts["verb"] == "undo" else not facts["measure"])
    )
    if not right:
        raise CommandRefused("document", "a field has a wrong type or value")
    del facts["version"]
    return Command(**(facts | {"approved_by": tuple(approved)}))

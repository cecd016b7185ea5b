"""The adapters through which a document leaves for the national centre.

The centre's real message format is not published, so nothing here claims to be official: ``national_http`` posts the
document with its metadata, and a real interface becomes another adapter beside it.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol

import httpx2

from soc.errors import DeliveryError

TIMEOUT = timedelta(seconds=10)
LONGEST_RECEIPT = 64 * 1024  # bytes
PERMANENT = frozenset(
    {400, 403, 404, 405, 409, 413, 415, 422}
)  # a retry of the same bytes will not help


@dataclass(frozen=True, slots=True)
class Message:
    """One document on its way. ``key`` is the idempotency key: the same key is the same report."""

    key: str
    recipient: str
    subject: str
    file_name: str
    media_type: str
    content: bytes
    facts: Mapping[str, Any] = field(default_factory=dict)  # case, form, version, number, fields
    approved_by: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class CentreReceipt:
    """What the centre says it got."""

    receipt_id: str
    received_at: datetime
    sha256: str


class NationalLink(Protocol):
    """A way to the national centre."""

    name: str  # the outbox row's channel

    def send(self, message: Message) -> CentreReceipt:
        """Deliver once; a repeat of the same key is the same delivery.

        Raises:
            DeliveryError: not delivered, or no receipt that holds; ``permanent`` when a retry will not help.
        """
        ...


class NationalHttp:
    """Posts ``metadata`` (JSON) and ``document`` as multipart to ``<url>/v1/reports``."""

    name = "national_http"

    def __init__(self, url: str, *, timeout: timedelta = TIMEOUT) -> None:
        self.url, self.timeout = url.rstrip("/"), timeout

    def send(self, message: Message) -> CentreReceipt:
        metadata = {
            "recipient": message.recipient,
            "subject": message.subject,
            "sha256": message.sha256,
            **message.facts,
        }
        try:
            answer = httpx2.post(
                f"{self.url}/v1/reports",
                headers={"Idempotency-Key": message.key},
                files={
                    "metadata": (
                        "metadata.json",
                        json.dumps(metadata, ensure_ascii=False).encode(),
                        "application/json",
                    ),
                    "document": (message.file_name, message.content, message.media_type),
                },
                timeout=self.timeout.total_seconds(),
                verify=_authorities(),
                follow_redirects=False,
            )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise DeliveryError(f"{self.url}: {error or type(error).__name__}") from error
        return _receipt(answer.status_code, answer.content, message)

    def peer_list(self) -> bytes:
        """The centre's list of what it has, unread. Raises DeliveryError."""
        try:
            answer = httpx2.get(
                f"{self.url}/v1/reports",
                timeout=self.timeout.total_seconds(),
                verify=_authorities(),
            )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise DeliveryError(f"{self.url}: {error or type(error).__name__}") from error
        if answer.status_code != 200:
            raise DeliveryError(f"the centre answered {answer.status_code} when asked for its list")
        return answer.content


@cache
def _authorities() -> ssl.SSLContext:
    """Read once for the process: reading them costs more than sending a report."""
    return ssl.create_default_context()


def _receipt(status: int, body: bytes, message: Message) -> CentreReceipt:
    if status not in (200, 201):
        reason = body[:200].decode("utf-8", "replace")
        raise DeliveryError(
            f"the centre answered {status}: {reason}", permanent=status in PERMANENT
        )
    try:
        if len(body) > LONGEST_RECEIPT:
            raise ValueError("too long")
        told = json.loads(body)
        receipt = CentreReceipt(
            str(told["receipt_id"]), datetime.fromisoformat(told["received_at"]), told["sha256"]
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DeliveryError(f"the centre's receipt cannot be read: {error!r}") from error
    if not receipt.receipt_id or receipt.received_at.tzinfo is None:
        raise DeliveryError("the centre's receipt lacks its number or the zone of its time")
    if receipt.sha256 != message.sha256:
        raise DeliveryError(f"the centre got other bytes: SHA-256 {receipt.sha256}")
    return receipt

"""Who may ship: one token for each shipper, bound to its owner and to whose lines it ships. Only a hash is kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from soc.errors import NotAuthenticated
from soc.model.register import UNOWNED, Owner
from soc.model.scope import Scope
from soc.receive.enrolment import REVOKED_WITHIN_SECONDS
from soc.records.agents import AgentRow
from soc.records.database import Database
from soc.records.rules import begin_in_testing
from soc.records.shippers import ShipperRow

GROUP = "shippers"
_DOOR = Scope.province("door")
_MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Shipper:
    """A sender that showed its token. ``source`` names the reader of what it ships, or is ``auto``."""

    agent: AgentRow
    incarnation: str
    source: str


def create_shipper(
    database: Database,
    scope: Scope,
    now: datetime,
    name: str,
    *,
    source: str,
    owner: Owner = UNOWNED,
    prefixes: Sequence[str] = (),
) -> tuple[str, str]:
    """Make a shipper; its id among the agents, and its token, which is shown this once.

    With ``prefixes`` it ships for others, as a relay does: each event is of whom its device's address belongs to.
    """
    agent_id, secret = f"sh-{secrets.token_hex(8)}", secrets.token_hex(32)
    with database.write(scope) as session:
        begin_in_testing(session, owner.agency_id, now)
        session.add(
            AgentRow(
                id=agent_id,
                name=name,
                public_key=b"",
                kind="relay" if prefixes else "endpoint",
                group=GROUP,
                agency_id=owner.agency_id,
                system_id=owner.system_id,
                prefixes=list(prefixes),
                enrolled_at=now,
            )
        )
        session.add(
            ShipperRow(
                agent_id=agent_id,
                token_sha256=_hash(secret),
                incarnation=secrets.token_hex(16),
                source=source,
                agency_id=owner.agency_id,
                created_by=scope.actor,
            )
        )
    return agent_id, secret


class Shippers:
    """Shippers by token, at most a second old. Unknown tokens are not remembered."""

    def __init__(self, database: Database, fresh_seconds: float = REVOKED_WITHIN_SECONDS) -> None:
        self._database, self._fresh = database, fresh_seconds
        self._known: dict[str, tuple[float, Shipper]] = {}
        self._lock = threading.Lock()

    def verify(self, authorization: str) -> Shipper:
        """The shipper whose token the ``Authorization`` header shows.

        Raises:
            NotAuthenticated: no token, an unknown one, or its shipper was revoked.
        """
        digest = _hash(secret_of(authorization))
        tick = time.monotonic()
        held = self._known.get(digest)
        if held is not None and tick - held[0] < self._fresh:
            shipper = held[1]
        else:
            shipper = self._find(digest)
            with self._lock:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[digest] = (tick, shipper)
        if shipper.agent.revoked_at is not None:
            raise NotAuthenticated(f"shipper {shipper.agent.id} was revoked")
        return shipper

    def _find(self, digest: str) -> Shipper:
        with self._database.session(_DOOR) as session:
            found = session.execute(
                select(AgentRow, ShipperRow)
                .join(ShipperRow, ShipperRow.agent_id == AgentRow.id)
                .where(ShipperRow.token_sha256 == digest)
            ).one_or_none()
        if found is None:
            raise NotAuthenticated("this token is unknown; `soc agents shipper` makes one")
        agent, row = found
        return Shipper(agent, row.incarnation, row.source)


def secret_of(authorization: str) -> str:
    """The token, from any of the schemes that shippers know.

    ``Bearer TOKEN``, ``Splunk TOKEN`` (HEC), ``Basic base64(anything:TOKEN)``, ``ApiKey base64(anything:TOKEN)``.

    Raises:
        NotAuthenticated: there is no readable token.
    """
    scheme, _, rest = authorization.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() in ("basic", "apikey"):
        try:
            rest = base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            rest = ""
    elif scheme.lower() not in ("bearer", "splunk"):
        rest = ""
    if not rest:
        raise NotAuthenticated(
            "no token: send it as Bearer, Splunk, Basic (as the password) or ApiKey (after the colon)"
        )
    return rest


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

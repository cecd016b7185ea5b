"""Delivers what is owed to somebody outside: retries with growing pauses, receipts, and nothing sent twice.

A row is claimed (``sending``, leased) in one transaction, sent outside of any, and settled in another. A crash in
between lets the lease run out, and the row is sent again under the same idempotency key, so that the centre keeps one
report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.errors import DeliveryError, NotFound
from soc.model.scope import Scope
from soc.records.audit import audit
from soc.records.cases import CaseLogRow, DocumentRow, ObligationRow
from soc.records.database import Database
from soc.records.outbox import OutboxRow
from soc.report.national.file_drop import ADAPTER, write_package
from soc.report.national.leave_rules import LeaveRules, load_leave_rules
from soc.report.national.link import CentreReceipt, Message, NationalLink

LEASE = timedelta(minutes=2)  # longer than any one send
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)
DEAD_AFTER = timedelta(days=7)
MOST_AT_ONCE = 5
SENDER = Scope.province("outbox")


def pause(attempts: int) -> timedelta:
    """How long to wait after that many failed tries: doubling from 5 s to an hour.

    >>> [pause(n).total_seconds() for n in (1, 2, 3, 30)]
    [5.0, 10.0, 20.0, 3600.0]
    """
    factor: int = 2 ** min(attempts - 1, 20)
    return min(LONGEST_PAUSE, SHORTEST_PAUSE * factor)


class Outbox:
    """The worker's hand on the outbox rows."""

    def __init__(
        self,
        database: Database,
        links: Iterable[NationalLink],
        *,
        dead_after: timedelta = DEAD_AFTER,
        rules: LeaveRules | None = None,
    ) -> None:
        """``rules``: what may leave; the shipped table when None."""
        self.database, self.dead_after = database, dead_after
        self.rules = load_leave_rules() if rules is None else rules
        self.links: Mapping[str, NationalLink] = {link.name: link for link in links}

    def deliver_due(self, now: datetime) -> int:
        """Try what is due, oldest first; returns how many were delivered.

        One message's failure never keeps the others. A row whose channel has no link here waits untouched.
        """
        delivered = 0
        for outbox_id in self._due(now):
            message = self._claim(outbox_id, now)
            if message is None:
                continue
            channel, sent = message
            try:
                rule = self.rules.check(sent, channel)
                receipt = self.links[channel].send(sent)
            except DeliveryError as error:
                self._failed(outbox_id, error, now)
            else:
                self._settled(outbox_id, receipt, rule.name, now)
                delivered += 1
        return delivered

    def revive(self, scope: Scope, outbox_id: str, *, now: datetime) -> bool:
        """Try a dead message again; says whether there was one."""
        with self.database.write(scope) as session:
            row = session.scalar(
                select(OutboxRow).where(OutboxRow.id == outbox_id, OutboxRow.state == "dead")
            )
            if row is None:
                return False
            row.state, row.attempts, row.next_try_at, row.created_at = "waiting", 0, now, now
            audit(
                session, scope, "outbox.revive", "outbox", row.id, row.subject,
                now=now, agency_id=row.agency_id,
            )  # fmt: skip
            return True

    def package(
        self,
        scope: Scope,
        outbox_id: str,
        folder: Path,
        signer: Ed25519PrivateKey,
        *,
        now: datetime,
    ) -> Path:
        """Write a message as a signed package into ``folder``; the row waits on, for only a receipt makes it sent.

        Raises:
            NotFound: no such message, or its document is gone.
            DeliveryError: no rule lets it leave by ``file_drop``, or the folder cannot be written.
        """
        with self.database.session(scope) as session:
            row = session.scalar(select(OutboxRow).where(OutboxRow.id == outbox_id))
            if row is None:
                raise NotFound("message", outbox_id)
            document_id = row.document_id
            kept = session.scalar(select(DocumentRow).where(DocumentRow.id == document_id))
            if kept is None:
                raise NotFound("document", str(document_id))
            message, agency_id = _message(row, kept), row.agency_id
        rule = self.rules.check(message, ADAPTER)
        with self.database.write(scope) as session:
            written = write_package(message, folder, signer)
            detail = {
                "rule": rule.name,
                "approved_by": message.approved_by,
                "sha256": message.sha256,
            }
            audit(
                session, scope, "outbox.package", "outbox", outbox_id, message.subject, detail,
                now=now, agency_id=agency_id,
            )  # fmt: skip
        return written

    def _due(self, now: datetime) -> list[str]:
        """``next_try_at`` of a row being sent is the end of its lease."""
        due = select(OutboxRow.id).where(
            OutboxRow.state.in_(("waiting", "sending")),
            OutboxRow.next_try_at <= now,
            OutboxRow.channel.in_(self.links),
        )
        with self.database.session(SENDER) as session:
            return list(session.scalars(due.order_by(OutboxRow.next_try_at).limit(MOST_AT_ONCE)))

    def _claim(self, outbox_id: str, now: datetime) -> tuple[str, Message] | None:
        with self.database.write(SENDER) as session:
            row = session.scalar(
                select(OutboxRow).where(
                    OutboxRow.id == outbox_id,
                    OutboxRow.state.in_(("waiting", "sending")),
                    OutboxRow.next_try_at <= now,
                )
            )
            if row is None:
                return None
            document = session.scalar(select(DocumentRow).where(DocumentRow.id == row.document_id))
            if document is None:
                row.state, row.last_error = "dead", "the document is gone"
                return None
            row.state, row.next_try_at = "sending", now + LEASE
            row.attempts += 1
            return row.channel, _message(row, document)

    def _failed(self, outbox_id: str, error: DeliveryError, now: datetime) -> None:
        with self.database.write(SENDER) as session:
            row = session.scalar(select(OutboxRow).where(OutboxRow.id == outbox_id))
            if row is None or row.state != "sending":
                return
            row.last_error = error.reason
            if error.permanent or now - row.created_at >= self.dead_after:
                row.state = "dead"
                _tell(session, row, "not_sent", f"không gửi được, đã dừng: {error.reason}", {}, now)
            else:
                row.state, row.next_try_at = "waiting", now + pause(row.attempts)

    def _settled(self, outbox_id: str, receipt: CentreReceipt, rule: str, now: datetime) -> None:
        with self.database.write(SENDER) as session:
            row = session.scalar(select(OutboxRow).where(OutboxRow.id == outbox_id))
            if row is None or row.state == "sent":
                return
            proof = {
                "receipt_id": receipt.receipt_id,
                "received_at": receipt.received_at.isoformat(),
                "sha256": receipt.sha256,
            }
            row.state, row.sent_at, row.last_error = "sent", now, ""
            row.receipt = proof
            _fulfil(session, row, now)
            text = f"{row.recipient} đã nhận, biên nhận {receipt.receipt_id}"
            left = {"channel": row.channel, "rule": rule, "approved_by": row.created_by}
            _tell(session, row, "sent", text, {**proof, **left}, now)


def _message(row: OutboxRow, document: DocumentRow) -> Message:
    return Message(
        key=row.id,
        recipient=row.recipient,
        subject=row.subject,
        file_name=document.file_name,
        media_type=document.media_type,
        content=document.content,
        approved_by=row.created_by,
        facts={
            "case_id": row.case_id,
            "form": document.form,
            "form_version": document.form_version,
            "number": document.number,
            "made_at": document.made_at.isoformat(),
            "fields": document.fields,
        },
    )


def _fulfil(session: Session, row: OutboxRow, now: datetime) -> None:
    """The obligations that this document discharges are done; the receipt is the proof."""
    document = session.scalar(select(DocumentRow).where(DocumentRow.id == row.document_id))
    kinds = document.message.get("discharges", []) if document else []
    owed = select(ObligationRow).where(
        ObligationRow.case_id == row.case_id,
        ObligationRow.kind.in_(kinds),
        ObligationRow.done_at.is_(None),
    )
    for obligation in session.scalars(owed):
        obligation.done_at, obligation.document_id = now, row.document_id


def _tell(
    session: Session, row: OutboxRow, kind: str, text: str, detail: Mapping[str, Any], now: datetime
) -> None:
    """On the case and in the audit log."""
    if row.case_id is not None:
        session.add(
            CaseLogRow(
                case_id=row.case_id,
                agency_id=row.agency_id,
                at=now,
                actor=SENDER.actor,
                kind=kind,
                text=text,
                detail={"outbox_id": row.id, **detail},
            )
        )
    audit(
        session, SENDER, f"outbox.{kind}", "outbox", row.id, text, detail,
        now=now, agency_id=row.agency_id,
    )  # fmt: skip

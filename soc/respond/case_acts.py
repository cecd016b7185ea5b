"""Acts on a case within a caller's transaction, so that several can be one.

Each writes the case log and the audit log.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotFound
from soc.model.alert import AlertStatus
from soc.model.case import CaseStatus
from soc.model.document import MadeDocument
from soc.model.scope import Scope
from soc.records.alerts import AlertRow
from soc.records.audit import audit
from soc.records.cases import CaseLogRow, CaseRow, DocumentRow, ObligationRow
from soc.records.outbox import OutboxRow
from soc.respond.clocks import Answers, obligations, owed_kinds
from soc.respond.moves import check_case_move

CHANNEL = "national_http"
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")  # case numbers count by the civil year
BY_DECISION = "Theo quyết định phân loại: "  # how a waiver by the three answers begins


def get_case(session: Session, case_id: str) -> CaseRow:
    """Raises NotFound outside the session's scope."""
    row = session.scalar(select(CaseRow).where(CaseRow.id == case_id))
    if row is None:
        raise NotFound("case", case_id)
    return row


def next_case_id(session: Session, now: datetime) -> str:
    """``SC-2026-0001``; counted over the whole province, whatever the scope."""
    prefix = f"SC-{now.astimezone(ZONE).year}-"
    ids = CaseRow.__table__.c.id
    newest = select(ids).where(ids.startswith(prefix)).order_by(func.length(ids).desc(), ids.desc())
    last = session.connection().scalar(newest.limit(1))
    return f"{prefix}{int(last.removeprefix(prefix)) + 1 if last else 1:04}"


def log(
    session: Session,
    scope: Scope,
    case: CaseRow,
    kind: str,
    text: str,
    detail: Mapping[str, Any] | None = None,
    *,
    now: datetime,
) -> None:
    """One line of the case log, and the same in the audit log."""
    session.add(
        CaseLogRow(
            case_id=case.id,
            agency_id=case.agency_id,
            at=now,
            actor=scope.actor,
            kind=kind,
            text=text,
            detail=dict(detail or {}),
        )
    )
    audit(
        session, scope, f"case.{kind}", "case", case.id, text, detail,
        now=now, agency_id=case.agency_id,
    )  # fmt: skip


def take_alerts(
    session: Session, scope: Scope, case: CaseRow, alerts: Sequence[AlertRow], now: datetime
) -> None:
    """Put open alerts into the case; a new one is thereby acknowledged by the actor."""
    for alert in alerts:
        if alert.case_id == case.id:
            continue
        if alert.case_id is not None:
            raise Conflict(f"alert {alert.id} already belongs to case {alert.case_id}")
        if alert.status == AlertStatus.CLOSED:
            raise Conflict(f"alert {alert.id} is closed; reopen it first")
        if alert.status == AlertStatus.NEW:
            alert.status, alert.acknowledged_at = AlertStatus.ACKNOWLEDGED, now
            alert.assignee = alert.assignee or scope.actor
        alert.case_id = case.id
        text = f"{alert.id} {alert.title_vi or alert.title}"
        log(session, scope, case, "alert_added", text, {"alert_id": alert.id}, now=now)


def follow_clocks(session: Session, case: CaseRow, now: datetime) -> None:
    """Make the obligations that the answers ask for; those no longer owed are waived, never deleted."""
    answers = Answers(case.serious, case.national_security, case.serious_disruption)
    rows = session.scalars(select(ObligationRow).where(ObligationRow.case_id == case.id))
    row_by_kind = {row.kind: row for row in rows}
    for owed in obligations(case.detected_at, answers):
        row = row_by_kind.get(owed.kind)
        if row is None:
            session.add(
                ObligationRow(
                    id=uuid.uuid4().hex,
                    case_id=case.id,
                    agency_id=case.agency_id,
                    kind=owed.kind,
                    owed_to=owed.owed_to,
                    basis=owed.basis,
                    starts_at=owed.starts_at,
                    due_at=owed.due_at,
                )
            )
        elif row.waived_at is not None and row.waived_reason.startswith(BY_DECISION):
            row.waived_at, row.waived_reason = None, ""
    for kind, row in row_by_kind.items():
        if kind not in owed_kinds(answers) and row.done_at is None and row.waived_at is None:
            reason = case.detail.get("decision_reason", "")
            row.waived_at, row.waived_reason = now, f"{BY_DECISION}{reason}"


def decide(
    session: Session,
    scope: Scope,
    case: CaseRow,
    answers: Answers,
    reason: str,
    now: datetime,
) -> None:
    """Keep the three answers, who gave them and when; the clocks follow."""
    if not reason.strip():
        raise Conflict("a decision needs a reason")
    given = {
        "serious": answers.serious,
        "national_security": answers.national_security,
        "serious_disruption": answers.serious_disruption,
    }
    decisions = dict(case.detail.get("decisions", {}))
    for name, answer in given.items():
        if name not in decisions or getattr(case, name) != answer:
            at = now.isoformat()
            decisions[name] = {"answer": answer, "by": scope.actor, "at": at, "reason": reason}
        setattr(case, name, answer)
    case.detail = {**case.detail, "decisions": decisions, "decision_reason": reason.strip()}
    follow_clocks(session, case, now)
    log(session, scope, case, "decision", reason.strip(), given, now=now)


def move(
    session: Session, scope: Scope, case: CaseRow, to: CaseStatus, reason: str, now: datetime
) -> None:
    """Closing needs a reason, and every obligation done or waived."""
    before = CaseStatus(case.status)
    check_case_move(case.id, before, to)
    if to == CaseStatus.CLOSED:
        _check_may_close(session, case, reason)
        case.closed_at = now
    elif before == CaseStatus.CLOSED:
        case.closed_at = None
    case.status = to
    log(session, scope, case, "status", reason.strip(), {"from": before, "to": to}, now=now)


def _check_may_close(session: Session, case: CaseRow, reason: str) -> None:
    if not reason.strip():
        raise Conflict("closing a case needs a reason")
    rows = session.scalars(select(ObligationRow).where(ObligationRow.case_id == case.id))
    if owed := [row.kind for row in rows if row.done_at is None and row.waived_at is None]:
        raise Conflict(f"case {case.id} still owes: {', '.join(sorted(owed))}")


def fill(
    session: Session, scope: Scope, case: CaseRow, facts: Mapping[str, Any], now: datetime
) -> None:
    """Keep form fields; an empty value takes a field away."""
    changed = {name: value for name, value in facts.items() if case.facts.get(name) != value}
    if not changed:
        return
    kept = {**case.facts, **changed}
    case.facts = {name: value for name, value in kept.items() if value not in (None, "", [])}
    log(session, scope, case, "facts", ", ".join(sorted(changed)), changed, now=now)


def keep_document(
    session: Session, scope: Scope, case: CaseRow, made: MadeDocument, number: str, now: datetime
) -> DocumentRow:
    """Keep the bytes as they were made; documents are never changed."""
    row = DocumentRow(
        id=uuid.uuid4().hex,
        case_id=case.id,
        agency_id=case.agency_id,
        form=made.form,
        form_version=made.form_version,
        number=number,
        file_name=made.file_name,
        media_type=made.media_type,
        content=made.content,
        content_sha256=made.sha256,
        fields=dict(made.fields),
        message={
            "subject": made.subject,
            "recipient": made.recipient,
            "discharges": list(made.discharges),
        },
        made_at=now,
        made_by=scope.actor,
    )
    session.add(row)
    detail = {"document_id": row.id, "form": row.form, "sha256": row.content_sha256}
    log(session, scope, case, "report", f"{number} {row.file_name}", detail, now=now)
    return row


def next_number(session: Session, case: CaseRow) -> str:
    """The number of the case's next document: the chain of its reports."""
    made = session.scalar(select(func.count(DocumentRow.id)).where(DocumentRow.case_id == case.id))
    return f"{case.id}/BC-{(made or 0) + 1:02}"


def queue(session: Session, scope: Scope, case: CaseRow, row: DocumentRow, now: datetime) -> str:
    """Put a document in the outbox; the same document again is the same message."""
    outbox_id = f"nc-{row.id}"
    if session.scalar(select(OutboxRow).where(OutboxRow.id == outbox_id)) is not None:
        return outbox_id
    kinds = row.message.get("discharges", [])
    owed = select(ObligationRow).where(
        ObligationRow.case_id == case.id,
        ObligationRow.kind.in_(kinds),
        ObligationRow.done_at.is_(None),
    )
    first = session.scalar(owed.order_by(ObligationRow.due_at).limit(1))
    session.add(
        OutboxRow(
            id=outbox_id,
            agency_id=case.agency_id,
            channel=CHANNEL,
            recipient=row.message.get("recipient", ""),
            subject=row.message.get("subject", row.file_name)[:300],
            document_id=row.id,
            case_id=case.id,
            obligation_id=None if first is None else first.id,
            next_try_at=now,
            created_at=now,
            created_by=scope.actor,
        )
    )
    detail = {"outbox_id": outbox_id, "document_id": row.id}
    log(session, scope, case, "sending", row.number or row.file_name, detail, now=now)
    return outbox_id

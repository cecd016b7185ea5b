"""Rows of cases: the case, its log (append-only), its obligations, its playbook runs, its documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class CaseRow(OfAgency, Base):
    __tablename__ = "cases"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)  # SC-2026-0001
    title: Mapped[str] = mapped_column(String(300))
    summary: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(20), default="intake", index=True)
    severity: Mapped[str] = mapped_column(String(20))
    classification: Mapped[str] = mapped_column(String(80), default="")  # RSIT class/type
    system_id: Mapped[str | None] = mapped_column(String(40))
    system_level: Mapped[int] = mapped_column(default=0)
    detected_at: Mapped[datetime] = mapped_column(index=True)  # T0: every legal clock starts here
    opened_at: Mapped[datetime]
    opened_by: Mapped[str] = mapped_column(String(80))
    lead: Mapped[str] = mapped_column(String(80), default="")
    closed_at: Mapped[datetime | None]
    # the three questions at triage; None: not yet decided, and the stricter clock runs
    serious: Mapped[bool | None]
    national_security: Mapped[bool | None]
    serious_disruption: Mapped[bool | None]
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)  # form fields that people filled in
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class CaseLogRow(OfAgency, Base):
    """Append-only: who did what, when."""

    __tablename__ = "case_log"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    case_id: Mapped[str] = mapped_column(String(40), index=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(
        String(40)
    )  # opened, status, note, alert_added, step, report, decision
    text: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class ObligationRow(OfAgency, Base):
    __tablename__ = "obligations"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    case_id: Mapped[str] = mapped_column(String(40), index=True)
    kind: Mapped[str] = mapped_column(String(40))  # notice_24h, report_72h
    owed_to: Mapped[str] = mapped_column(String(200))
    basis: Mapped[str] = mapped_column(String(200))
    starts_at: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(index=True)
    done_at: Mapped[datetime | None]
    document_id: Mapped[str | None] = mapped_column(String(40))
    waived_at: Mapped[datetime | None]  # not owed after all; ``waived_reason`` says why and who
    waived_reason: Mapped[str] = mapped_column(Text, default="")


class PlaybookRunRow(OfAgency, Base):
    __tablename__ = "playbook_runs"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    case_id: Mapped[str] = mapped_column(String(40), index=True)
    playbook_id: Mapped[str] = mapped_column(String(80))
    playbook_digest: Mapped[str] = mapped_column(String(64))
    playbook: Mapped[dict[str, Any]] = mapped_column(default=dict)  # as it was when the run began
    started_at: Mapped[datetime]
    started_by: Mapped[str] = mapped_column(String(80))
    finished_at: Mapped[datetime | None]
    by_itself: Mapped[bool] = mapped_column(default=False)  # the platform has steps to do in it
    paused_at: Mapped[datetime | None]
    called_by: Mapped[str] = mapped_column(String(40), default="")  # the step row that runs it


class PlaybookStepRow(OfAgency, Base):
    __tablename__ = "playbook_steps"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(40), index=True)
    step_id: Mapped[str] = mapped_column(String(80))
    position: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), default="waiting")
    actor: Mapped[str] = mapped_column(String(80), default="")
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]  # of a pending step: when it is over, one way or the other
    round: Mapped[int] = mapped_column(default=1)  # more after a loop or a second run of the step
    approved_by: Mapped[list[Any]] = mapped_column(default=list)
    earlier: Mapped[list[Any]] = mapped_column(default=list)  # what earlier rounds left behind
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    note: Mapped[str] = mapped_column(Text, default="")


class DocumentRow(OfAgency, Base):
    """A document made from a case: the form, its version, and the bytes as they were sent."""

    __tablename__ = "documents"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    case_id: Mapped[str | None] = mapped_column(String(40), index=True)
    form: Mapped[str] = mapped_column(String(40))  # mau-03
    form_version: Mapped[str] = mapped_column(String(40))
    number: Mapped[str] = mapped_column(String(80), default="")
    file_name: Mapped[str] = mapped_column(String(200))
    media_type: Mapped[str] = mapped_column(String(120))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    content_sha256: Mapped[str] = mapped_column(String(64))
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    message: Mapped[dict[str, Any]] = mapped_column(
        default=dict
    )  # subject, recipient, discharges: for sending it
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(String(80))

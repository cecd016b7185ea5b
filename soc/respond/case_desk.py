"""The responders' desk: cases, their clocks, the playbook run, the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotFound
from soc.model.alert import Severity
from soc.model.case import CaseStatus
from soc.model.document import MadeDocument
from soc.model.scope import Scope
from soc.records.alerts import AlertRow
from soc.records.cases import CaseRow, DocumentRow, ObligationRow
from soc.records.database import Database
from soc.records.register import SystemRow
from soc.respond import case_acts as acts
from soc.respond.case_views import (
    CaseSummary,
    CaseView,
    PlaybookChoice,
    RunView,
    choice,
    summaries,
    view,
)
from soc.respond.clocks import Answers
from soc.respond.playbook_desk import PlaybookDesk
from soc.respond.response_desk import ResponseDesk
from soc.respond.triage import alerts_by_id

__all__ = ["CaseDesk", "CaseSummary", "CaseView", "PlaybookChoice", "ReportMaker", "RunView"]

FIRST_FORM = "mau-03"


class ReportMaker(Protocol):
    """Forms filled from a case; ``soc.report.case_reports.CaseReports`` is the one of the site."""

    def problems(
        self, session: Session, case: CaseRow, form: str, *, now: datetime
    ) -> tuple[str, ...]:
        """What the form still lacks, in Vietnamese."""
        ...

    def make(
        self, session: Session, case: CaseRow, form: str, *, number: str, now: datetime
    ) -> MadeDocument:
        """Raises FormError."""
        ...

    def check_facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The facts as the forms keep them. Raises FormError for unknown fields or values not allowed."""
        ...


class CaseDesk:
    """Open, look at and move cases. ``actor`` is the scope's."""

    def __init__(
        self,
        database: Database,
        *,
        playbooks: Mapping[str, Mapping[str, Any]],
        reports: ReportMaker,
        responses: ResponseDesk | None = None,
    ) -> None:
        self.database, self.playbooks, self.reports = database, playbooks, reports
        self.runs = PlaybookDesk(
            database, playbooks=playbooks, reports=reports, responses=responses
        )

    def cases(
        self, scope: Scope, *, status: Sequence[str] = (), offset: int = 0, size: int = 50
    ) -> tuple[list[CaseSummary], int]:
        """One page, the newest first, and how many there are in all."""
        where = [CaseRow.status.in_(status)] if status else []
        newest = select(CaseRow).where(*where).order_by(CaseRow.opened_at.desc(), CaseRow.id.desc())
        with self.database.session(scope) as session:
            rows = session.scalars(newest.offset(offset).limit(size)).all()
            total = session.scalar(select(func.count(CaseRow.id)).where(*where)) or 0
            return summaries(session, rows), total

    def find(self, scope: Scope, case_id: str, *, now: datetime | None = None) -> CaseView | None:
        """``now`` dates the draft report whose missing fields are listed; it defaults to the detection."""
        with self.database.session(scope) as session:
            row = session.scalar(select(CaseRow).where(CaseRow.id == case_id))
            if row is None:
                return None
            at = now or row.detected_at
            return view(session, row, self.reports.problems(session, row, FIRST_FORM, now=at))

    def open(
        self,
        scope: Scope,
        *,
        title: str,
        alert_ids: Sequence[str],
        detected_at: datetime | None = None,
        agency_id: str | None = None,
        system_id: str | None = None,
        playbook_id: str = "",
        now: datetime,
    ) -> str:
        """Open a case from alerts (or none, for a report by telephone; then ``detected_at`` is needed). Returns its id.

        T0 is the earliest alert's ``created_at`` unless ``detected_at`` says otherwise. The three questions are not
        yet answered, so every obligation of NĐ 331/2026 art. 31.2.d runs. The agency and the system are those of the
        weightiest alert unless they are named. A playbook that is named begins at once.
        """
        if playbook_id and playbook_id not in self.playbooks:
            raise NotFound("playbook", playbook_id)
        with self.database.write(scope) as session:
            alerts = alerts_by_id(session, alert_ids)
            case = CaseRow(
                id=acts.next_case_id(session, now),
                title=_title(title, alerts),
                severity=_severity(alerts),
                detected_at=_t0(alerts, detected_at, now),
                opened_at=now,
                opened_by=scope.actor,
                lead=scope.actor,
                status=CaseStatus.INTAKE,
                facts={},
                detail={},
            )
            _place(session, scope, case, alerts, agency_id, system_id)
            session.add(case)
            acts.follow_clocks(session, case, now)
            t0 = case.detected_at.isoformat()
            acts.log(session, scope, case, "opened", case.title, {"t0": t0}, now=now)
            acts.take_alerts(session, scope, case, alerts, now)
            case_id = case.id
        if playbook_id:
            self.runs.start(scope, case_id, playbook_id, now=now)
        return case_id

    def add_alerts(
        self, scope: Scope, case_id: str, alert_ids: Sequence[str], *, now: datetime
    ) -> None:
        """T0 stays: a clock once started is not moved."""
        with self.database.write(scope) as session:
            case = acts.get_case(session, case_id)
            acts.take_alerts(session, scope, case, alerts_by_id(session, alert_ids), now)

    def note(self, scope: Scope, case_id: str, text: str, *, now: datetime) -> None:
        if not text.strip():
            raise Conflict("an empty note says nothing")
        with self.database.write(scope) as session:
            case = acts.get_case(session, case_id)
            acts.log(session, scope, case, "note", text.strip(), now=now)

    def move(
        self, scope: Scope, case_id: str, to: CaseStatus, *, reason: str = "", now: datetime
    ) -> None:
        """Closing needs every obligation done or waived with a reason."""
        with self.database.write(scope) as session:
            acts.move(session, scope, acts.get_case(session, case_id), to, reason, now)

    def decide(
        self,
        scope: Scope,
        case_id: str,
        *,
        serious: bool | None,
        national_security: bool | None,
        serious_disruption: bool | None,
        reason: str,
        now: datetime,
    ) -> None:
        """Answer the three triage questions; each answer, its author and time are kept, and the clocks follow."""
        answers = Answers(serious, national_security, serious_disruption)
        with self.database.write(scope) as session:
            acts.decide(session, scope, acts.get_case(session, case_id), answers, reason, now)

    def waive(
        self, scope: Scope, case_id: str, obligation_id: str, *, reason: str, now: datetime
    ) -> None:
        """Say why a report is not owed, or how it was made outside the platform."""
        if not reason.strip():
            raise Conflict("waiving an obligation needs a reason")
        with self.database.write(scope) as session:
            case = acts.get_case(session, case_id)
            owed = session.scalar(
                select(ObligationRow).where(
                    ObligationRow.id == obligation_id, ObligationRow.case_id == case.id
                )
            )
            if owed is None:
                raise NotFound("obligation", obligation_id)
            if owed.done_at is not None:
                raise Conflict(f"the obligation {owed.kind} is already done")
            owed.waived_at, owed.waived_reason = now, reason.strip()
            acts.log(session, scope, case, "waived", reason.strip(), {"kind": owed.kind}, now=now)

    def fill(self, scope: Scope, case_id: str, facts: Mapping[str, Any], *, now: datetime) -> None:
        """Keep form fields that people filled in (see ``soc.report.forms``). Raises FormError."""
        clean = self.reports.check_facts(facts)
        with self.database.write(scope) as session:
            acts.fill(session, scope, acts.get_case(session, case_id), clean, now)

    def playbook_choices(self) -> list[PlaybookChoice]:
        return [choice(playbook) for _, playbook in sorted(self.playbooks.items())]

    def playbook_choice(self, playbook_id: str) -> PlaybookChoice | None:
        found = self.playbooks.get(playbook_id)
        return choice(found) if found else None

    def start_playbook(self, scope: Scope, case_id: str, playbook_id: str, *, now: datetime) -> str:
        """Begin a run; returns its id. Conflict when a run of it is not yet finished."""
        return self.runs.start(scope, case_id, playbook_id, now=now)

    def begin_step(self, scope: Scope, run_id: str, step_id: str, *, now: datetime) -> None:
        """Take a step; it is leased, and returns to waiting when the lease runs out."""
        self.runs.begin(scope, run_id, step_id, now=now)

    def finish_step(
        self,
        scope: Scope,
        run_id: str,
        step_id: str,
        *,
        result: Mapping[str, Any],
        note: str = "",
        now: datetime,
    ) -> None:
        """Finish a step; automatic actions (make_report, send_report, ...) run here.

        A result that lacks something raises PlaybookError and the step goes on running; an action that fails marks
        the step as failed, with the reason, and raises. A failed step can be begun again.
        """
        self.runs.finish(scope, run_id, step_id, result=result, note=note, now=now)

    def skip_step(
        self, scope: Scope, run_id: str, step_id: str, *, reason: str, now: datetime
    ) -> None:
        """Only steps that are not required can be skipped, with a reason."""
        self.runs.skip(scope, run_id, step_id, reason=reason, now=now)

    def make_report(self, scope: Scope, case_id: str, form: str, *, now: datetime) -> str:
        """Fill a form from the case; returns the document's id. Raises FormError naming what is missing."""
        with self.database.session(scope) as session:
            case = acts.get_case(session, case_id)
            number = acts.next_number(session, case)
            made = self.reports.make(session, case, form, number=number, now=now)
        with self.database.write(scope) as session:
            case = acts.get_case(session, case_id)
            return acts.keep_document(session, scope, case, made, number, now).id

    def send_report(self, scope: Scope, document_id: str, *, now: datetime) -> str:
        """Put a document in the outbox towards the national centre; returns the outbox id. Idempotent per document."""
        with self.database.write(scope) as session:
            row = _document(session, document_id)
            if row.case_id is None:
                raise Conflict(f"document {document_id} belongs to no case")
            return acts.queue(session, scope, acts.get_case(session, row.case_id), row, now)

    def document(self, scope: Scope, document_id: str) -> DocumentRow:
        """Raises NotFound."""
        with self.database.session(scope) as session:
            return _document(session, document_id)


def _document(session: Session, document_id: str) -> DocumentRow:
    row = session.scalar(select(DocumentRow).where(DocumentRow.id == document_id))
    if row is None:
        raise NotFound("document", document_id)
    return row


def _title(title: str, alerts: Sequence[AlertRow]) -> str:
    if title.strip():
        return title.strip()
    if not alerts:
        raise Conflict("a case without alerts needs a title")
    return alerts[0].title_vi or alerts[0].title


def _severity(alerts: Sequence[AlertRow]) -> str:
    found = [Severity(alert.severity) for alert in alerts]
    return max(found, key=lambda severity: severity.weight, default=Severity.MEDIUM)


def _t0(alerts: Sequence[AlertRow], detected_at: datetime | None, now: datetime) -> datetime:
    if detected_at is None:
        if not alerts:
            raise Conflict("a case without alerts needs the time of detection")
        return min(alert.created_at for alert in alerts)
    if detected_at > now:
        raise Conflict("the time of detection lies in the future")
    return detected_at


def _place(
    session: Session,
    scope: Scope,
    case: CaseRow,
    alerts: Sequence[AlertRow],
    agency_id: str | None,
    system_id: str | None,
) -> None:
    """Whose case it is. An officer of one agency who names none means the own one."""
    if agency_id is None and not alerts and scope.agency_ids and len(scope.agency_ids) == 1:
        (agency_id,) = scope.agency_ids
    weightiest = max(alerts, key=lambda alert: alert.priority, default=None)
    if weightiest is not None:
        agency_id = agency_id or weightiest.agency_id
        system_id = system_id or weightiest.system_id
    if not scope.allows(agency_id):
        raise NotFound("agency", agency_id or "")
    case.agency_id, case.system_id = agency_id, system_id
    if system_id is not None:
        level = session.scalar(select(SystemRow.level).where(SystemRow.id == system_id))
        case.system_level = level or max((alert.system_level for alert in alerts), default=0)

"""What the API answers with, one model a noun."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from soc.console.formats import raw_text
from soc.model.event import Event
from soc.model.guidance import Guidance
from soc.records.batches import SignalRow
from soc.records.cases import CaseLogRow, DocumentRow, ObligationRow, PlaybookStepRow
from soc.records.outbox import OutboxRow
from soc.respond.case_views import CaseSummary, CaseView, RunView
from soc.respond.triage import AlertDetail, AlertView


class Shape(BaseModel):
    """Read from rows by attribute."""

    model_config = ConfigDict(from_attributes=True)


class Alert(Shape):
    """One alert: signals of one rule about one entity."""

    id: str
    rule_id: str
    title: str
    title_vi: str
    severity: str
    priority: int = Field(
        description="0 to 100: severity × importance of the asset × security level"
    )
    status: str
    disposition: str
    close_reason: str
    entity: str
    summary: str
    agency_id: str | None
    system_id: str | None
    system_level: int
    host: str
    fields: dict[str, Any] = Field(description="The values that the rule's condition looked at")
    first_seen_at: datetime
    last_seen_at: datetime
    created_at: datetime
    signals: int
    assignee: str
    acknowledged_at: datetime | None
    closed_at: datetime | None
    case_id: str | None
    follows_id: str | None


class NamedAlert(Alert):
    """An alert with the names of its agency and system."""

    agency: str = ""
    system: str = ""

    @classmethod
    def of(cls, view: AlertView) -> NamedAlert:
        alert = cls.model_validate(view.row)
        return alert.model_copy(update={"agency": view.agency_name, "system": view.system_name})


class Alerts(Shape):
    """A page of alerts with the counts of its facets."""

    alerts: list[NamedAlert]
    total: int
    newest: int
    facets: dict[str, dict[str, int]]


class Signal(Shape):
    """A rule matched an event."""

    id: str
    rule_id: str
    event_id: str
    observed_at: datetime
    entity: str
    fields: dict[str, Any]

    @classmethod
    def of(cls, row: SignalRow) -> Signal:
        return cls.model_validate(row)


class Question(Shape):
    """A question about an alert: queries with places for the event's fields, and the window around the alert."""

    ask_vi: str
    ask_en: str
    queries: list[str]
    before: timedelta
    after: timedelta


class Told(Shape):
    """What the reader of an alert is told."""

    means_vi: str
    means_en: str
    checks: list[Question]
    false_alarm_vi: str
    false_alarm_en: str
    playbook: str

    @classmethod
    def of(cls, guidance: Guidance) -> Told:
        return cls.model_validate(guidance)


class WholeAlert(NamedAlert):
    """An alert with its signals, its rule, what is similar and whom to call."""

    matches: list[Signal] = []
    rule: dict[str, Any] = {}
    guidance: Told | None = None
    similar: list[str] = []
    contact: dict[str, str] = {}

    @classmethod
    def of_detail(cls, detail: AlertDetail, guidance: Guidance | None) -> WholeAlert:
        named = NamedAlert.of(detail.alert)
        return cls(
            **named.model_dump(),
            matches=[Signal.of(row) for row in detail.signals],
            rule=dict(detail.rule),
            guidance=Told.of(guidance) if guidance else None,
            similar=[view.row.id for view in detail.similar],
            contact=dict(detail.contact),
        )


class StoredEvent(Shape):
    """One event in ECS field names; ``raw`` has bytes that are not UTF-8 as escapes."""

    id: str
    source: str
    observed_at: datetime
    received_at: datetime
    agency_id: str | None
    system_id: str | None
    level: int
    host: str
    fields: dict[str, Any]
    raw: str | None = None

    @classmethod
    def of(cls, event: Event, *, with_raw: bool = False) -> StoredEvent:
        return cls(
            id=event.id,
            source=event.source,
            observed_at=event.observed_at,
            received_at=event.received_at,
            agency_id=event.agency_id,
            system_id=event.system_id,
            level=event.level,
            host=event.host,
            fields=dict(event.fields),
            raw=raw_text(event.raw) if with_raw else None,
        )


class Bucket(Shape):
    start: datetime
    events: int


class Events(Shape):
    """A page of events; ``after`` fetches the next."""

    events: list[StoredEvent]
    total: int
    after: str | None
    took_seconds: float
    partial: bool
    partial_reason: str
    histogram: list[Bucket]


class Obligation(Shape):
    """A report owed; ``due_at`` counts from T0, the minute of detection."""

    id: str
    kind: str
    owed_to: str
    basis: str
    starts_at: datetime
    due_at: datetime
    done_at: datetime | None
    waived_at: datetime | None
    waived_reason: str

    @classmethod
    def of(cls, row: ObligationRow) -> Obligation:
        return cls.model_validate(row)


class Step(Shape):
    step_id: str
    position: int
    state: str
    actor: str
    started_at: datetime | None
    finished_at: datetime | None
    lease_until: datetime | None
    due_at: datetime | None
    round: int
    approved_by: list[str]
    result: dict[str, Any]
    note: str

    @classmethod
    def of(cls, row: PlaybookStepRow) -> Step:
        return cls.model_validate(row)


class Run(Shape):
    """A playbook run with its steps in order."""

    id: str
    playbook_id: str
    playbook_digest: str
    started_at: datetime
    started_by: str
    finished_at: datetime | None
    paused_at: datetime | None
    steps: list[Step]

    @classmethod
    def of(cls, view: RunView) -> Run:
        row = view.row
        return cls(
            id=row.id,
            playbook_id=row.playbook_id,
            playbook_digest=row.playbook_digest,
            started_at=row.started_at,
            started_by=row.started_by,
            finished_at=row.finished_at,
            paused_at=row.paused_at,
            steps=[Step.of(step) for step in view.steps],
        )


class LogLine(Shape):
    at: datetime
    actor: str
    kind: str
    text: str

    @classmethod
    def of(cls, row: CaseLogRow) -> LogLine:
        return cls.model_validate(row)


class Document(Shape):
    """A report as it was made; its bytes are at ``/documents/{id}``."""

    id: str
    form: str
    form_version: str
    number: str
    file_name: str
    media_type: str
    content_sha256: str
    made_at: datetime
    made_by: str

    @classmethod
    def of(cls, row: DocumentRow) -> Document:
        return cls.model_validate(row)


class Delivery(Shape):
    """A message of the outbox with its receipt."""

    id: str
    channel: str
    recipient: str
    subject: str
    document_id: str | None
    state: str
    attempts: int
    last_error: str
    sent_at: datetime | None
    receipt: dict[str, Any]

    @classmethod
    def of(cls, row: OutboxRow) -> Delivery:
        return cls.model_validate(row)


class Case(Shape):
    """An incident (sự cố)."""

    id: str
    title: str
    summary: str
    status: str
    severity: str
    agency_id: str | None
    agency: str = ""
    system_id: str | None
    system: str = ""
    system_level: int
    detected_at: datetime
    opened_at: datetime
    opened_by: str
    lead: str
    closed_at: datetime | None
    serious: bool | None
    national_security: bool | None
    serious_disruption: bool | None
    alerts: int = 0
    next_due_at: datetime | None = None

    @classmethod
    def of(cls, summary: CaseSummary) -> Case:
        row = summary.row
        columns = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        due = summary.next_due.due_at if summary.next_due else None
        return cls(
            **columns,
            agency=summary.agency_name,
            system=summary.system_name,
            alerts=summary.alerts,
            next_due_at=due,
        )


class Cases(Shape):
    cases: list[Case]
    total: int


class WholeCase(Shape):
    """An incident with everything that belongs to it."""

    case: Case
    alert_ids: list[str]
    obligations: list[Obligation]
    runs: list[Run]
    log: list[LogLine]
    documents: list[Document]
    outbox: list[Delivery]
    allowed: list[str]
    form_problems: list[str]

    @classmethod
    def of(cls, view: CaseView) -> WholeCase:
        return cls(
            case=Case.of(view.summary),
            alert_ids=[alert.row.id for alert in view.alerts],
            obligations=[Obligation.of(row) for row in view.obligations],
            runs=[Run.of(run) for run in view.runs],
            log=[LogLine.of(row) for row in view.log],
            documents=[Document.of(row) for row in view.documents],
            outbox=[Delivery.of(row) for row in view.outbox],
            allowed=[str(state) for state in view.allowed],
            form_problems=list(view.form_problems),
        )


class Made(Shape):
    """The id of what was made."""

    id: str

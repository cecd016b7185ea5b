"""Reports of a case: what the records know of it, put into a form, made into a document.

``known`` lists every source that a form's ``from`` may name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.errors import FormError
from soc.model.case import CaseStatus
from soc.model.document import MadeDocument
from soc.records.alerts import AlertRow
from soc.records.cases import CaseRow, DocumentRow
from soc.records.register import AgencyRow, AssetRow, ContactRow, SystemRow
from soc.report.documents import DOCX, render
from soc.report.form_files import Form, Forms
from soc.report.form_values import check_facts, fill, problems

HANDLED = frozenset({CaseStatus.REVIEW, CaseStatus.CLOSED})
FIRST_FORM = "mau-03"
CONTACT_ORDER = {"response": 0, "monitoring": 1, "deputy": 2}


class CaseReports:
    """The desk's ``ReportMaker``. Dates on paper are those of ``zone``."""

    def __init__(self, forms: Forms, *, zone: str = "Asia/Ho_Chi_Minh") -> None:
        self.forms, self.zone = forms, ZoneInfo(zone)

    def form(self, form_id: str, now: datetime) -> Form:
        """The version of the form in use now. Raises NotFound."""
        return self.forms.get(form_id, now.astimezone(self.zone).date())

    def values(
        self, session: Session, case: CaseRow, form: str, *, now: datetime
    ) -> dict[str, Any]:
        """The form's values as they stand: filled in by people, else known to the records."""
        known = _known(session, case, now, self.zone)
        return fill(self.form(form, now), known, case.facts)

    def problems(
        self, session: Session, case: CaseRow, form: str, *, now: datetime
    ) -> tuple[str, ...]:
        """What the form still lacks, in Vietnamese."""
        return problems(self.form(form, now), self.values(session, case, form, now=now))

    def make(
        self, session: Session, case: CaseRow, form: str, *, number: str, now: datetime
    ) -> MadeDocument:
        """The filled form as a Word document.

        Raises:
            FormError: names, in Vietnamese, everything that is missing or not allowed.
        """
        wanted = self.form(form, now)
        values = self.values(session, case, form, now=now)
        if lacking := problems(wanted, values):
            raise FormError(wanted.title_vi, lacking)
        words = {
            "case_id": case.id,
            "number": number.rpartition("/")[2] or number,
            "system_or_title": values.get("system_name") or case.title,
        }
        return MadeDocument(
            form=wanted.id,
            form_version=wanted.version,
            file_name=wanted.file_name.format_map(words),
            media_type=DOCX,
            content=render(wanted, values, self.forms.folder / wanted.template),
            subject=wanted.subject.format_map(words),
            recipient=wanted.recipient,
            discharges=wanted.discharges,
            fields=values,
        )

    def check_facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Facts as the forms keep them; a fact may belong to any form. Raises FormError."""
        clean: dict[str, Any] = {}
        for name, value in facts.items():
            owner = next((form for form in self.forms.all if form.field(name)), self.forms.all[0])
            clean |= check_facts(owner, {name: value})
        return clean


def _known(session: Session, case: CaseRow, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Every source by its dotted name."""
    system = session.scalar(select(SystemRow).where(SystemRow.id == case.system_id))
    agency = _agency(session, case.agency_id)
    known: dict[str, Any] = _case(session, case, now, zone)
    known |= _named("agency", agency, "name", "address", "phone", "email")
    known |= _named("operator", agency, "name")
    known |= _named("contact", _contact(session, case.agency_id), "name", "position", "email")
    contact = _contact(session, case.agency_id)
    known["contact.phone"] = (contact.mobile or contact.phone) if contact else None
    if system is not None:
        known |= _named("owner", _agency(session, system.owner_id), "name")
        known |= _named(
            "system", system, "name", "security_provider", "internet_provider",
            "public_addresses", "domains", "purpose",
        )  # fmt: skip
        known["system.level"] = str(system.level) if system.level else None
    known["asset.operating_system"] = _operating_system(session, case)
    return known


def _case(session: Session, case: CaseRow, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    detected, today = case.detected_at.astimezone(zone), now.astimezone(zone)
    first_report = (
        select(DocumentRow.number)
        .where(DocumentRow.case_id == case.id, DocumentRow.form == FIRST_FORM)
        .order_by(DocumentRow.made_at)
        .limit(1)
    )
    alerts = session.scalar(select(AlertRow.id).where(AlertRow.case_id == case.id).limit(1))
    return {
        "case.summary": case.summary,
        "case.first_report": session.scalar(first_report),
        "case.detected_date": detected.date().isoformat(),
        "case.detected_time": detected.strftime("%H:%M"),
        "case.handled": "handled" if case.status in HANDLED else "not_handled",
        "case.detection_methods": ["intrusion_detection"] if alerts else [],
        "report.date": today.date().isoformat(),
        "report.time": today.strftime("%H:%M"),
    }


def _named(prefix: str, row: Any, *columns: str) -> dict[str, Any]:
    return {} if row is None else {f"{prefix}.{name}": getattr(row, name) for name in columns}


def _agency(session: Session, agency_id: str | None) -> AgencyRow | None:
    return session.scalar(select(AgencyRow).where(AgencyRow.id == agency_id))


def _contact(session: Session, agency_id: str | None) -> ContactRow | None:
    rows = session.scalars(select(ContactRow).where(ContactRow.agency_id == agency_id))
    return min(rows, key=lambda row: (CONTACT_ORDER.get(row.role, 9), row.id), default=None)


def _operating_system(session: Session, case: CaseRow) -> str | None:
    """Of the case's hosts that the register knows, each once; host names differ in case between sources."""
    hosts = select(func.lower(AlertRow.host)).where(
        AlertRow.case_id == case.id, AlertRow.host != ""
    )
    rows = session.scalars(
        select(AssetRow.operating_system)
        .where(
            AssetRow.agency_id == case.agency_id,
            func.lower(AssetRow.name).in_(hosts),
            AssetRow.operating_system != "",
        )
        .distinct()
    )
    return "; ".join(sorted(rows)) or None

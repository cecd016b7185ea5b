"""The dossiers of Mẫu 08 as the register in the database holds them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.records.register import AgencyRow, SystemRow
from soc.report.yearly import SystemDossier


def dossiers(session: Session) -> list[SystemDossier]:
    """Every system that the session's scope may see, in its state of now; agencies by name."""
    name_by_id = {row.id: row.name for row in session.scalars(select(AgencyRow))}
    return [
        SystemDossier(
            id=row.id,
            name=row.name,
            owner=name_by_id.get(row.owner_id, row.owner_id),
            operator=name_by_id.get(row.agency_id or "", row.agency_id or ""),
            level=row.level,
            approval_state=row.approval_state,
            decision=row.decision,
            regulation=row.regulation,
            approval_expected=row.approval_expected,
            plan_state=row.plan_state,
            plan_expected=row.plan_expected,
            checks=tuple(row.checks),
            valid_from=row.valid_from,
            valid_to=row.valid_to,
        )
        for row in session.scalars(select(SystemRow).order_by(SystemRow.id))
    ]

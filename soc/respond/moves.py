"""Which state may follow which, as tables."""

from __future__ import annotations

from types import MappingProxyType

from soc.errors import Conflict
from soc.model.alert import AlertStatus
from soc.model.case import CaseStatus

ALERT_MOVES = MappingProxyType(
    {
        AlertStatus.NEW: (AlertStatus.ACKNOWLEDGED, AlertStatus.CLOSED),
        AlertStatus.ACKNOWLEDGED: (AlertStatus.CLOSED,),
        AlertStatus.CLOSED: (AlertStatus.NEW, AlertStatus.ACKNOWLEDGED),  # reopened
    }
)

CASE_MOVES = MappingProxyType(
    {
        CaseStatus.INTAKE: (CaseStatus.VERIFY, CaseStatus.CONTAIN),
        CaseStatus.VERIFY: (CaseStatus.CONTAIN, CaseStatus.CLOSED),  # closed: no incident after all
        CaseStatus.CONTAIN: (CaseStatus.ERADICATE, CaseStatus.VERIFY),
        CaseStatus.ERADICATE: (CaseStatus.RECOVER, CaseStatus.CONTAIN),
        CaseStatus.RECOVER: (CaseStatus.REVIEW, CaseStatus.ERADICATE, CaseStatus.CONTAIN),
        CaseStatus.REVIEW: (CaseStatus.CLOSED, CaseStatus.RECOVER),
        CaseStatus.CLOSED: (CaseStatus.VERIFY,),  # reopened
    }
)


def check_alert_move(alert_id: str, now: AlertStatus, to: AlertStatus) -> None:
    """Raises Conflict when the alert cannot go there from where it is."""
    if to not in ALERT_MOVES[now]:
        raise Conflict(f"alert {alert_id} is {now} and cannot become {to}")


def check_case_move(case_id: str, now: CaseStatus, to: CaseStatus) -> None:
    """Raises Conflict when the case cannot go there from where it is."""
    if to not in CASE_MOVES[now]:
        allowed = ", ".join(CASE_MOVES[now])
        raise Conflict(f"case {case_id} is in {now} and cannot go to {to}; it may go to: {allowed}")

"""The legal clocks of a case: which reports are owed, to whom, by when.

NĐ 331/2026/NĐ-CP art. 31.2.d knows three: at once (signs of harm to national security or public order, or serious
disruption of the system), 24 hours (first notice of a serious incident) and 72 hours (cause, scope, remedy; every
incident). All run in calendar hours from T0, the moment of detection. The law does not define "serious": people answer
three questions at triage, and **an unanswered question counts as yes**, so that the stricter clock runs until somebody
decides otherwise. "At once" has no number in the law, so it is due at T0 itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from soc.model.case import Obligation

AT_ONCE = "notice_at_once"
FIRST_NOTICE = "notice_24h"
REPORT = "report_72h"
BASIS = "Nghị định 331/2026/NĐ-CP, Điều 31 khoản 2 điểm d"
OWED_TO = "Cơ quan chuyên trách bảo vệ an ninh mạng của Bộ Công an (Công an tỉnh – PA05; A05)"
WITHIN = {AT_ONCE: timedelta(0), FIRST_NOTICE: timedelta(hours=24), REPORT: timedelta(hours=72)}


@dataclass(frozen=True, slots=True)
class Answers:
    """The three questions at triage; None is not yet decided."""

    serious: bool | None = None
    national_security: bool | None = None
    serious_disruption: bool | None = None


def owed_kinds(answers: Answers) -> tuple[str, ...]:
    """The reports that are owed, the most urgent first.

    >>> owed_kinds(Answers())
    ('notice_at_once', 'notice_24h', 'report_72h')
    >>> owed_kinds(Answers(serious=False, national_security=False, serious_disruption=False))
    ('report_72h',)
    """
    at_once = answers.national_security is not False or answers.serious_disruption is not False
    first_notice = answers.serious is not False
    wanted = ((AT_ONCE, at_once), (FIRST_NOTICE, first_notice), (REPORT, True))
    return tuple(kind for kind, owed in wanted if owed)


def obligations(detected_at: datetime, answers: Answers) -> Sequence[Obligation]:
    """What is owed because of an incident detected at ``detected_at`` (T0)."""
    return [
        Obligation(
            kind=kind,
            owed_to=OWED_TO,
            starts_at=detected_at,
            due_at=detected_at + WITHIN[kind],
            basis=BASIS,
        )
        for kind in owed_kinds(answers)
    ]

"""Case (sự cố), its states, its clocks and the reports owed because of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CaseStatus(StrEnum):
    """NĐ 333/2026 art. 9 and TT 20/2017 art. 11, as one line of states."""

    INTAKE = "intake"  # tiếp nhận
    VERIFY = "verify"  # xác minh
    CONTAIN = "contain"  # khoanh vùng, ngăn chặn
    ERADICATE = "eradicate"  # gỡ bỏ
    RECOVER = "recover"  # khôi phục
    REVIEW = "review"  # rút kinh nghiệm
    CLOSED = "closed"


class StepState(StrEnum):
    """A step of a playbook run. ``running`` carries a lease and ``pending`` a time, so that neither lasts for ever."""

    WAITING = "waiting"
    RUNNING = "running"  # a person does it
    PENDING = "pending"  # for a time, other persons, machines or another run; the platform follows
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Obligation:
    """A report owed to somebody by a time; ``kind`` is ``notice_24h``, ``report_72h``, ..."""

    kind: str
    owed_to: str
    starts_at: datetime  # T0, the detection minute
    due_at: datetime
    basis: str  # the article
    done_at: datetime | None = None

    def overdue(self, now: datetime) -> bool:
        return self.done_at is None and now > self.due_at

"""Rows of what people decided about rules."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base


class RuleDecisionRow(Base):
    """Somebody set a rule's state; rows are only added, and the newest of a rule counts."""

    __tablename__ = "rule_decisions"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    rule_id: Mapped[str] = mapped_column(String(40), index=True)
    state: Mapped[str] = mapped_column(String(20))  # active testing off
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    cases: Mapped[int] = mapped_column(default=0)  # that were run and right; 0: untested

"""Periodic reports that are owed: the states of one duty."""

from __future__ import annotations

from enum import StrEnum


class DutyState(StrEnum):
    """Of a periodic report; ``overdue`` is no state but a question of the hour."""

    PLANNED = "planned"
    DRAFTED = "drafted"
    APPROVED = "approved"
    SENT = "sent"

"""Severity, alert states and dispositions."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """Sigma's ``level``."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def weight(self) -> int:
        """0 (informational) to 4 (critical)."""
        return list(Severity).index(self)


class AlertStatus(StrEnum):
    NEW = "new"
    ACKNOWLEDGED = "acknowledged"  # đã nhận, đang xử lý
    CLOSED = "closed"


class Disposition(StrEnum):
    """What an alert turned out to be; a closed alert has one, with a reason."""

    TRUE_POSITIVE = "true_positive"
    FALSE_POSITIVE = "false_positive"  # cảnh báo nhầm
    BENIGN = "benign"  # right, but permitted
    DUPLICATE = "duplicate"
    TEST = "test"

"""Imports every module of rows, so that ``Base.metadata`` is whole."""

from soc.records import (
    accounts,
    agents,
    alerts,
    batches,
    bulletins,
    cases,
    clocks,
    correlations,
    exceptions,
    indicators,
    jobs,
    outbox,
    register,
    reports,
    rules,
    suppressions,
)

__all__ = [
    "accounts",
    "agents",
    "alerts",
    "batches",
    "bulletins",
    "cases",
    "clocks",
    "correlations",
    "exceptions",
    "indicators",
    "jobs",
    "outbox",
    "register",
    "reports",
    "rules",
    "suppressions",
]

"""Severities and facilities of syslog by number (RFC 5424, tables 1 and 2), as the journal uses them too."""

from __future__ import annotations

from soc.model.event import Fields

SEVERITIES = (
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "informational",
    "debug",
)
FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip


def code_fields(severity: int | None, facility: int | None) -> Fields:
    """The ECS fields of the two numbers; numbers out of range give none.

    >>> code_fields(3, None)
    {'log.level': 'error', 'log.syslog.severity.code': 3, 'log.syslog.severity.name': 'error'}
    """
    fields: Fields = {}
    if severity is not None and 0 <= severity < len(SEVERITIES):
        name = SEVERITIES[severity]
        fields |= {
            "log.level": name,
            "log.syslog.severity.code": severity,
            "log.syslog.severity.name": name,
        }
    if facility is not None and 0 <= facility < len(FACILITIES):
        name = FACILITIES[facility]
        fields |= {"log.syslog.facility.code": facility, "log.syslog.facility.name": name}
    return fields

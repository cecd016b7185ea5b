"""PostgreSQL: the server's log as text (stderr, with any usual ``log_line_prefix``), as CSV, or by syslog; pgAudit too.

Connections, sign-ins, refusals and statements are told. A line without a severity goes on with the statement before it,
and is kept as words. What ECS has no name for stays under ``postgresql``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, count, table
from soc.normalise.program_lines import (
    ProgramLine,
    add_program,
    read_program_line,
)
from soc.normalise.sql_words import add_statement
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="postgresql",
    product="PostgreSQL 9.4 and later (stderr, csvlog, syslog; pgAudit)",
    arrives_by="file, syslog",
    reference="PostgreSQL documentation, 'Error Reporting and Logging'; pgAudit, 'Format'",
    namespaces=("postgresql",),
)
SEVERITY = r"(?:DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC|DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION)"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})? (?:[A-Z]{2,5}|[+-]\d\d(?::?\d\d)?)"
LINE = re.compile(
    rf"(?:(?P<time>{TIME})(?=[\s:,\[]))?(?P<prefix>.{{0,400}}?)(?P<severity>{SEVERITY}):  (?P<words>.*)",
    re.DOTALL,
)
CSV_LINE = re.compile(rf'{TIME},(?:"[^"]{{0,128}}")?,(?:"[^"]{{0,128}}")?,\d{{1,10}},')
CLAIM = re.compile(rf"{TIME}[\s:,\[][^\n]{{0,400}}?{SEVERITY}:  ".encode())
CSV_CLAIM = re.compile(CSV_LINE.pattern.encode())
CLAIMS_PROGRAMS = re.compile(r"postgres(?:ql)?(?:@[\w.-]{1,40})?")
COLUMNS = (
    "time", "user", "database", "pid", "from", "session_id", "session_line", "command", "session_start", "vxid", "xid",
    "severity", "code", "message", "detail", "hint", "internal_query", "internal_query_pos", "context", "query",
    "query_pos", "location", "application", "backend", "leader_pid", "query_id",
)  # fmt: skip
PID = re.compile(r"\[(?P<pid>\d{1,10})(?:-\d{1,10})?\]")
ACCOUNT = re.compile(r"(?<![\w@=])(?P<user>[\w.-]{1,63})@(?P<database>[\w.-]{1,63})(?![\w@])")
NAMED = re.compile(r"\b(?P<name>user|db|app|client)=(?P<value>[^,\s]{1,128})")
FROM = re.compile(
    r"(?<![\w.])(?P<host>\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:.]{1,41}|[A-Za-z][\w.-]{0,254}+)"
    r"\((?P<port>\d{1,5})\)"
)
SYSLOG_PART = re.compile(r"\[\d{1,10}(?:-\d{1,6})?\] {1,2}")
SIGN_IN = "authentication database"
FORMS = (
    form(r"connection received: host=(?P<host>\S{1,255})(?: port=(?P<port>\d{1,5}))?", "connection-received",
         "database network", "connection start"),
    form(r"connection authenticated: (?:identity=\"(?P<identity>[^\"]{1,256})\"|user=\"(?P<user>[^\"]{1,128})\") "
         r"method=(?P<method>\S{1,40})", "authenticated", SIGN_IN, "info", "success"),
    form(r"(?:replication )?connection authorized: user=(?P<user>\S{1,128})(?: database=(?P<database>\S{1,128}))?"
         r"(?: application_name=(?P<application>.{1,128}?))?(?: SSL enabled.{0,200})?$", "login", SIGN_IN,
         "start", "success"),
    form(r"disconnection: session time: (?P<session_time>[\d:.]{1,20}) user=(?P<user>\S{1,128}) database="
         r"(?P<database>\S{1,128}) "
         r"host=(?P<host>\S{1,255})(?: port=(?P<port>\d{1,5}))?", "logout", SIGN_IN, "end"),
    form(r"(?P<reason>(?:password|\w[\w -]{1,40}?) authentication failed) for user \"(?P<user>[^\"]{1,128})\"", "login",
         SIGN_IN, "start", "failure"),
    form(r"(?P<reason>(?:no pg_hba\.conf entry|pg_hba\.conf rejects connection) for (?:replication connection "
         r"from )?host) "
         r"\"(?P<host>[^\"]{1,255})\", user \"(?P<user>[^\"]{1,128})\"(?:, database \""
         r"(?P<database>[^\"]{1,128})\")?", "login",
         SIGN_IN, "start denied", "failure"),
    form(r"role \"(?P<user>[^\"]{1,128})\" (?P<reason>does not exist|is not permitted to log in)", "login",
         SIGN_IN, "start",
         "failure"),
    form(r"database \"(?P<database>[^\"]{1,128})\" (?P<reason>does not exist)", "login", SIGN_IN, "start", "failure"),
    form(r"(?P<reason>permission denied|must be (?:owner|superuser|member)).{0,300}", "access-refused",
         "database", "denied",
         "failure"),
    form(r"AUDIT: (?P<class>SESSION|OBJECT),(?P<statement_id>\d{1,10}),\d{1,10},(?P<group>\w{1,20}),"
         r"(?P<command>[^,]{0,60}),"
         r"(?P<object_type>[^,]{0,60}),(?P<object>[^,]{0,256}),(?P<audited>.{0,8000}?)(?:,<(?:none|not logged)>)?$",
         "audit", "database", "info"),
    form(r"(?:duration: (?P<duration>[\d.]{1,16}) ms)(?:  (?:statement|execute [^:]{1,80}|parse [^:]{1,80}|bind "
         r"[^:]{1,80}): "
         r"(?P<query>.{1,8000}))?$", "query", "database", "access"),
    form(r"(?:statement|execute [^:]{1,80}): (?P<query>.{1,8000})", "query", "database", "access"),
    form(r"(?P<reason>syntax error at .{1,200}|(?:relation|column|function) .{1,200}? does not exist.{0,80})",
         "query-failed",
         "database", "error", "failure"),
    form(r"database system is ready", "started", "database", "info"),
    form(r"(?:received \w{1,20} shutdown request|database system is shut down)", "stopped", "database", "info"),
    form(r"received SIGHUP, reloading configuration|parameter \"(?P<parameter>[^\"]{1,80})\" changed to",
         "configuration-changed", "database configuration", "change"),
)  # fmt: skip
LEVELS = {
    "LOG": "informational", "INFO": "informational", "NOTICE": "notice", "WARNING": "warning", "ERROR": "error",
    "FATAL": "critical", "PANIC": "alert",
}  # fmt: skip
NAMES = table(
    {
        "time": "", "user": "", "from": "", "host": "", "port": "", "query": "", "audited": "", "duration": "",
        "message": "", "pid": "", "severity": "", "identity": "user.name", "reason": "event.reason",
        "code": "event.code", "db": "postgresql.database", "app": "postgresql.application", "client": "",
        "query_pos": "", "internal_query_pos": "",
    }
)  # fmt: skip
CLAIMS_FROM = b"12"


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of a file of a PostgreSQL server."""
    if raw[10:11] != b" ":
        return False
    start = raw[:600]
    return CSV_CLAIM.match(start) is not None or CLAIM.match(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: the line is empty.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    if not text.strip():
        raise RecordError(
            "an empty line; a line of PostgreSQL is expected", source=SOURCE.name, raw=record.raw
        )
    fields: Fields = {"event.kind": "event", "event.module": "postgresql"}
    fields["event.dataset"] = "postgresql.log"
    fields["event.category"], fields["event.type"] = ["database"], ["info"]
    if CSV_LINE.match(text):
        line, said = _from_columns(text, record)
    else:
        line, said = _from_text(text, record)
    _say(fields, said)
    add_program(fields, line._replace(program="postgres", pid=said.get("pid") or line.pid), record)
    if level := LEVELS.get(said.get("severity", "")):
        fields["log.level"] = level
    yield Event(
        source=SOURCE.name,
        observed_at=_time(said.get("time", ""), line, record),
        fields=fields,
        raw=record.raw,
    )


def _from_columns(text: str, record: RawRecord) -> tuple[ProgramLine, dict[str, str]]:
    try:
        values = next(csv.reader([text]))
    except (csv.Error, StopIteration):  # a value longer than the module takes
        values = text.split(",")
    said = {name: value for name, value in zip(COLUMNS, values, strict=False) if value}
    host, _, port = said.get("from", "").rpartition(":")
    return read_program_line("", record), said | {"host": host, "port": port}


def _from_text(text: str, record: RawRecord) -> tuple[ProgramLine, dict[str, str]]:
    """A line of stderr or of syslog; what the prefix says is found wherever it stands."""
    line = read_program_line("" if text[:4].isdecimal() and LINE.match(text) else text, record)
    words = line.message if line.program.startswith("postgres") else text
    if part := SYSLOG_PART.match(words):
        words = words[part.end() :]
    parts = LINE.fullmatch(words)
    if parts is None:
        return line, {"message": words}
    prefix = parts["prefix"]
    said = {"message": parts["words"], "severity": parts["severity"], "time": parts["time"] or ""}
    said |= dict(NAMED.findall(prefix))
    if found := PID.search(prefix):
        said["pid"] = found["pid"]
    for pattern in (ACCOUNT, FROM):
        if found := pattern.search(prefix):
            said |= found.groupdict()
    if "client" in said:
        said["host"] = said["client"]
    return line, said


def _say(fields: Fields, said: dict[str, str]) -> None:
    message = said.get("message", "")
    if message:
        fields["message"] = message
    severity = said.get("severity", "")
    if severity:
        fields["postgresql.severity"] = severity
    if severity in ("ERROR", "FATAL", "PANIC"):
        fields["event.type"], fields["event.outcome"] = ["error"], "failure"
    told = say(fields, FORMS, message)
    statement = told.get("query") or told.get("audited", "").strip('"').replace('""', '"')
    if severity == "STATEMENT":
        statement = message
    add_statement(fields, statement or said.get("query", ""), "postgresql")
    if severity in ("ERROR", "FATAL") and said.get("query"):
        fields["event.type"] = ["error"]
    both = said | told
    if user := both.get("user"):
        fields["user.name"] = user
    host = both.get("host", "")
    if (address := ip_address(host)) is not None:
        fields["source.ip"] = address
    elif host not in ("", "[local]"):
        fields["source.domain"] = host
    if (port := port_number(both.get("port", ""))) is not None:
        fields["source.port"] = port
    if duration := told.get("duration"):
        fields["event.duration"] = (count(duration.partition(".")[0]) or 0) * 1_000_000
    add(fields, NAMES, both, "postgresql")


def _time(written: str, line: ProgramLine, record: RawRecord) -> datetime:
    try:
        return from_written(written, record)
    except ValueError:
        return line.observed_at(record)

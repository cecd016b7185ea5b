"""MySQL and MariaDB: error log, general query log and MariaDB's audit plugin (``server_audit``), by file or syslog.

Sign-ins, refusals and statements are told. A line of none of these forms goes on with the statement before it,
and is kept
as words. What ECS has no name for stays under ``mysql``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, table
from soc.normalise.program_lines import (
    ProgramLine,
    add_program,
    read_program_line,
)
from soc.normalise.sql_words import add_statement
from soc.normalise.timestamps import from_epoch_microseconds
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="mysql",
    product="MySQL 5.6 and later, MariaDB 10 and later (error log, general log, server_audit)",
    arrives_by="file, syslog",
    reference="MySQL Reference Manual, 'The Error Log', 'The General Query Log'; MariaDB 'Audit Plugin - Log Format'",
    namespaces=("mysql",),
)
TIME = r"\d{4}-\d\d-\d\d(?:T| {1,2})\d{1,2}:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)?"
OLD_TIME = r"\d{6} {1,2}\d{1,2}:\d\d:\d\d"
LABEL = r"\[(?:Note|Warning|ERROR|System|Error|Info)\]"
ERROR = re.compile(
    rf"(?:(?P<time>{TIME}|{OLD_TIME}) )?(?:(?P<thread>\d{{1,10}}|0x[0-9a-f]{{1,16}}) )?(?P<label>{LABEL}) "
    r"(?:\[(?P<code>MY-\d{6})\] \[(?P<subsystem>[\w-]{1,40})\] )?(?P<words>.*)",
    re.DOTALL,
)
COMMAND = (
    r"(?:Connect|Query|Quit|Init DB|Prepare|Execute|Close stmt|Reset stmt|Field List|Statistics|Ping|Change user|"
    r"Binlog Dump|Register Slave|Refresh|Shutdown|Sleep|Kill|Debug|Fetch|Create DB|Drop DB|Long Data|Set option)"
)
GENERAL = re.compile(
    rf"(?:(?P<time>{TIME}|{OLD_TIME})\t|\t\t)? {{0,8}}(?P<thread>\d{{1,10}}) (?P<command>{COMMAND})(?:\t"
    rf"(?P<words>.*))?",
    re.DOTALL,
)
OPERATION = (
    r"(?:CONNECT|DISCONNECT|FAILED_CONNECT|QUERY|QUERY_DDL|QUERY_DML|QUERY_DML_NO_SELECT|QUERY_DCL|READ|WRITE|CREATE|"
    r"ALTER|RENAME|DROP|PROXY_CONNECT)"
)
AUDIT = re.compile(
    r"(?:(?P<time>\d{8} {1,2}\d{1,2}:\d\d:\d\d|\d{16}),)?(?P<server>[^,]{0,255}),(?P<user>[^,]{0,128}),"
    r"(?P<host>[^,]{0,255}),"
    rf"(?P<thread>\d{{1,19}}),(?P<query_id>\d{{1,19}}),(?P<operation>{OPERATION}),(?P<database>[^,]{{0,128}}),"
    r"(?P<object>'(?:[^'\\]|\\.|'')*+'|[^,]{0,500}),(?P<status>-?\d{1,6})(?:,(?P<rest>.{0,500}))?",
    re.DOTALL,
)
CLAIM = re.compile(
    (
        rf"(?:{TIME}|{OLD_TIME}) (?:(?:\d{{1,10}}|0x[0-9a-f]{{1,16}}) )?{LABEL} |"
        rf"(?:(?:{TIME}|{OLD_TIME})\t|\t\t) {{0,8}}\d{{1,10}} {COMMAND}(?:\t|$)|"
        rf"(?:\d{{8}} {{1,2}}\d{{1,2}}:\d\d:\d\d|"
        rf"\d{{16}}),[^,\n]{{0,255}},[^,\n]{{0,128}},[^,\n]{{0,255}},\d{{1,19}},\d{{1,19}},{OPERATION},"
    ).encode()
)
PROGRAM = r"(?:mysqld?|mariadbd?|mysqld_safe|mysql-server_auditing)"
CLAIMS_PROGRAMS = re.compile(PROGRAM)
ACCOUNT = r"'(?P<user>[^']{0,128})'@'(?P<host>[^']{0,255})'"
SIGN_IN = "authentication database"
FORMS = (
    form(rf"(?P<reason>Access denied) for user {ACCOUNT}(?: to database '(?P<database>[^']{{1,128}})')?"
         r"(?: \(using password: (?P<password>\w{1,5})\))?", "login", SIGN_IN, "start", "failure"),
    form(r"Aborted connection (?P<thread>\d{1,10}) to db: '(?P<database>[^']{0,128})' user: '(?P<user>[^']{0,128})' "
         r"host: '(?P<host>[^']{0,255})' \((?P<reason>.{1,200}?)\)", "connection-aborted", "database network",
         "connection end",
         "failure"),
    form(r"(?P<reason>(?:IP address|Host name) '(?P<host>[^']{1,255})' could not be resolved.{0,100})",
         "host-not-resolved",
         "database network", "info"),
    form(r"(?P<reason>Host '(?P<host>[^']{1,255})' is (?:blocked|not allowed).{0,200})", "login", SIGN_IN,
         "start denied",
         "failure"),
    form(r".{0,200}ready for connections", "started", "database", "info"),
    form(r".{0,200}(?:Shutdown complete|Normal shutdown|Received SHUTDOWN)", "stopped", "database", "info"),
)  # fmt: skip
CONNECT = re.compile(
    r"(?P<refused>Access denied for user ')?(?P<user>[^'@\s]{0,128})'?@'?(?P<host>[^'\s]{0,255})'?(?: on "
    r"(?P<database>\S{1,128}))?"
)
LEVELS = {"Note": "notice", "Warning": "warning", "ERROR": "error", "Error": "error",
"System": "informational"}  # fmt: skip
DOES = {"READ": "access", "WRITE": "change", "CREATE": "creation", "ALTER": "change", "RENAME": "change",
"DROP": "deletion"}  # fmt: skip
NAMES = table(
    {
        "time": "", "words": "", "label": "", "user": "", "host": "", "object": "", "rest": "", "refused": "",
        "server": "host.name", "reason": "event.reason", "code": "event.code",
    }
)  # fmt: skip
CLAIMS_FROM = b"\t0123456789"


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of one of these logs."""
    return CLAIM.match(raw[:900]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: the line is empty.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00\ufeff")
    if not text.strip():
        raise RecordError(
            "an empty line; a line of MySQL is expected", source=SOURCE.name, raw=record.raw
        )
    own = CLAIM.match(record.raw[:900]) is not None
    line = read_program_line("" if own else text, record)
    words = line.message if re.fullmatch(PROGRAM, line.program) else text
    fields: Fields = {"event.kind": "event", "event.module": "mysql"}
    fields["event.category"], fields["event.type"] = ["database"], ["info"]
    said = _say(fields, words)
    add(fields, NAMES, said, "mysql")
    add_program(fields, line._replace(program=line.program or "mysqld"), record)
    if level := LEVELS.get(said.get("label", "").strip("[]")):
        fields["log.level"] = level
    yield Event(
        source=SOURCE.name,
        observed_at=_time(said.get("time", ""), line, record),
        fields=fields,
        raw=record.raw,
    )


def _say(fields: Fields, words: str) -> dict[str, str]:
    if audit := AUDIT.fullmatch(words[:60_000]):
        said = _values(audit)
        _audited(fields, said)
    elif general := GENERAL.fullmatch(words):
        said = _values(general)
        _general(fields, said)
    elif error := ERROR.fullmatch(words):
        said = _values(error)
        fields["event.dataset"] = "mysql.error"
        fields["message"] = said.get("words", words)
        if "ERROR" in said["label"].upper():
            fields["event.type"], fields["event.outcome"] = ["error"], "failure"
        said |= say(fields, FORMS, str(fields["message"]))
    else:
        said = {}
        fields["event.dataset"] = "mysql.log"
        fields["message"] = words.strip() or words
        said |= say(fields, FORMS, str(fields["message"]))
    _who(fields, said)
    return said


def _values(parts: re.Match[str]) -> dict[str, str]:
    return {name: value for name, value in parts.groupdict().items() if value}


def _audited(fields: Fields, said: dict[str, str]) -> None:
    fields["event.dataset"] = "mysql.audit"
    operation, status = said["operation"], said["status"]
    outcome = "success" if status == "0" else "failure"
    if operation in ("CONNECT", "FAILED_CONNECT", "DISCONNECT", "PROXY_CONNECT"):
        fields["event.category"] = ["authentication", "database"]
        ends = operation == "DISCONNECT"
        fields["event.type"] = ["end" if ends else "start"]
        fields["event.action"] = "logout" if ends else "login"
    elif operation.startswith("QUERY"):
        add_statement(fields, said.get("object", "").strip("'").replace("\\'", "'"), "mysql")
    else:
        fields["event.action"] = operation.lower()
        fields["event.type"] = [DOES[operation]]
        if "object" in said:
            fields["mysql.table"] = said["object"]
    fields["event.outcome"] = outcome
    if status != "0":
        fields["error.code"] = status


def _general(fields: Fields, said: dict[str, str]) -> None:
    fields["event.dataset"] = "mysql.general"
    command, words = said["command"], said.get("words", "")
    if command in ("Connect", "Change user"):
        connect = CONNECT.match(words[:800])
        said |= _values(connect) if connect else {}
        fields["event.category"], fields["event.type"] = ["authentication", "database"], ["start"]
        fields["event.action"] = "login"
        fields["event.outcome"] = "failure" if "refused" in said else "success"
    elif command == "Quit":
        fields["event.category"], fields["event.type"] = ["authentication", "database"], ["end"]
        fields["event.action"] = "logout"
    elif command in ("Query", "Prepare", "Execute"):
        add_statement(fields, words, "mysql")
    else:
        fields["event.action"] = command.lower().replace(" ", "-")
    if words:
        fields["message"] = words


def _who(fields: Fields, said: dict[str, str]) -> None:
    if user := said.get("user"):
        fields["user.name"] = user
    host = said.get("host", "")
    if (address := ip_address(host)) is not None:
        fields["source.ip"] = address
    elif host not in ("", "localhost"):
        fields["source.domain"] = host


def _time(written: str, line: ProgramLine, record: RawRecord) -> datetime:
    try:
        if len(written) == 16 and written.isdecimal():
            return from_epoch_microseconds(int(written))
        day, _, clock = written.replace("T", " ").partition(" ")
        if day.isdecimal() and len(day) in (6, 8):
            day = f"{'20' * (len(day) == 6)}{day}"
            day = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        return from_written(f"{day} {clock.strip()}", record)
    except ValueError:
        return line.observed_at(record)

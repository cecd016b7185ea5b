"""The error log of Apache httpd (2.2 and 2.4), by file or syslog.

Denied and unknown clients, failed log-ins of the basic and digest modules, missing files and crashed children are told
apart by Apache's numbers (AH01630) and words; lines of ModSecurity are another reader's. What ECS has no name for stays
under ``apache``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number, split_host_port
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, table
from soc.normalise.program_lines import (
    BEFORE,
    ProgramLine,
    add_program,
    read_program_line,
)
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="apache_error",
    product="Apache httpd, error log (2.2 and 2.4)",
    arrives_by="file, syslog",
    reference="Apache httpd core, 'ErrorLogFormat', 'LogLevel'; docs/log-message-tags",
    namespaces=("apache",),
)
LEVEL = r"(?:emerg|alert|crit|error|warn|notice|info|debug|trace[1-8])"
LINE = re.compile(
    r"(?:\[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,6})? \d{4})\] )?"
    rf"\[(?:(?P<module>[\w.-]{{0,40}}):)?(?P<level>{LEVEL})\] "
    r"(?:\[pid (?P<pid>\d{1,10})(?::tid (?P<tid>\w{1,20}))?\] )?"
    r"(?:\[client (?P<early>[^\]]{1,60})\] )?"
    r"(?:(?P<place>[\w./-]{1,60}\.c\(\d{1,6}\)): )?(?:\((?P<errno>\d{1,10})\)(?P<error>[^:]{1,120}): )?"
    r"(?:\[(?:client|remote) (?P<client>[^\]]{1,60})\] )?(?:(?P<code>AH\d{5}): )?(?P<words>.*)",
    re.DOTALL,
)
CLAIM = re.compile(
    rb"(?:\[[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,6})? \d{4}\] )?"
    rb"\[(?:[\w.-]{0,40}:)?" + LEVEL.encode() + rb"\] "
)
BY_SYSLOG = re.compile(
    BEFORE
    + rb"(?:httpd|apache2|apache)(?:\[\d{1,10}\])?: \[(?:[\w.-]{0,40}:)?"
    + LEVEL.encode()
    + rb"\] "
)
NO_TIME = re.compile(rb"\[" + LEVEL.encode() + rb"\] \[client [0-9A-Fa-f:.]{2,45}\] |\[\w{1,40}:")
OF_MODSECURITY = b"ModSecurity: "
REFERRER = re.compile(r"(.*), referer: (\S{1,4000})", re.DOTALL)
REST = r"(?P<path>.{1,4000})"
FORMS = (
    form(rf"client denied by server configuration: {REST}", "client-denied", "web", "denied error", "failure"),
    form(rf"user (?P<user>.{{1,256}}?): authentication failure for \"{REST}\": Password Mismatch", "login",
         "authentication web", "start", "failure"),
    form(rf"user (?P<user>.{{1,256}}?) not found: {REST}", "login", "authentication web", "start", "failure"),
    form(rf"user (?P<user>.{{1,256}}?) in realm .{{1,256}}? not found: {REST}", "login", "authentication web",
         "start", "failure"),
    form(r"(?:access to (?P<path>.{1,4000}?) failed|Authorization of user (?P<user>.{1,256}?) to access).{0,400}",
         "access-refused", "web", "denied error", "failure"),
    form(rf"File does not exist: {REST}", "file-not-found", "web", "error", "failure"),
    form(r"script '?(?P<path>.{1,2000}?)'? not found or unable to stat", "file-not-found", "web", "error", "failure"),
    form(rf"(?:Symbolic link not allowed or link target not accessible|Directory index forbidden.{{0,80}}?): {REST}",
         "access-refused", "web", "denied error", "failure"),
    form(rf"Cannot serve directory {REST}", "access-refused", "web", "denied error", "failure"),
    form(r"Invalid URI in request (?P<request>.{1,4000})", "invalid-request", "web", "error", "failure"),
    form(r"(?:request failed|Client sent malformed Host header|.{0,80}speaking HTTP to HTTPS port)",
         "invalid-request", "web", "error", "failure"),
    form(r"child pid (?P<child>\d{1,10}) exit signal (?P<signal>.{1,60})", "child-crashed", "process", "end error",
         "failure"),
    form(r".{0,200}(?:resuming normal operations|configured -- )", "started", "process", "info", "success"),
    form(r"caught SIG\w{1,6}, shutting down", "stopped", "process", "end", "success"),
)  # fmt: skip
NAMES = table(
    {
        "user": "user.name", "path": "file.path", "request": "url.original", "code": "event.code",
        "module": "apache.module", "errno": "error.code", "error": "error.message", "signal": "apache.signal",
        "child": "apache.child_pid",
    }
)  # fmt: skip
WORDS = {"emerg": "emergency", "crit": "critical", "warn": "warning", "info": "informational"}
WORSE = frozenset({"emerg", "alert", "crit", "error"})


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of Apache's error log that is not ModSecurity's."""
    if raw[:1] == b"[":
        found = CLAIM.match(raw[:400])
        own = found is not None and (b"20" in found[0] or NO_TIME.match(raw[:400]) is not None)
    else:
        named = raw.find(b"httpd", 0, 120) >= 0 or raw.find(b"apache", 0, 120) >= 0
        own = named and BY_SYSLOG.match(raw[:400]) is not None
    return own and OF_MODSECURITY not in raw[:1_200]


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``[level]``.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    line = read_program_line("" if text.startswith("[") else text, record)
    parts = LINE.fullmatch(line.message if line.program else text)
    if parts is None:
        reason = "no line of Apache's error log: [time] [module:level] is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {
        "event.kind": "event",
        "event.module": "apache",
        "event.dataset": "apache.error",
        "event.category": ["web"],
        "event.type": ["error" if parts["level"] in WORSE else "info"],
        "log.level": WORDS.get(parts["level"], parts["level"]),
    }
    _say(fields, parts)
    client = parts["client"] or parts["early"] or ""
    _add_client(fields, client, with_port=bool(parts["pid"] or parts["code"]))
    add_program(fields, line._replace(pid=parts["pid"] or line.pid), record)
    fields["log.level"] = WORDS.get(parts["level"], parts["level"])
    yield Event(
        source=SOURCE.name,
        observed_at=_time(parts["time"], line, record),
        fields=fields,
        raw=record.raw,
    )


def _say(fields: Fields, parts: re.Match[str]) -> None:
    words = parts["words"]
    if referred := REFERRER.fullmatch(words[:20_000]):
        words, fields["http.request.referrer"] = referred.groups()
    if words:
        fields["message"] = words
    said = {name: value for name, value in parts.groupdict().items() if value and name in NAMES}
    said |= say(fields, FORMS, words)
    add(fields, NAMES, said, "apache")
    if parts["tid"] and parts["tid"].isdecimal():
        fields["process.thread.id"] = min(int(parts["tid"]), 2**63 - 1)


def _add_client(fields: Fields, written: str, *, with_port: bool) -> None:
    """httpd 2.4 writes the port after a colon, behind IPv6 too and without brackets."""
    host, port = split_host_port(written)
    if port is None and with_port and host.count(":") > 1:
        host, _, tail = host.rpartition(":")
        port = port_number(tail)
    if (address := ip_address(host)) is not None:
        fields["source.ip"] = address
    if port is not None:
        fields["source.port"] = port
    if written:
        fields["source.address"] = host


def _time(written: str | None, line: ProgramLine, record: RawRecord) -> datetime:
    try:
        return from_written(written or "", record)
    except ValueError:
        return line.observed_at(record)

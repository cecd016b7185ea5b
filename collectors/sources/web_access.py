"""Access logs of web servers: the common and combined formats of Apache httpd and nginx, with or without a vhost.

A line may stand alone or behind a syslog head.

The request is kept as it was written (``url.original``, with its escapes): rules look for what was sent. A request line
that is no HTTP (a TLS hello on a plain port, a scanner's bytes) is kept too, without method and path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.program_lines import add_host, add_program, read_program_line
from soc.normalise.timestamps import MONTHS
from soc.normalise.web_words import add_path

SOURCE = Source(
    name="web_access",
    product="Web servers: Apache httpd, nginx and what writes their common or combined log format",
    arrives_by="file, syslog",
    reference="Apache httpd mod_log_config, 'Custom Log Formats'; nginx ngx_http_log_module, 'log_format combined'",
)
LINE = re.compile(
    r"(?:(?P<vhost>[\w.-]{1,253}(?::\d{1,5})?) )?(?!- )(?P<client>[0-9A-Fa-f:.]{2,45}|[\w.-]{1,253}) "
    r"(?P<ident>\S{1,100}) "
    r"(?P<user>\"[^\"]{0,256}\"|.{1,256}?) \[(?P<time>[^\]]{20,32})\] \"(?P<request>(?:[^\"\\]|\\.)*)\" "
    r"(?P<status>\d{3}|-) (?P<bytes>\d{1,19}|-)"
    r"(?: \"(?P<referrer>(?:[^\"\\]|\\.)*)\" \"(?P<agent>(?:[^\"\\]|\\.)*)\")?(?P<rest> .*)?",
    re.DOTALL,
)
TIME = re.compile(r"(\d{1,2})/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
HEADED = re.compile(r"<\d{1,3}>|[A-Z][a-z]{2} {1,2}\d{1,2} \d|\d{4}-\d\d-\d\d[T ]\d", re.ASCII)
"""Begins as syslog does: nginx's ``access_log syslog:``, Apache's ``CustomLog "|logger"``, what rsyslog ships."""
REQUEST = re.compile(
    r"(?P<method>[A-Z][A-Z_-]{0,31}) (?P<url>\S.*?)(?: HTTP/(?P<version>\d(?:\.\d)?))?", re.DOTALL
)
CLAIM = re.compile(
    rb"(?:\S{1,260} )?\S{2,253} \S{1,100} .{1,256}? \[\d{1,2}/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] \""
)
OF_SQUID = re.compile(rb" (?:TCP|UDP|NONE)[A-Z_]{0,40}:[A-Z_]{1,40}\s{0,4}$")


def claims(raw: bytes) -> bool:
    """Whether the bytes begin like a line of an access log, and do not end like one of Squid."""
    if raw.find(b'] "', 0, 1_000) < 0 or CLAIM.match(raw[:1_000]) is None:
        return False
    return OF_SQUID.search(raw[-90:]) is None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is no line of these formats, or its time cannot be read.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    program = read_program_line(line, record) if HEADED.match(line) else None
    parts = LINE.fullmatch(program.message if program else line)
    if parts is None:
        reason = (
            'not the common or combined log format: client - user [time] "request" status bytes'
        )
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    try:
        observed_at = _time(parts["time"])
    except ValueError as error:
        raise RecordError(str(error), source=SOURCE.name, raw=record.raw) from error
    fields: Fields = {
        "event.kind": "event",
        "event.category": ["web"],
        "event.type": ["access"],
        "event.module": "web",
        "event.dataset": "web.access",
    }
    _add_client(fields, parts)
    _add_request(fields, parts["request"])
    _add_answer(fields, parts)
    if program is not None:
        add_program(fields, program, record)
    else:
        add_host(fields, "", record)
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _time(written: str) -> datetime:
    parts = TIME.fullmatch(written)
    if parts is None or parts[2] not in MONTHS:
        raise ValueError(f"not a time such as 26/Nov/2026:10:00:00 +0700: {written!r}")
    day, month, year, hour, minute, second, sign, hours, minutes = parts.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    local = datetime(
        int(year),
        MONTHS[month],
        int(day),
        int(hour),
        int(minute),
        int(second),
        tzinfo=timezone(offset),
    )
    try:
        return local.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"a time out of range: {written!r}") from error


def _add_client(fields: Fields, parts: re.Match[str]) -> None:
    address = ip_address(parts["client"])
    if address is not None:
        fields["source.ip"] = address
    fields["source.address"] = parts["client"]
    user = parts["user"].strip('"')
    if user not in ("-", ""):
        fields["user.name"] = user
    if parts["vhost"]:
        host, _, port = parts["vhost"].partition(":")
        fields["url.domain"] = host
        if (number := port_number(port)) is not None:
            fields["url.port"] = number


def _add_request(fields: Fields, written: str) -> None:
    request = REQUEST.fullmatch(written)
    if request is None:
        if written not in ("-", ""):
            fields["url.original"] = written
        return
    fields["http.request.method"] = request["method"]
    fields["url.original"] = request["url"]
    if request["version"]:
        fields["http.version"] = request["version"]
    add_path(fields, request["url"])


def _add_answer(fields: Fields, parts: re.Match[str]) -> None:
    if parts["status"] != "-":
        status = int(parts["status"])
        fields["http.response.status_code"] = status
        fields["event.outcome"] = "success" if status < 400 else "failure"
    if parts["bytes"] != "-":
        fields["http.response.body.bytes"] = min(int(parts["bytes"]), 2**63 - 1)
    if parts["referrer"] not in (None, "-", ""):
        fields["http.request.referrer"] = parts["referrer"]
    if parts["agent"] not in (None, "-", ""):
        fields["user_agent.original"] = parts["agent"]

"""Syslog lines: RFC 5424, RFC 3164, rsyslog's ISO times, or no envelope at all.

A line of sshd, sudo, su, PAM, useradd or cron becomes a ``linux.auth`` event; any other is a ``linux.syslog`` event
with its message. A line without a usable time has the time at which it was collected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.login_messages import read_message
from soc.normalise.syslog_codes import code_fields
from soc.normalise.timestamps import from_iso, from_syslog

SOURCE = Source(
    name="syslog",
    product="Syslog (rsyslog, syslog-ng, busybox and devices)",
    arrives_by="syslog",
    reference="RFC 5424; RFC 3164; rsyslog templates RSYSLOG_FileFormat and RSYSLOG_TraditionalFileFormat",
    namespaces=("syslog",),
)
CLAIMS_LAST = True
PRIORITY = re.compile(r"<(\d{1,3})>")
MODERN = re.compile(
    r"1 (?P<time>\S{1,40}) (?P<host>\S{1,255}) (?P<program>\S{1,48}) (?P<pid>\S{1,128}) (?P<message_id>\S{1,32}) "
    r"(?P<structured>-|(?:\[(?:[^\]\"\\]|\"(?:[^\"\\]|\\.)*\")*\])+)(?: (?P<message>.*))?",
    re.DOTALL,
)
ISO_TIME = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)\s+(?P<rest>.*)",
    re.DOTALL,
)
BSD_TIME = re.compile(
    r"(?P<time>[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,9})?) (?P<rest>.*)", re.DOTALL
)
PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\d ")
HOST_AND_PROGRAM = re.compile(r"[\w.:%-]{1,255} [^\s:\[\]()]{1,64}\[\d{1,10}\]: ")
HOST = re.compile(r"(?P<host>[\w.:%-]{1,255}) (?P<rest>.*)", re.DOTALL)
TAG = re.compile(
    r"(?P<program>[^\s:\[\]()]{1,64})(?:\((?P<module>\w+)\))?(?:\[(?P<pid>\d{1,10})\])?: ?(?P<message>.*)",
    re.DOTALL,
)
STRUCTURED_ELEMENT = re.compile(r"\[([^\s\]=\"]{1,64})((?:[^\]\"\\]|\"(?:[^\"\\]|\\.)*\")*)\]")
STRUCTURED_PAIR = re.compile(r"([^\s=\]\"]{1,64})=\"((?:[^\"\\]|\\.)*)\"")
GREATEST_PRIORITY = 191


def claims(raw: bytes) -> bool:
    """Whether the bytes begin with a syslog envelope."""
    text = raw[:400].decode("utf-8", errors="replace")
    return bool(PRIORITY.match(text) or ISO_TIME.match(text) or BSD_TIME.match(text))


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line. Bytes that are not UTF-8 are shown as replacement characters.

    Raises:
        RecordError: the line is empty.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    if not line:
        raise RecordError("an empty line", source=SOURCE.name, raw=record.raw)
    fields: Fields = {
        "event.kind": "event",
        "event.module": "syslog",
        "event.dataset": "linux.syslog",
    }
    written = PRIORITY.match(line)
    if written is not None and int(written[1]) <= GREATEST_PRIORITY:
        fields["log.syslog.priority"] = int(written[1])
        fields |= code_fields(int(written[1]) % 8, int(written[1]) // 8)
        line = line[written.end() :]
    modern = MODERN.fullmatch(line) if written is not None else None
    observed_at = _modern(modern, fields, record) if modern else _traditional(line, fields, record)
    fields.setdefault("host.name", record.host)
    _add_said(fields)
    kept = {name: value for name, value in fields.items() if value != ""}
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=kept, raw=record.raw)


def _fallback(record: RawRecord) -> datetime:
    return record.collected_at or record.received_at


def _modern(parts: re.Match[str], fields: Fields, record: RawRecord) -> datetime:
    """RFC 5424; "-" says that a part is not known."""
    known = {name: value for name, value in parts.groupdict().items() if value not in (None, "-")}
    fields["log.syslog.version"] = "1"
    _add_host(fields, known.get("host", ""))
    _add_program(fields, known.get("program", ""), known.get("pid", ""))
    if "message_id" in known:
        fields["log.syslog.msgid"] = known["message_id"]
    for name, pairs in STRUCTURED_ELEMENT.findall(known.get("structured", "")):
        for key, value in STRUCTURED_PAIR.findall(pairs):
            fields[f"syslog.structured_data.{name}.{key}"] = re.sub(r"\\([\\\"\]])", r"\1", value)
    fields["message"] = known.get("message", "").removeprefix("\ufeff")
    try:
        return from_iso(known.get("time", ""), record.zone)
    except ValueError:
        return _fallback(record)


def _traditional(line: str, fields: Fields, record: RawRecord) -> datetime:
    """RFC 3164 with its own or an ISO time; a line without either is all message.

    Programs write ``2026-11-20 08:00:00 words`` into files of their own: there a host is
    believed only before a program with its number.
    """
    observed_at, rest = _split_time(line, record)
    if PLAIN_TIME.match(line) and not HOST_AND_PROGRAM.match(rest):
        fields["message"] = rest
        return observed_at or _fallback(record)
    if observed_at is not None:
        host = HOST.match(rest)
        if host is not None and TAG.match(rest) is None:
            _add_host(fields, host["host"])
            rest = host["rest"]
    tag = TAG.match(rest) if observed_at is not None or "log.syslog.priority" in fields else None
    if tag is not None:
        _add_program(fields, tag["program"], tag["pid"] or "")
        rest = tag["message"]
        if tag["module"] == "pam_unix":  # Linux-PAM before 0.99 wrote its name into the tag
            rest = f"pam_unix({tag['program']}:{_pam_kind(rest)}): {rest}"
    fields["message"] = rest
    return observed_at or _fallback(record)


def _pam_kind(message: str) -> str:
    return "session" if message.startswith("session ") else "auth"


def _split_time(line: str, record: RawRecord) -> tuple[datetime | None, str]:
    try:
        if iso := ISO_TIME.match(line):
            return from_iso(iso["time"], record.zone), iso["rest"]
        if bsd := BSD_TIME.match(line):
            return from_syslog(bsd["time"], record.received_at, record.zone), bsd["rest"]
    except ValueError:
        return None, line
    return None, line


def _add_host(fields: Fields, host: str) -> None:
    if not host:
        return
    fields["log.syslog.hostname"] = host
    fields["host.name"] = host
    address = ip_address(host)
    if address is not None:
        fields["host.ip"] = [address]


def _add_program(fields: Fields, program: str, pid: str) -> None:
    name = program.rpartition("/")[2]
    if name:
        fields["log.syslog.appname"] = program
        fields["process.name"] = name
    if pid:
        fields["log.syslog.procid"] = pid
        if pid.isascii() and pid.isdecimal() and len(pid) < 11:
            fields["process.pid"] = int(pid)


def _add_said(fields: Fields) -> None:
    said = read_message(str(fields.get("process.name", "")), str(fields.get("message", "")))
    if said:
        fields |= {"event.dataset": "linux.auth", "host.os.type": "linux"} | said

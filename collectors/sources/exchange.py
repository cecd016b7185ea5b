"""Microsoft Exchange Server: message tracking logs and SMTP protocol logs, comma-separated below ``#Fields:``.

Without that line the columns of Exchange 2013 and later are known by their number. Times are UTC. What ECS has no name
for stays under ``exchange`` with its own name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, split_host_port
from soc.normalise.network_words import add, add_sign_in, add_user, count, table
from soc.normalise.program_lines import add_program, read_program_line
from soc.normalise.timestamps import from_iso
from soc.normalise.w3c_extended import Layout, taken_apart

SOURCE = Source(
    name="exchange",
    product="Microsoft Exchange Server (message tracking, SMTP protocol logs)",
    arrives_by="file",
    reference="Microsoft Learn: 'Message tracking' (fields, event types), 'Protocol logging in Exchange Server'",
    namespaces=("exchange",),
)
TRACKING = (
    "date-time", "client-ip", "client-hostname", "server-ip", "server-hostname", "source-context", "connector-id",
    "source", "event-id", "internal-message-id", "message-id", "network-message-id", "recipient-address",
    "recipient-status", "total-bytes", "recipient-count", "related-recipient-address", "reference", "message-subject",
    "sender-address", "return-path", "message-info", "directionality", "tenant-id", "original-client-ip",
    "original-server-ip", "custom-data", "transport-traffic-type", "log-id", "schema-version",
)  # fmt: skip
PROTOCOL = (
    "date-time", "connector-id", "session-id", "sequence-number", "local-endpoint", "remote-endpoint", "event", "data",
    "context",
)  # fmt: skip
SOURCES = (
    rb"(?:ADMIN|AGENT|APPROVAL|BOOTLOADER|DNS|DSN|GATEWAY|MAILBOXRULE|MEETINGMESSAGEPROCESSOR|ORAR|PICKUP|POISONMESSAGE|"
    rb"PUBLICFOLDER|QUEUE|REDUNDANCY|RESOLVER|ROUTING|SAFETYNET|SMTP|STOREDRIVER|AGGREGATION)"
)
STAMP = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z,"
CLAIM = re.compile(
    rb"\xef?\xbb?\xbf?(?:#Software: Microsoft Exchange|#Fields: date-time,(?:client-ip|connector-id),|"
    + STAMP + rb"(?:[^\n]{0,1500}?," + SOURCES + rb",[A-Z]{3,30},|[^,\n]{1,200},[0-9A-F]{16},\d{1,9},))"
)  # fmt: skip
TIMED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z,")
FAILED = frozenset({"FAIL", "BADMAIL", "DEFER", "POISONMESSAGE", "HADISCARD", "DROP", "SUBMITFAIL"})
DONE = frozenset(
    {"DELIVER", "SEND", "SENDEXTERNAL", "RECEIVE", "SUBMIT", "TRANSFER", "DUPLICATEDELIVER"}
)
DIRECTION = {"Incoming": "inbound", "Originating": "outbound"}
REFUSED = re.compile(
    r"Inbound authentication failed with error (\w{1,40}) for User(?:/Machine)?:? ?(\S{1,256})"
)
EVENTS = {"+": "connect", "-": "disconnect", ">": "send", "<": "receive", "*": "information"}
NAMES = table(
    {
        "date-time": "", "event-id": "", "recipient-address": "", "sender-address": "", "original-client-ip": "",
        "client-ip": "", "event": "", "local-endpoint": "", "remote-endpoint": "", "total-bytes": "",
        "client-hostname": "source.domain", "server-ip": "destination.ip", "server-hostname": "destination.domain",
        "message-id": "email.message_id", "internal-message-id": "email.local_id", "message-subject": "email.subject",
        "data": "message", "connector-id": "exchange.connector", "log-id": "", "schema-version": "", "tenant-id": "",
    }
)  # fmt: skip
CLAIMS_FROM = b"#0123456789\xef"


def claims(raw: bytes) -> bool:
    """Whether the bytes have Exchange's columns, or look like a line of them."""
    return CLAIM.match(raw[:2_500]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield an event for each line of the record.

    Raises:
        RecordError: it has neither ``#Fields:`` nor a line that begins with a time.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    taken = taken_apart(text)
    if not text.startswith("#") and TIMED.match(text) is None:
        reason = "no line of Exchange: #Fields: or a line that begins with a time is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    for line in taken.lines or [text]:
        values = _values(line) if taken.lines else []
        said = _named(values, taken.names)
        fields: Fields = {"event.kind": "event", "event.module": "exchange"}
        fields["event.category"], fields["event.type"] = ["email"], ["info"]
        if "event-id" in said:
            _tracked(fields, said)
        elif "session-id" in said:
            _spoken(fields, said)
        else:
            fields |= {"event.dataset": "exchange.log", "message": line}
        add_program(fields, read_program_line("", record), record)
        yield Event(
            source=SOURCE.name,
            observed_at=_time(values, record),
            fields=fields,
            raw=record.raw,
        )


def _values(line: str) -> list[str]:
    if '"' not in line:
        return line.rstrip("\r").split(",")
    try:
        return next(csv.reader([line.rstrip("\r")]))
    except (csv.Error, StopIteration):  # a value longer than the module takes
        return line.split(",")


def _named(values: list[str], names: Layout) -> dict[str, str]:
    layout = names
    if not layout:
        layout = PROTOCOL if 6 < len(values) <= len(PROTOCOL) else TRACKING
        if layout is TRACKING and len(values) < 25:
            return {}
    return {name: value for name, value in zip(layout, values, strict=False) if value}


def _time(values: list[str], record: RawRecord) -> datetime:
    try:
        return from_iso(values[0] if values else "")
    except ValueError:
        return record.collected_at or record.received_at


def _tracked(fields: Fields, said: dict[str, str]) -> None:
    fields["event.dataset"] = "exchange.tracking"
    event = said["event-id"]
    fields["event.action"] = event.lower()
    if event in FAILED or event in DONE:
        fields["event.outcome"] = "failure" if event in FAILED else "success"
    client = ip_address(said.get("original-client-ip", "")) or ip_address(said.get("client-ip", ""))
    if client is not None:
        fields["source.ip"] = client
    if sender := said.get("sender-address"):
        fields["email.from.address"] = sender
    recipients = [one for one in said.get("recipient-address", "").split(";") if one]
    if recipients:
        fields["email.to.address"] = recipients[:200]
    if (size := count(said.get("total-bytes", ""))) is not None:
        fields["exchange.total_bytes"] = size
    if way := DIRECTION.get(said.get("directionality", "")):
        fields["email.direction"] = way
    add(fields, NAMES, said, "exchange")


def _spoken(fields: Fields, said: dict[str, str]) -> None:
    """A line of the SMTP conversation; the far end of a receive connector is the client."""
    fields["event.dataset"] = "exchange.smtp"
    fields["event.category"] = ["email", "network"]
    fields["event.action"] = EVENTS.get(said.get("event", ""), "information")
    fields["network.protocol"] = "smtp"
    for name, end in (("remote-endpoint", "source"), ("local-endpoint", "destination")):
        host, port = split_host_port(said.get(name, ""))
        if (address := ip_address(host)) is not None:
            fields[f"{end}.ip"] = address
        if port is not None:
            fields[f"{end}.port"] = port
    add(fields, NAMES, said, "exchange")
    if refused := REFUSED.match(said.get("context", "")):
        add_sign_in(fields, "login", success=False)
        fields["event.reason"] = refused[1]
        add_user(fields, refused[2])

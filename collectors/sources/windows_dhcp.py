"""Microsoft DHCP Server: the audit logs ``DhcpSrvLog-*.log`` and ``DhcpV6SrvLog-*.log``, comma-separated.

The date is month/day/year, in the server's zone. The number of an event says what happened. What ECS has no name for
stays under ``dhcp``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from types import MappingProxyType

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.dhcp_words import add_lease
from soc.normalise.network_words import add, add_user, table
from soc.normalise.program_lines import add_program, read_program_line
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="windows_dhcp",
    product="Microsoft DHCP Server, audit log (IPv4 and IPv6)",
    arrives_by="file",
    reference="Microsoft Learn 'Analyze DHCP Server Log Files': fields and event codes",
    namespaces=("dhcp",),
)
CLAIM = re.compile(rb"\d{2,5},\d\d/\d\d/\d\d(?:\d\d)?,\d\d:\d\d:\d\d,[^,]{1,120},")
NAMES_OF_COLUMNS = (
    b"ID,Date,Time,Description,IP Address,Host Name,",
    b"ID,Date,Time,Description,IPv6 Address,Host Name,",
)
HEADER = re.compile(r"ID,Date,Time,Description,IP(?:v6)? Address,Host Name,")
PLACES = (
    "id", "date", "time", "description", "address", "name", "mac", "user", "transaction", "quarantine_result",
    "probation", "correlation", "dhcid", "vendor_class_hex", "vendor_class", "user_class_hex", "user_class",
    "relay_agent", "dns_error",
)  # fmt: skip
PLACES_V6 = (
    "id", "date", "time", "description", "address", "name", "error", "duid_length", "mac", "user", "dhcid", "prefix",
)  # fmt: skip
CODES = MappingProxyType(
    {
        0: "server-started", 1: "server-stopped", 2: "log-paused", 10: "ack", 11: "ack", 12: "release",
        13: "address-in-use", 14: "no-address", 15: "denied", 16: "deleted", 17: "expired", 18: "expired", 20: "ack",
        21: "ack", 22: "no-address", 23: "deleted", 24: "cleanup-begun", 25: "cleanup-done", 30: "dns-update",
        31: "dns-update-failed", 32: "dns-update-done", 33: "dropped", 34: "dns-update-failed", 35: "dns-update-failed",
        36: "dropped", 11000: "solicit", 11001: "offer", 11002: "request", 11003: "confirm", 11004: "renew",
        11005: "rebind", 11006: "decline", 11007: "release", 11008: "inform", 11009: "no-address",
        11010: "server-started", 11011: "server-stopped", 11012: "log-paused", 11014: "address-in-use",
        11015: "address-in-use", 11016: "deleted", 11017: "dns-update-failed", 11018: "expired", 11019: "expired",
    }
)  # fmt: skip
NAMES = table(
    {
        "id": "", "date": "", "time": "", "address": "", "name": "", "mac": "", "user": "", "duid_length": "",
        "description": "message", "vendor_class_hex": "", "user_class_hex": "", "quarantine_result": "",
    }
)  # fmt: skip
CLAIMS_FROM = b"I0123456789"


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of the audit log."""
    if raw[:1] == b"I":
        return raw.startswith(NAMES_OF_COLUMNS)
    return CLAIM.match(raw[:200]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it does not begin with a number, a date and a time.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    fields: Fields = {"event.kind": "event", "event.module": "windows_dhcp"}
    fields["event.dataset"] = "windows_dhcp.audit"
    fields["event.category"], fields["event.type"] = ["network"], ["info"]
    observed_at = record.collected_at or record.received_at
    values = _values(text)
    if CLAIM.match(text.encode()[:200]) is not None:
        said = _said(values)
        _event(fields, said)
        try:
            observed_at = from_written(f"{said['date']} {said['time']}", record, us=True)
        except ValueError:
            fields["event.reason"] = "its time could not be read"
    elif HEADER.match(text) or "DHCP Service Activity Log" in text[:200]:
        fields["message"] = text
    else:
        reason = "no line of the DHCP audit log: number,date,time,description, is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    add_program(fields, read_program_line("", record), record)
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _values(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text]))
    except (csv.Error, StopIteration):  # a value longer than the module takes
        return text.split(",")


def _said(values: list[str]) -> dict[str, str]:
    places = PLACES_V6 if len(values[0]) == 5 else PLACES
    return {
        name: value.strip()
        for name, value in zip(places, values, strict=False)
        if value.strip() not in ("", "-")
    }


def _event(fields: Fields, said: dict[str, str]) -> None:
    number = int(said["id"])
    action = CODES.get(number, "")
    fields["event.code"] = said["id"]
    name, mac = said.get("name", ""), said.get("mac", "").removeprefix("0x")
    if action and (said.get("address") or mac):
        add_lease(fields, action, address=said.get("address", ""), mac=mac, name=name)
    elif action:
        fields["event.action"] = action
    if action == "dns-update-failed":
        fields["event.outcome"] = "failure"
    if 50 <= number < 100:  # is the server authorised in the directory?
        fields["event.action"] = "authorisation"
    add_user(fields, said.get("user", ""))
    add(fields, NAMES, said, "dhcp")

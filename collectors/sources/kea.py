"""ISC Kea: DHCP and DHCPv6 servers, the control agent and the DDNS server, by file or syslog; the forensic log too.

A line has the number of its message (``DHCP4_LEASE_ALLOC``), which is ``event.code``; the leases' are read further.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.dhcp_words import add_lease
from soc.normalise.program_lines import (
    ProgramLine,
    add_program,
    read_program_line,
)
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="kea",
    product="ISC Kea (DHCP, DHCPv6, DDNS, control agent; forensic log)",
    arrives_by="file, syslog",
    reference="Kea Administrator Reference Manual, 'Logging'; Kea Messages Manual; 'legal_log: Forensic Logging'",
    namespaces=("dhcp",),
)
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?"
LEVEL = r"(?:DEBUG|INFO|WARN|ERROR|FATAL)"
LINE = re.compile(
    rf"(?:(?P<time>{TIME}) )?(?P<level>{LEVEL}) {{1,2}}\[(?P<logger>kea-[\w.-]{{1,60}}?|[\w.-]{{1,60}}?)"
    r"(?:/(?P<pid>\d{1,10})(?:\.\d{1,20})?|\.\d{6,20})?\] (?P<code>[A-Z][A-Z0-9_]{3,80})(?: (?P<words>.*))?",
    re.DOTALL,
)
FORENSIC = re.compile(
    rf"(?P<time>{TIME})(?: [A-Z+0-9-]{{1,6}})? (?:Address|Prefix): ?(?P<address>[0-9A-Fa-f:.]{{2,45}})"
    rf"(?:/\d{{1,3}})? has been "
    r"(?P<step>assigned|renewed|released)(?: for (?P<duration>.{1,60}?))? (?:to|from) a device with "
    r"(?P<words>.*)",
    re.DOTALL,
)
CLAIM = re.compile(
    rf"{TIME}(?: {LEVEL} {{1,2}}\[kea-|(?: [A-Z+0-9-]{{1,6}})? (?:Address|Prefix): ?[0-9A-Fa-f:./]{{2,50}} has "
    rf"been )".encode()
)
CLAIMS_PROGRAMS = re.compile(
    r"(?:/\S{1,100}/)?kea-(?:dhcp[46]|dhcp-ddns|ctrl-agent|d2|netconf|legal)"
)
MAC = re.compile(r"hwtype=\d{1,3} (?P<mac>[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){1,19})")
DUID = re.compile(r"duid=\[(?P<duid>[0-9A-Fa-f:]{2,400})\]|DUID:? (?P<other>[0-9A-Fa-f:]{2,400})")
ADDRESS = re.compile(
    r"(?:lease(?: for address)?|address|addr|Prefix) (?P<address>\d{1,3}"
    r"(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{2,42})(?=[\s,./]|$)"
)
NAME = re.compile(r"(?:hostname|FQDN)[ =:]{1,2}'?(?P<name>[\w.-]{1,255})")
ACTIONS = (
    ("DECLINE", "decline"), ("NAK", "nak"), ("ALLOC_FAIL", "no-address"), ("NO_LEASE", "no-address"),
    ("LEASE_ALLOC", "ack"), ("LEASE_ADVERT", "offer"), ("LEASE_OFFER", "offer"), ("LEASE_RENEW", "ack"),
    ("LEASE_REUSE", "ack"), ("RELEASE", "release"), ("EXPIRED", "expired"), ("DISCOVER", "discover"),
    ("PACKET_DROP", "dropped"), ("SUBNET_SELECTION_FAILED", "denied"),
)  # fmt: skip
STEPS = {"assigned": "ack", "renewed": "ack", "released": "release"}
WORDS = {"WARN": "warning", "FATAL": "critical"}
CLAIMS_FROM = b"0123456789"


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of one of Kea's files."""
    return raw[10:11] == b" " and CLAIM.match(raw[:300]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is neither of a program of Kea nor has level and logger.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    plain = text[:1].isdecimal() and (LINE.fullmatch(text) or FORENSIC.fullmatch(text))
    line = read_program_line("" if plain else text, record)
    parts = plain or LINE.fullmatch(line.message)
    if not parts and not line.program.startswith("kea-"):
        reason = "no line of Kea: kea-dhcp4[1]: or time, level and [kea- are expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {"event.kind": "event", "event.module": "kea"}
    fields["event.dataset"] = "kea.log"
    fields["event.category"], fields["event.type"] = ["network"], ["info"]
    if parts:
        line = _said(fields, parts.groupdict(), line)
    elif line.message:
        fields["message"] = line.message
    add_program(fields, line, record)
    if parts and (level := parts.groupdict().get("level")):
        fields["log.level"] = WORDS.get(level, level.lower())
    yield Event(
        source=SOURCE.name,
        observed_at=_time(parts.groupdict().get("time") if parts else "", line, record),
        fields=fields,
        raw=record.raw,
    )


def _said(fields: Fields, said: dict[str, str], line: ProgramLine) -> ProgramLine:
    words = said["words"] or ""
    if words:
        fields["message"] = words
    address = said.get("address") or _found(ADDRESS, words, "address")
    mac = _found(MAC, words, "mac") or _found(DUID, words, "duid") or _found(DUID, words, "other")
    name = _found(NAME, words, "name")
    if "step" in said:
        fields["event.dataset"] = "kea.forensic"
        add_lease(fields, STEPS[said["step"]], address=address, mac=mac, name=name)
        return line
    code = said["code"]
    fields["event.code"] = code
    fields["dhcp.logger"] = said["logger"]
    action = next((does for part, does in ACTIONS if part in code), "")
    if action and code.startswith(("DHCP", "ALLOC", "DHCPSRV")):
        add_lease(fields, action, address=address, mac=mac, name=name)
    else:
        fields["event.action"] = code.lower().replace("_", "-")
    program = line.program or said["logger"].partition(".")[0]
    return line._replace(program=program, pid=said["pid"] or line.pid)


def _found(pattern: re.Pattern[str], words: str, group: str) -> str:
    found = pattern.search(words[:2_000])
    return (found[group] or "") if found else ""


def _time(written: str | None, line: ProgramLine, record: RawRecord) -> datetime:
    try:
        return from_written(written or "", record)
    except ValueError:
        return line.observed_at(record)

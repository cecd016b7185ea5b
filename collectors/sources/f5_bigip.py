"""F5 BIG-IP: requests that the web firewall (ASM, Advanced WAF) logs as ``name="value",``, and the system's log.

A request's time is ``date_time``, local to the device. Of the system's messages (``mcpd[5480]: 01070727:5: ...``) the
audit, sign-ins and the state of pool members are read. What ECS has no name for stays under ``f5``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.device_head import Head, add_head, from_date_and_time, read_head, when
from soc.normalise.network_words import add, add_change, add_sign_in, add_user, table
from soc.normalise.pairs import quoted_pairs
from soc.normalise.syslog_codes import code_fields

SOURCE = Source(
    name="f5_bigip",
    product="F5 BIG-IP (ASM and LTM)",
    arrives_by="syslog",
    reference="F5 External Monitoring of BIG-IP Systems, 'Event Messages and Attack Types'; BIG-IP 'Log Messages'",
    namespaces=("f5",),
)
ASM = re.compile(r'(?:ASM:)?\bunit_hostname="')
LTM = re.compile(
    r"(?:\b(\w{3,9}) )?\b([a-z][\w.-]{1,30})(?:\[(\d{1,8})\])?: ([0-9a-f]{8}):([0-7]): "
)
CLAIM = re.compile(rb": [0-9a-f]{8}:[0-7]: ")
NAMES = table(
    {
        "unit_hostname": "observer.name", "date_time": "", "request": "", "response": "", "username": "",
        "severity": "", "management_ip_address": "", "ip_client": "source.ip", "src_port": "source.port",
        "dest_ip": "destination.ip", "dest_port": "destination.port", "method": "http.request.method",
        "response_code": "http.response.status_code", "uri": "url.path", "query_string": "url.query",
        "protocol": "url.scheme", "policy_name": "rule.ruleset", "violations": "rule.name", "sig_ids": "rule.id",
        "sig_names": "rule.description", "attack_type": "rule.category", "request_status": "event.action",
        "support_id": "event.id", "geo_location": "source.geo.country_iso_code", "vs_name": "f5.asm.virtual_server",
        "x_forwarded_for_header_value": "network.forwarded_ip", "session_id": "f5.asm.session_id",
        "is_truncated": "",
    }
)  # fmt: skip
SEVERITY = MappingProxyType(
    {
        "emergency": 1,
        "alert": 1,
        "critical": 1,
        "error": 2,
        "warning": 3,
        "notice": 4,
        "informational": 5,
    }
)
HEADER = MappingProxyType(
    {"host": "url.domain", "user-agent": "user_agent.original", "referer": "http.request.referrer"}
)
MOST_HEADERS = 40
AUDIT = re.compile(
    r"AUDIT - (?:client [^,]{1,40}, )?(?:[\w-]{1,40}, )?user ([^\s,]{1,128}) - (.{0,1000})"
)
SIGNED = re.compile(r"\bhost=(\S{2,45}).{0,80}?\b(?:failed to login|attempts=\d)")
MEMBER = re.compile(
    r"Pool (\S{1,200}) member (\S{1,200}) (?:monitor|session) status (\w[\w ]{1,30}?)(?=[.\[]|$)"
)


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a request of the web firewall, or a message of the system."""
    start = raw[:300]
    return b'unit_hostname="' in start or CLAIM.search(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has neither ``unit_hostname=`` nor a message number such as ``01070727:5:``.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    request = ASM.search(line[:600])
    mark = request or LTM.search(line[:600])
    if mark is None:
        reason = "no BIG-IP line: unit_hostname= or a message number is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start())
    fields: Fields = {
        "event.kind": "event",
        "event.module": "f5_bigip",
        "event.dataset": "f5_bigip.asm" if request else "f5_bigip.ltm",
        "observer.vendor": "F5",
        "observer.product": "BIG-IP",
        "observer.type": "waf" if request else "load_balancer",
    }
    if request:
        said = quoted_pairs(line, mark.start())
        _request(fields, said)
        observed_at = _time(said, head, record)
    else:
        _message(fields, mark, line[mark.end() : mark.end() + 4_000])
        observed_at = when(head, record)
    if isinstance(name := fields.get("observer.name"), str):
        fields["host.name"] = name
    add_head(fields, head, record)
    if not request:
        fields.update(code_fields(int(mark[5]), None))
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _time(said: Mapping[str, str], head: Head, record: RawRecord) -> datetime:
    try:
        return from_date_and_time(said.get("date_time", ""), record.zone)
    except ValueError:
        return when(head, record)


def _request(fields: Fields, said: Mapping[str, str]) -> None:
    address = ip_address(said.get("management_ip_address", ""))
    if address is not None:
        fields["observer.ip"] = [address]
    add(fields, NAMES, said, "f5.asm")
    if fields.get("http.response.status_code") == 0:  # blocked before there was an answer
        del fields["http.response.status_code"]
    add_user(fields, said.get("username", ""))
    _headers(fields, said.get("request", ""))
    status = said.get("request_status", "").lower()
    blocked = status == "blocked"
    fields["event.category"] = ["web", "network"]
    fields["event.type"] = ["access", "denied" if blocked else "allowed"]
    fields["event.outcome"] = "failure" if blocked else "success"
    if blocked or status == "alerted" or "rule.name" in fields:
        fields["event.kind"] = "alert"
        fields["event.category"] = ["intrusion_detection", "web", "network"]
    severity = said.get("severity", "").lower()
    if severity in SEVERITY:
        fields["event.severity"] = SEVERITY[severity]


def _headers(fields: Fields, request: str) -> None:
    r"""Some headers of the request, whose line ends are written ``\r\n``."""
    if not request:
        return
    lines = request[:8_000].replace("\\r\\n", "\n").splitlines()
    for line in lines[1:MOST_HEADERS]:
        name, _, value = line.partition(": ")
        ours = HEADER.get(name.lower())
        if ours is not None and value.strip():
            fields.setdefault(ours, value.strip()[:2_000])


def _message(fields: Fields, mark: re.Match[str], words: str) -> None:
    fields["process.name"] = mark[2]
    if mark[3]:
        fields["process.pid"] = int(mark[3])
    fields["event.code"] = mark[4]
    if words:
        fields["message"] = words
    fields["event.category"], fields["event.type"] = ["host"], ["info"]
    if audit := AUDIT.search(words):
        add_user(fields, audit[1])
        if signed := SIGNED.search(audit[2]):
            add_sign_in(fields, "login", success="failed to login" not in audit[2])
            if (address := ip_address(signed[1])) is not None:
                fields["source.ip"] = address
        else:
            add_change(
                fields,
                "command-executed",
                success="Command OK" in audit[2] or "status=" not in audit[2].lower(),
            )
            fields["process.command_line"] = audit[2]
    elif member := MEMBER.search(words):
        fields["event.action"] = f"member-{member[3].strip().replace(' ', '-')}"
        fields["f5.ltm.pool"], fields["f5.ltm.member"] = member[1], member[2]
        fields["event.category"] = ["network"]

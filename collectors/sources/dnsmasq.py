"""dnsmasq: questions and answers, leases and TFTP, by syslog or file.

With ``log-queries=extra`` a line begins with a number and the one who asked. What ECS has no name for stays under
``dnsmasq`` and ``dhcp``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.dhcp_words import add_lease
from soc.normalise.dns_words import add_dns, add_question, add_response
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, specified_address, table
from soc.normalise.program_lines import add_program, read_program_line

SOURCE = Source(
    name="dnsmasq",
    product="dnsmasq (DNS, DHCP, TFTP), Pi-hole",
    arrives_by="syslog, file",
    reference="dnsmasq(8): log-queries, log-dhcp; the texts of log_query() and log_packet()",
    namespaces=("dnsmasq", "dhcp"),
)
CLAIMS_PROGRAMS = re.compile(r"(?:/\S{1,100}/)?dnsmasq(?:-dhcp|-tftp|-script)?")
BEFORE = r"(?:(?P<serial>\d{1,10}) (?P<asker>[0-9A-Fa-f:.]{2,45})/(?P<port>\d{1,5}) )?"
NAME = r"(?P<name>\S{1,1100})"
TAIL = r"(?P<address>[0-9A-Fa-f:.]{2,45})"
FORMS = (
    form(rf"{BEFORE}(?:query|auth)\[(?P<type>[\w=]{{1,20}})\] {NAME} from {TAIL}", "query"),
    form(rf"{BEFORE}(?:forwarded|dnssec-query\[\S{{1,20}}\]) {NAME} to (?P<server>[0-9A-Fa-f:.]{{2,45}})", "forwarded"),
    form(rf"{BEFORE}(?:gravity|exactly|regex)? ?(?:blocked|denied) {NAME} is (?P<answer>.{{1,500}})", "blocked",
         outcome="failure"),
    form(rf"{BEFORE}(?:validation|validated) {NAME} is (?P<answer>BOGUS)", "validation-failed", outcome="failure"),
    form(rf"{BEFORE}"
         rf"(?P<origin>reply|cached|cached-stale|config|DHCP|/\S{{1,200}}|validation|blocked|special-domain) {NAME} "
         r"is (?P<answer>.{1,500})", "reply"),
    form(rf"{BEFORE}(?P<origin>reply|config) error is (?P<code>[A-Z]{{1,20}})", "reply-error", outcome="failure"),
    form(rf"possible DNS-rebind attack detected: {NAME}", "rebind-attack", outcome="failure"),
    form(r"(?:\d{1,12} )?DHCP(?P<step>[A-Z]{1,12})\((?P<interface>[^)]{1,40})\) ?"
         r"(?P<address>\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{0,40}:[0-9A-Fa-f:]{0,40}"
         r"(?=\s[0-9A-Fa-f]))? ?"
         r"(?P<mac>[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){1,19})?(?: (?P<rest>.{1,300}))?", "lease"),
    form(rf"sent (?P<path>\S{{1,1000}}) to {TAIL}", "tftp-sent", "network", "protocol", "success"),
    form(rf"(?:file|failed sending) (?P<path>\S{{1,1000}}) (?:not found|to) ?(?:for )?{TAIL}?",
         "tftp-failed", "network",
         "protocol", "failure"),
    form(r"started, version (?P<release>\S{1,40})", "started"),
    form(r"exiting on receipt of SIGTERM", "stopped"),
)  # fmt: skip
ANSWERS = frozenset({"reply", "blocked", "validation-failed", "reply-error"})
ASKED = frozenset({"query", "forwarded", "rebind-attack", *ANSWERS})
NEGATIVE = {
    "NXDOMAIN": "NXDOMAIN",
    "BOGUS": "SERVFAIL",
    "SERVFAIL": "SERVFAIL",
    "REFUSED": "REFUSED",
}
NAMES = table(
    {
        "name": "", "type": "", "address": "", "asker": "", "port": "", "mac": "", "rest": "", "step": "", "code": "",
        "server": "destination.ip", "answer": "dns.answers.data", "path": "file.path",
        "interface": "observer.ingress.interface.name",
    }
)  # fmt: skip


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is not of the program dnsmasq.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    line = read_program_line(text, record)
    if not line.program.startswith("dnsmasq"):
        reason = "no line of dnsmasq: dnsmasq[1]: is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {"event.kind": "event", "event.module": "dnsmasq"}
    fields["event.dataset"] = "dnsmasq.log"
    fields["event.category"], fields["event.type"] = ["network"], ["info"]
    if line.message:
        fields["message"] = line.message
    said = say(fields, FORMS, line.message)
    action = str(fields.get("event.action", ""))
    if action == "lease":
        _lease(fields, said)
    elif action in ASKED:
        _question(fields, said, action)
    elif (address := ip_address(said.get("address", ""))) is not None:
        fields["destination.ip"] = address
    add(fields, NAMES, said, "dnsmasq")
    add_program(fields, line, record)
    yield Event(
        source=SOURCE.name,
        observed_at=line.observed_at(record),
        fields=fields,
        raw=record.raw,
    )


def _lease(fields: Fields, said: dict[str, str]) -> None:
    step, rest = said["step"].lower(), said.get("rest", "").strip()
    refused = " " in rest
    if "no address" in rest or "address in use" in rest:
        step = "no-address"
    elif "not giving" in rest or "ignored" in rest:
        step = "denied"
    if refused:
        fields["event.reason"] = rest
    name = "" if refused else rest
    fields["event.dataset"] = "dnsmasq.dhcp"
    add_lease(fields, step, address=said.get("address", ""), mac=said.get("mac", ""), name=name)


def _question(fields: Fields, said: dict[str, str], action: str) -> None:
    fields["event.dataset"] = "dnsmasq.query"
    add_dns(fields, answer=action in ANSWERS, denied=action == "blocked")
    add_question(fields, said.get("name", ""), said.get("type", ""))
    address = ip_address(said.get("asker") or said.get("address", ""))
    if address is not None:
        fields["source.ip"] = address
    if (port := port_number(said.get("port", ""))) is not None:
        fields["source.port"] = port
    answer = said.get("answer", "")
    if (resolved := specified_address(answer)) is not None:
        fields["dns.resolved_ip"] = [resolved]
    code = said.get("code") or NEGATIVE.get(answer.strip("<>").partition(" ")[0], "")
    add_response(fields, code or ("NOERROR" if action == "reply" else ""))
    if action == "rebind-attack":
        fields["event.kind"] = "alert"
        fields["event.category"] = ["intrusion_detection", "network"]

"""ISC BIND (named): questions, refusals, zone transfers, updates, response policy and the rest, by file or syslog.

A file's line may have its time, category and severity, as its channel says. What ECS has no name for stays under
``bind``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.dns_words import add_dns, add_question, add_response
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, table
from soc.normalise.program_lines import (
    ProgramLine,
    add_program,
    read_program_line,
)
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="bind",
    product="ISC BIND 9 (named): queries, security, xfer, update, rpz and the other categories",
    arrives_by="file, syslog",
    reference="BIND 9 Administrator Reference Manual, 'logging': categories, the query log entry",
    namespaces=("bind",),
)
CATEGORY = (
    r"(?:client|cname|config|database|default|delegation-only|dispatch|dnssec|dnstap|edns-disabled|general|"
    r"lame-servers|network|notify|nsid|queries|query-errors|rate-limit|resolver|rpz|rpz-passthru|security|serve-stale|"
    r"sslkeylog|spill|trust-anchor-telemetry|unmatched|update|update-security|xfer-in|xfer-out|zoneload|responses)"
)
SEVERITY = r"(?:critical|error|warning|notice|info|debug(?: \d{1,2})?|dynamic)"
CLOCK = r"\d\d:\d\d:\d\d\.\d{3}"
TIME = (
    rf"(?:\d{{1,2}}-[A-Z][a-z]{{2}}-\d{{4}} {CLOCK}|\d{{4}}-\d\d-\d\dT{CLOCK}(?:Z|[+-]\d\d:\d\d)?)"
)
LINE = re.compile(
    rf"(?:(?P<time>{TIME}) )?(?:(?P<category>{CATEGORY}): )?(?:(?P<severity>{SEVERITY}): )?(?P<words>.*)",
    re.DOTALL,
)
CLIENT = re.compile(
    r"client (?:@0x[0-9a-f]{1,16} )?(?P<address>[0-9A-Fa-f:.]{2,45})(?:%\w{1,15})?#(?P<port>\d{1,5})"
    r"(?:/key (?P<key>\S{1,255}))?(?: \((?P<about>[^)]{0,1100})\))?: (?:view (?P<view>[^:]{1,255}): )?(?P<words>.*)",
    re.DOTALL,
)
MARKS = (
    rf"{CATEGORY}: |{SEVERITY}: |client (?:@0x[0-9a-f]{{1,16}} )?[0-9A-Fa-f:.]{{2,45}}#\d{{1,5}}"
)
CLAIM = re.compile(
    rf"{TIME} (?:{MARKS})|client (?:@0x[0-9a-f]{{1,16}} )?[0-9A-Fa-f:.]{{2,45}}#\d{{1,5}}[ :/]".encode()
)
CLAIMS_PROGRAMS = re.compile(r"(?:/\S{1,100}/)?named")
NAME = r"(?P<name>\S{1,1100}?)"
OF = r"(?P<type>[A-Z0-9-]{1,20})/(?P<class>[A-Z0-9]{1,10})"
FORMS = (
    form(rf"response: {NAME} (?P<class>[A-Z0-9]{{1,10}}) (?P<type>[A-Z0-9-]{{1,20}}) (?P<code>[A-Z]{{1,20}}) "
         r"(?P<flags>\S{1,30})", "response"),
    form(rf"query: {NAME} (?P<class>[A-Z0-9]{{1,10}}) (?P<type>[A-Z0-9-]{{1,20}}) (?P<flags>\S{{1,30}}) "
         r"\((?P<server>[0-9A-Fa-f:.%\w]{2,60})\)(?: \[ECS (?P<subnet>\S{1,80})\])?", "query"),
    form(rf"query (?:\(cache\) )?'{NAME}/{OF}' denied(?: \((?P<reason>.{{1,120}})\))?", "query-denied",
         outcome="failure"),
    form(rf"query failed \((?P<code>[A-Za-z ]{{1,40}})\) for {NAME}/(?P<class>[A-Z0-9]{{1,10}})/"
         r"(?P<type>[A-Z0-9-]{1,20}) ", "query-failed", outcome="failure"),
    form(rf"zone transfer '{NAME}/(?:(?P<type>[AI]XFR)/)?(?P<class>[A-Z]{{1,10}})' denied", "transfer-denied",
         outcome="failure"),
    form(rf"bad zone transfer request: '{NAME}/(?P<class>[A-Z]{{1,10}})': (?P<reason>.{{1,200}})", "transfer-refused",
         outcome="failure"),
    form(rf"transfer of '{NAME}/(?P<class>[A-Z]{{1,10}})': (?P<type>[AI]XFR)(?:-style IXFR)? (?P<step>started|ended)"
         r"(?:.{0,200}?\(serial (?P<serial>\d{1,10})\))?", "transfer", outcome="success"),
    form(rf"transfer of '{NAME}/(?P<class>[A-Z]{{1,10}})' from (?P<peer>[0-9A-Fa-f:.]{{2,45}})#"
         r"(?P<peerport>\d{1,5}): (?P<reason>.{1,200})", "transfer-in"),
    form(rf"update(?:-security)? '{NAME}/(?P<class>[A-Z]{{1,10}})' (?:denied|.{{0,80}}denied)", "update-denied",
         outcome="failure"),
    form(r"updating zone '(?P<zone>\S{1,1100}?)/(?P<class>[A-Z]{1,10})': (?P<step>adding an RR|deleting an? \w{1,10}) "
         rf"at '?{NAME}'? (?P<type>[A-Z0-9]{{1,20}})(?: (?P<answer>.{{1,1000}}))?", "update", outcome="success"),
    form(r"rate limit (?P<step>drop|slip|stop limiting|continue limiting).{0,200}?"
         rf"(?:for {NAME} (?P<class>[A-Z]{{1,10}}) (?P<type>[A-Z0-9]{{1,20}}) )?(?:\(\w{{1,16}}\))?$", "rate-limited",
         outcome="failure"),
    form(r"(?:disabled )?rpz (?P<trigger>[A-Z-]{1,20}) (?P<policy>[A-Za-z-]{1,20}) rewrite "
         rf"{NAME}/{OF} via (?P<rule>\S{{1,1100}})", "policy-rewrite", outcome="failure"),
    form(r"(?:received notify for zone|notify:? received for zone) '(?P<zone>\S{1,1100}?)'", "notify"),
    form(rf"(?:error|lame server|host unreachable|network unreachable).{{0,80}}? resolving '{NAME}/{OF}'"
         r"(?: \(in '\S{1,1100}'\?\))?: (?P<peer>[0-9A-Fa-f:.]{2,45})#(?P<peerport>\d{1,5})", "resolving-failed",
         outcome="failure"),
    form(r"(?:validating|  validating|@0x[0-9a-f]{1,16}: validating) \S{1,1100}", "dnssec-validation",
         outcome="failure"),
    form(r"zone (?P<zone>\S{1,1100}?)/(?P<class>[A-Z]{1,10}): (?P<reason>.{1,300})", "zone"),
    form(r"received control channel command '(?P<command>.{1,300}?)'", "control-command"),
    form(r"(?:shutting down|stopping command channel|exiting)", "stopped"),
    form(r"(?:starting BIND|running$|all zones loaded)", "started"),
)  # fmt: skip
ASKED = frozenset(
    {
        *("query", "response", "query-denied", "query-failed", "policy-rewrite", "rate-limited"),
        "resolving-failed",
    }
)
DENIED = frozenset(
    {
        "query-denied",
        "transfer-denied",
        "transfer-refused",
        "update-denied",
        "rate-limited",
        "policy-rewrite",
    }
)
NAMES = table(
    {
        "name": "", "type": "", "class": "", "address": "", "port": "", "about": "", "words": "", "code": "",
        "flags": "bind.flags", "server": "destination.ip", "peer": "destination.ip",
        "peerport": "destination.port", "reason": "event.reason", "rule": "rule.name",
        "command": "process.command_line", "answer": "dns.answers.data",
    }
)  # fmt: skip
CLAIMS_FROM = b"0123456789c"


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of one of named's files."""
    return CLAIM.match(raw[:400]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is neither of the program named nor a line of one of its files.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    own = CLAIM.match(record.raw[:400].lstrip()) is not None
    line = read_program_line("" if own else text, record)
    parts = LINE.fullmatch(text if own else line.message)
    if parts is None or (not own and line.program != "named"):
        reason = "no line of named: named[1]: or time, category and severity are expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {"event.kind": "event", "event.module": "bind"}
    if parts["category"]:
        fields["bind.category"] = parts["category"]
    _say(fields, parts["words"])
    add_program(fields, line._replace(program=line.program or "named"), record)
    if parts["severity"]:
        fields["log.level"] = parts["severity"].partition(" ")[0]
    yield Event(
        source=SOURCE.name,
        observed_at=_time(parts["time"], line, record),
        fields=fields,
        raw=record.raw,
    )


def _say(fields: Fields, words: str) -> None:
    if words:
        fields["message"] = words
    fields["event.dataset"] = "bind.log"
    fields["event.category"], fields["event.type"] = ["network"], ["info"]
    client = CLIENT.fullmatch(words)
    said = {name: value for name, value in (client.groupdict() if client else {}).items() if value}
    said |= say(fields, FORMS, client["words"] if client else words)
    action = str(fields.get("event.action", ""))
    if action in ASKED:
        add_dns(fields, answer=action == "response")
        fields["event.dataset"] = "bind.query"
    if action in DENIED:
        fields["event.type"] = ["protocol", "denied"]
    if name := said.get("name") or said.get("about"):
        add_question(fields, name, said.get("type", ""), said.get("class", ""))
    if client is not None:
        if (address := ip_address(client["address"])) is not None:
            fields["source.ip"] = address
        if (port := port_number(client["port"])) is not None:
            fields["source.port"] = port
    add_response(fields, said.get("code", ""))
    flags = said.get("flags", "")
    if action == "query":
        fields["network.transport"] = "tcp" if "T" in flags else "udp"
    add(fields, NAMES, said, "bind")
    if flags.startswith("+"):
        fields["dns.header_flags"] = ["RD"]


def _time(written: str | None, line: ProgramLine, record: RawRecord) -> datetime:
    try:
        return from_written(written or "", record)
    except ValueError:
        return line.observed_at(record)

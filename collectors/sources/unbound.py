"""Unbound: questions, replies, local and policy answers, failed validation and the rest, by file or syslog.

What ECS has no name for stays under ``unbound``.
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
    name="unbound",
    product="Unbound (NLnet Labs)",
    arrives_by="file, syslog",
    reference="unbound.conf(5): log-queries, log-replies, log-local-actions, log-servfail, rpz-log",
    namespaces=("unbound",),
)
TIME = r"(?:\d{9,10}(?:\.\d{1,6})?|[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S{0,12})"
LEVEL = r"(?:debug|info|notice|warning|error|fatal error|query|reply)"
FILE = re.compile(rf"\[?(?P<time>{TIME})\]? unbound\[(?P<pid>\d{{1,10}}):[0-9a-f]{{1,8}}\] ")
WORDS = re.compile(
    rf"(?:\[(?P<pid>\d{{1,10}}):[0-9a-f]{{1,8}}\] )?(?:(?P<level>{LEVEL}): )?(?P<words>.*)",
    re.DOTALL,
)
CLAIM = re.compile(FILE.pattern.replace("?P<time>", "?:").replace("?P<pid>", "?:").encode())
CLAIMS_PROGRAMS = re.compile(r"(?:/\S{1,100}/)?unbound")
ADDRESS = r"(?P<address>[0-9A-Fa-f:.]{2,45})"
QUESTION = r"(?P<name>\S{1,1100}) (?P<type>[A-Z0-9]{1,20}) (?P<class>[A-Z0-9]{1,10})"
FORMS = (
    form(rf"{ADDRESS} {QUESTION} (?P<code>[A-Z0-9]{{1,20}}) (?P<seconds>\d{{1,6}}\.\d{{1,9}}) (?P<cached>[01]) "
         r"(?P<size>\d{1,6})", "reply"),
    form(rf"{ADDRESS} {QUESTION}$", "query"),
    form(rf"rpz: applied (?:\[(?P<rule>[^\]]{{1,200}})\] )?(?P<zone>\S{{1,1100}}) (?P<policy>rpz-\S{{1,40}}) "
         rf"{ADDRESS}@(?P<port>\d{{1,5}}) {QUESTION}", "policy-applied", outcome="failure"),
    form(rf"(?P<zone>\S{{1,1100}}) (?P<policy>[a-z_]{{1,30}}) {ADDRESS}@(?P<port>\d{{1,5}}) {QUESTION}",
         "local-answer"),
    form(r"validation failure <(?P<name>\S{1,1100}) (?P<type>[A-Z0-9]{1,20}) (?P<class>[A-Z0-9]{1,10})>:? ?"
         r"(?P<reason>.{0,300})", "validation-failed", outcome="failure"),
    form(rf"SERVFAIL <{QUESTION}>: (?P<reason>.{{1,300}})", "query-failed", outcome="failure"),
    form(r"(?P<what>refused query|ratelimit exceeded|ip_ratelimit exceeded) (?P<reason>.{0,300})", "query-denied",
         outcome="failure"),
    form(r"start of service", "started"),
    form(r"service stopped", "stopped"),
)  # fmt: skip
ASKED = frozenset(
    {"reply", "query", "policy-applied", "local-answer", "validation-failed", "query-failed"}
)
REFUSING = frozenset(
    {"deny", "refuse", "always_refuse", "always_deny", "always_nxdomain", "always_null"}
)
NAMES = table(
    {
        "name": "", "type": "", "class": "", "address": "", "port": "", "code": "", "seconds": "",
        "reason": "event.reason", "rule": "rule.name",
    }
)  # fmt: skip
CLAIMS_FROM = b"[0123456789ADFJMNOS"  # a time in brackets, or the month


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of a file of Unbound."""
    start = raw[:300]
    return b"unbound[" in start and CLAIM.match(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is not of the program unbound.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    own = FILE.match(text)
    line = read_program_line("" if own else text, record)
    parts = WORDS.fullmatch(text[own.end() :] if own else line.message)
    if parts is None or (own is None and line.program != "unbound"):
        reason = "no line of Unbound: unbound[1:0] is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {"event.kind": "event", "event.module": "unbound"}
    _say(fields, parts["words"])
    pid = own["pid"] if own else parts["pid"] or line.pid
    add_program(fields, line._replace(program="unbound", pid=pid), record)
    if parts["level"] and parts["level"] not in ("query", "reply"):
        fields["log.level"] = parts["level"]
    yield Event(
        source=SOURCE.name,
        observed_at=_time(own["time"] if own else "", line, record),
        fields=fields,
        raw=record.raw,
    )


def _say(fields: Fields, words: str) -> None:
    if words:
        fields["message"] = words
    fields["event.dataset"] = "unbound.log"
    fields["event.category"], fields["event.type"] = ["network"], ["info"]
    said = say(fields, FORMS, words)
    action = str(fields.get("event.action", ""))
    denied = action in ("policy-applied", "query-denied") or said.get("policy") in REFUSING
    if action in ASKED:
        fields["event.dataset"] = "unbound.query"
        add_dns(fields, answer=action == "reply", denied=denied)
        add_question(fields, said.get("name", ""), said.get("type", ""), said.get("class", ""))
    elif denied:
        fields["event.type"] = ["protocol", "denied"]
    if (address := ip_address(said.get("address", ""))) is not None:
        fields["source.ip"] = address
    if (port := port_number(said.get("port", ""))) is not None:
        fields["source.port"] = port
    add_response(fields, said.get("code", ""))
    if seconds := said.get("seconds"):
        fields["event.duration"] = round(float(seconds) * 1e9)
    add(fields, NAMES, said, "unbound")


def _time(written: str, line: ProgramLine, record: RawRecord) -> datetime:
    try:
        return from_written(written, record)
    except ValueError:
        return line.observed_at(record)

"""Squid: access.log in its native form and in the common and combined ones, and cache.log; by file or syslog.

A request through the proxy is of the network, not of a web server of ours: the rules of proxies are asked about it.
What ECS has no name for stays under ``squid``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.network_words import add_user, count
from soc.normalise.program_lines import (
    ProgramLine,
    add_program,
    read_program_line,
)
from soc.normalise.timestamps import from_epoch
from soc.normalise.web_words import NOTHING, add_duration, add_status, add_url
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="squid",
    product="Squid proxy (native, common and combined access log; cache.log)",
    arrives_by="file, syslog",
    reference="Squid documentation, 'logformat' (squid, common, combined), 'Squid log files'",
    namespaces=("squid",),
)
NATIVE = re.compile(
    r"(?P<time>\d{9,10}\.\d{3})\s{1,12}(?P<elapsed>-?\d{1,12}) (?P<client>\S{1,255}) "
    r"(?P<result>[A-Z][A-Z_]{1,50})/(?P<status>\d{3}|-) (?P<bytes>\d{1,19}) (?P<method>\S{1,40}) (?P<url>\S{1,30000}) "
    r"(?P<user>\S{1,256}) (?P<hierarchy>[A-Z_]{1,50})/(?P<peer>\S{1,255})(?: (?P<type>\S{1,200}))?(?P<rest> .*)?",
    re.DOTALL,
)
COMMON = re.compile(
    r"(?P<client>\S{1,255}) \S{1,100} (?P<user>\S{1,256}) \[(?P<time>[^\]]{20,32})\] "
    r"\"(?P<method>\S{1,40}) (?P<url>[^\s\"]{1,30000})(?: HTTP/(?P<version>\d(?:\.\d)?))?\" (?P<status>\d{3}|-) "
    r"(?P<bytes>\d{1,19}|-)(?: \"(?P<referrer>(?:[^\"\\]|\\.)*+)\" \"(?P<agent>(?:[^\"\\]|\\.)*+)\")? "
    r"(?P<result>[A-Z][A-Z_]{1,50}):(?P<hierarchy>[A-Z_]{1,50})",
    re.DOTALL,
)
CACHE = re.compile(
    r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)(?:\.\d{1,6})?(?: kid\d{1,3})?\| (?P<words>.*)",
    re.DOTALL,
)
PROGRAM = r"\(?squid(?:-\d{1,3})?\)?"
CLAIM = re.compile(
    rb"(?:"
    rb"\d{9,10}\.\d{3}\s{1,12}-?\d{1,12} \S{1,255} [A-Z][A-Z_]{1,50}/(?:\d{3}|-) \d{1,19} \S{1,40} |"
    rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: kid\d{1,3})?\| )"
)  # fmt: skip
CLAIMS_PROGRAMS = re.compile(PROGRAM)
END = re.compile(rb" (?:TCP|UDP|NONE)[A-Z_]{0,40}:[A-Z_]{1,40}\s{0,4}$")
COMMON_CLAIM = re.compile(rb"\S{2,253} \S{1,100} \S{1,256} \[\d{1,2}/\w{3}/\d{4}:\d\d:\d\d:\d\d ")


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of one of Squid's files."""
    if (raw[-1:].isupper() or raw[-1:] == b"\r") and END.search(raw[-90:]):
        return COMMON_CLAIM.match(raw[:600]) is not None
    return raw[:1].isdigit() and CLAIM.match(raw[:600]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is no line of these logs.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    fields: Fields = {"event.kind": "event", "event.module": "squid"}
    line, words = _words(text, record)
    parts = NATIVE.fullmatch(words) or COMMON.fullmatch(words)
    if parts is not None:
        _request(fields, parts)
        time = _time(parts["time"], record)
    elif (cache := CACHE.fullmatch(words)) is not None:
        _said(fields, cache["words"])
        time = _time(cache["time"], record)
    elif line.program.startswith("squid") or claims(record.raw):
        _said(fields, words)
        time = None
    else:
        reason = "no line of Squid: time elapsed client result/status bytes method URL is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    add_program(fields, line, record)
    yield Event(
        source=SOURCE.name,
        observed_at=time or line.observed_at(record),
        fields=fields,
        raw=record.raw,
    )


def _words(text: str, record: RawRecord) -> tuple[ProgramLine, str]:
    """What stands before, and Squid's own line."""
    line = read_program_line(text, record)
    own = line.program.startswith("squid")
    return (line, line.message) if own else (read_program_line("", record), text)


def _time(written: str, record: RawRecord) -> datetime | None:
    try:
        if written[0].isdecimal() and "." in written:
            return from_epoch(written)
        return from_written(written, record)
    except ValueError:
        return None


def _request(fields: Fields, parts: re.Match[str]) -> None:
    said = {name: value for name, value in parts.groupdict().items() if value not in (None, "-")}
    fields["event.dataset"] = "squid.proxy"
    fields["event.category"] = ["network"]
    blocked = "DENIED" in said["result"] or said["result"] == "TCP_REDIRECT"
    fields["event.action"] = said["result"]
    client = ip_address(said.get("client", ""))
    if "client" in said:
        fields["source.address"] = said["client"]
    if client is not None:
        fields["source.ip"] = client
    if "user" in said:
        add_user(fields, said["user"])
    fields["http.request.method"] = said.get("method", "NONE")
    add_url(fields, said.get("url", ""))
    add_status(fields, said.get("status", ""))
    peer = ip_address(said.get("peer", ""))
    if peer is not None:
        fields["destination.ip"] = peer
    fields["squid.hierarchy"] = said["hierarchy"]
    _answer(fields, said)
    fields["event.type"] = ["access", "denied" if blocked else "allowed"]
    if blocked:
        fields["event.outcome"] = "failure"


def _answer(fields: Fields, said: dict[str, str]) -> None:
    if (size := count(said.get("bytes", ""))) is not None:
        fields["http.response.body.bytes"] = size
    if "elapsed" in said:
        add_duration(fields, said["elapsed"], 1_000_000)
    for name, ours in (
        ("type", "http.response.mime_type"),
        ("version", "http.version"),
        ("referrer", "http.request.referrer"),
        ("agent", "user_agent.original"),
    ):
        if said.get(name, "") not in NOTHING:
            fields[ours] = said[name]
    if rest := said.get("rest", "").strip():
        fields["squid.rest"] = rest


def _said(fields: Fields, words: str) -> None:
    fields["event.dataset"] = "squid.cache"
    fields["event.category"], fields["event.type"] = ["network"], ["info"]
    if words:
        fields["message"] = words

"""Lines of a program, as syslog or a file brings them: time and host, the program with its number, its words.

RFC 3164, RFC 5424 and rsyslog's ISO form, with or without a priority and a host.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from soc.model.event import Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.device_head import Head, read_head, when
from soc.normalise.syslog_codes import code_fields

MODERN = re.compile(r"\s{0,4}<\d{1,3}>1 \d{4}-")
AFTER_HOST = re.compile(
    r" (?P<program>\S{1,48}) (?P<pid>\S{1,128}) \S{1,64} "
    r"(?:-|(?:\[(?:[^\]\"\\]|\\.|\"(?:[^\"\\]|\\.)*+\")*+\])++)(?: |$)",
    re.DOTALL,
)
TAG = re.compile(
    r"[\s:]{0,4}(?P<program>[A-Za-z(/][\w./()@-]{0,127}+)(?:\[(?P<pid>\d{1,10})\])?:(?: |$)"
)
TIME = (
    rb"(?:(?:1 )?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,20} |"
    rb"[A-Z][a-z]{2} {1,2}\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})? )"
)
HOST = rb"(?:[\w.:%-]{1,255} )?"
BEFORE = rb"(?:<\d{1,3}>)?" + TIME + b"?" + HOST  # what may stand before a program
LOOKED_AT = 400  # bytes
MODERN_TAG = re.compile(
    rb"<\d{1,3}>1 \S{1,40} \S{1,255} (\S{1,48}) \S{1,128} \S{1,64} (?:-(?: |$)|\[)"
)
ENVELOPE = rb"(?:<\d{1,3}>" + TIME + b"?|" + TIME + b")" + HOST
OLD_TAG = re.compile(ENVELOPE + rb"([A-Za-z(/][\w./()@-]{0,127}+)(?:\[\d{1,10}\])?:(?: |$)")


class ProgramLine(NamedTuple):
    """One line taken apart; what is not there is empty."""

    head: Head
    program: str  # its last part: "smtpd" of "postfix/smtpd"
    pid: str
    message: str
    tag: str = ""  # the program as it is written

    def observed_at(self, record: RawRecord) -> datetime:
        """The time of the head, or that of collection."""
        return when(self.head, record)


def read_program_line(text: str, record: RawRecord) -> ProgramLine:
    """Take a line apart; one without a program is all message.

    >>> from datetime import UTC
    >>> record = RawRecord(b"", "x", datetime(2026, 11, 22, tzinfo=UTC))
    >>> read_program_line("Nov 20 09:00:00 ns1 named[7]: running", record)[1:4]
    ('named', '7', 'running')
    >>> read_program_line("<30>1 2026-11-20T09:00:00+07:00 ns1 named 7 - - running", record)[1:4]
    ('named', '7', 'running')
    """
    head = read_head(text[:600], record)
    if head.host and text[head.end - 1] == ":":  # no host: the word is the program
        words = text[head.end :].strip()
        return ProgramLine(head._replace(host=""), head.host, "", words, head.host)
    tag = (AFTER_HOST if MODERN.match(text) else TAG).match(text, head.end)
    if tag is None:
        return ProgramLine(head, "", "", text[head.end :].strip())
    program = tag["program"].rpartition("/")[2].strip("()")
    words = text[tag.end() :].strip()
    return ProgramLine(head, program, tag["pid"] or "", words, tag["program"])


def program_tag(raw: bytes) -> str:
    """The program of a line as it is written, or "" where no priority and no time are before it.

    >>> program_tag(b"<22>Nov 20 09:00:00 mail postfix/smtpd[7]: connect"), program_tag(b"words: alone")
    ('postfix/smtpd', '')
    """
    start = raw[:LOOKED_AT]
    modern = start[:1] == b"<" and b">1 " in start[:7]
    found = (MODERN_TAG if modern else OLD_TAG).match(start)
    return found[1].decode("ascii", "replace") if found is not None else ""


def add_program(fields: Fields, line: ProgramLine, record: RawRecord) -> None:
    """Priority, host, program and its number; what a reader found before stays."""
    priority = line.head.priority
    if priority is not None:
        fields["log.syslog.priority"] = priority
        fields.update(_codes(priority))
    if line.program:
        fields["process.name"] = line.program
    if line.pid.isascii() and line.pid.isdecimal() and len(line.pid) < 11:
        fields["process.pid"] = int(line.pid)
    add_host(fields, line.head.host, record)


@lru_cache(maxsize=192)
def _codes(priority: int) -> Fields:
    return code_fields(priority % 8, priority // 8)


def add_host(fields: Fields, name: str, record: RawRecord) -> None:
    """The machine that wrote the line: named in it, else the one that the record came from."""
    host = name or record.host
    if host:
        fields.setdefault("host.name", host)
    address = ip_address(name)
    if address is not None:
        fields.setdefault("host.ip", [address])

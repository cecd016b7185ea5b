"""Lines of pairs, ``src=10.0.0.1 dst=10.0.0.2 action=deny msg="two words"``, of products without a reader of their own.

Asked after the others, and only lines that begin with four pairs are claimed: words with a pair or two among them stay
syslog. Names in common use (``srcip``, ``src_ip``, ``source-ip``, ``saddr``) become ECS fields, the rest stays under
``key_value`` with its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.network_words import add, add_transport, add_user, table
from soc.normalise.program_lines import BEFORE, add_program, read_program_line
from soc.normalise.security_words import add_about, slug
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="key_value",
    product="Any product that writes pairs, key=value",
    arrives_by="syslog, file",
    reference="none: names in common use, such as those of WELF (WebTrends Enhanced Log Format)",
    namespaces=("key_value",),
)
CLAIMS_LAST = True
NAME = r"[A-Za-z_][\w.-]{0,63}"
ONE = NAME.encode() + rb"=(?:\"[^\"]{0,400}+\"|'[^']{0,400}+'|[^\s\"',;|=]{0,400}+)"
CLAIM = re.compile(
    BEFORE
    + rb"(?:[A-Za-z][\w./-]{0,63}+(?:\[\d{1,10}\])?: ?|\S{1,48} \S{1,128} \S{1,64} - )?"
    + rb"(?:" + ONE + rb"(?:[ \t,;|]{1,3}+)){3}" + NAME.encode() + rb"="
)  # fmt: skip
PAIR = re.compile(
    rf"(?<![\w.-])({NAME})="
    r"(?:\"([^\"\\]*+(?:\\.[^\"\\]*+)*+)\"|'([^']*+)'|"
    rf"((?:[^\s\",;|]|[,;|](?!\s?{NAME}=))*+(?:[ \t]++(?!{NAME}=)[^\s\"=,;|]++)*+))",
    re.DOTALL,
)
ESCAPED = re.compile(r"\\([\"\\])")
FIRST = re.compile(rf"(?<![\w.-]){NAME}=")
MOST = 300  # pairs of a line
TIMES = ("eventtime", "timestamp", "datetime", "time", "ts", "date")
NAMES = table(
    {name: field for names, field in (
        ("src srcip source sourceip sourceaddress saddr sip clientip client remoteip remoteaddr ipsrc srcaddr "
         "callingstationid", "source.ip"),
        ("srcport sport spt sourceport clientport", "source.port"),
        ("srcmac smac sourcemac", "source.mac"),
        ("dst dstip destination destinationip destinationaddress daddr dip serverip ipdst dstaddr", "destination.ip"),
        ("dstport dport dpt destinationport serverport", "destination.port"),
        ("dstmac dmac destinationmac", "destination.mac"),
        ("natsrc natsrcip srcnatip", "source.nat.ip"), ("natdst natdstip dstnatip", "destination.nat.ip"),
        ("sent sentbyte sentbytes bytessent bytesout", "source.bytes"),
        ("rcvd rcvdbyte rcvdbytes bytesreceived bytesin recv", "destination.bytes"),
        ("action act", "event.action"), ("msg message", "message"), ("reason", "event.reason"),
        ("rule policy rulename policyname", "rule.name"), ("ruleid policyid", "rule.id"),
        ("url uri request", "url.original"), ("domain hostnamerequested", "url.domain"),
        ("method op", "http.request.method"), ("useragent agent", "user_agent.original"),
        ("app application", "network.application"), ("service", "network.protocol"),
        ("file filename fname", "file.name"), ("filepath path", "file.path"), ("md5", "file.hash.md5"),
        ("sha1", "file.hash.sha1"), ("sha256", "file.hash.sha256"),
        ("logid eventid eventcode msgid", "event.code"), ("devname devicename device fw", "observer.name"),
        ("devid deviceid serial", "observer.serial_number"), ("process program", "process.name"),
        ("level", "log.level"),
    ) for name in names.split()}
)  # fmt: skip
USERS = ("user", "username", "usr", "suser", "srcuser", "account", "login")
PROTOCOLS = ("proto", "protocol", "transport")
OUTCOMES = ("outcome", "result", "status")
WORDS = ("type", "subtype", "category", "cat", "event", "eventname", "name", "message", "msg")
NAMES_OF_NOTHING = table({})
ASIDE = frozenset((*USERS, *PROTOCOLS))


def claims(raw: bytes) -> bool:
    """Whether the bytes are pairs from the beginning, after what syslog puts before."""
    start = raw[:2_000]
    pairs = start.count(b"=") > 3 and b"msg=audit(" not in start  # Linux audit in syslog's words
    return pairs and CLAIM.match(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: there is no pair in it.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    first = FIRST.search(text[:2_000])
    line = read_program_line(text[: first.start()] if first else "", record)
    pairs = PAIR.findall(text, first.start())[:MOST] if first else []
    said, rest = _sorted(pairs)
    if not said:
        reason = "no pairs: key=value is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {"event.kind": "event", "event.module": "key_value"}
    fields["event.dataset"] = "key_value"
    if line.program:
        fields["event.provider"] = line.program
    add(fields, NAMES, {name: said[name] for name in said if name in NAMES}, "key_value")
    add(fields, NAMES_OF_NOTHING, rest, "key_value")
    _complete(fields, said)
    add_program(fields, line, record)
    yield Event(
        source=SOURCE.name,
        observed_at=_time(said, record) or line.observed_at(record),
        fields=fields,
        raw=record.raw,
    )


@lru_cache(maxsize=4_096)
def _fold(name: str) -> str:
    """A name in small letters without signs."""
    return name.lower().replace("_", "").replace("-", "").replace(".", "")


def _value(double: str, single: str, bare: str) -> str:
    if "\\" in double:
        return ESCAPED.sub(r"\1", double)
    return double or single or bare.strip(" \t,;|")


def _sorted(
    pairs: list[tuple[str, str, str, str]],
) -> tuple[dict[str, str], dict[str, str]]:
    """Values by folded names, and those of no common meaning by their own; the first of equal names stays."""
    said: dict[str, str] = {}
    rest: dict[str, str] = {}
    for name, *values in pairs:
        folded, value = _fold(name), _value(*values)
        said.setdefault(folded, value)
        if folded not in NAMES and folded not in ASIDE:
            rest.setdefault(name, value)
    return said, rest


def _complete(fields: Fields, said: Mapping[str, str]) -> None:
    """What takes more than one value to tell."""
    add_transport(fields, _first(said, PROTOCOLS))
    user = _first(said, USERS)
    add_user(fields, user)
    words = " ".join(said[name] for name in WORDS if name in said)
    action = said.get("action") or said.get("act", "")
    add_about(fields, action=action, words=words, outcome=_first(said, OUTCOMES))
    if "event.action" not in fields and (named := slug(said.get("event") or said.get("type", ""))):
        fields["event.action"] = named.replace("_", "-")[:60]


def _first(said: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((said[name] for name in names if said.get(name)), "")


def _time(said: Mapping[str, str], record: RawRecord) -> datetime | None:
    """``date=2026-11-20 time=09:00:00`` and any single name of a time; nanoseconds are cut."""
    tries = [f"{said['date']} {said['time']}"] if "date" in said and "time" in said else []
    tries += [said[name] for name in TIMES if name in said]
    for written in tries:
        short = written[:13] if written.isdecimal() and len(written) in (16, 19) else written
        try:
            return from_written(short, record)
        except ValueError:
            continue
    return None

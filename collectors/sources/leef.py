"""Log Event Extended Format: ``LEEF:2.0|vendor|product|version|event|^|key=value^key=value`` of any product, by syslog.

Version 1.0 puts tabs between its attributes; version 2.0 may name another character, itself or as ``x5E``. ``devTime``
is read by ``devTimeFormat`` (Java's letters) where that is given, and believed before the head's time. What ECS has no
name for stays under ``leef``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.device_head import Head, add_head, read_head, when
from soc.normalise.network_words import add, add_transport, add_user, count, table
from soc.normalise.security_words import add_about, product_slug, slug
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="leef",
    product="Any product that writes LEEF (Log Event Extended Format, versions 1.0 and 2.0)",
    arrives_by="syslog, file",
    reference="IBM QRadar 'Log Event Extended Format (LEEF)': event components, predefined attributes, date formats",
    namespaces=("leef",),
)
MARK = re.compile(r"(?<![^\s:>\ufeff\"])LEEF: ?(?P<version>[12])(?:\.0)?\|")
CLAIM = re.compile(rb"(?<![^\s:>\xbf\"])LEEF: ?[12](?:\.0)?\|")
HEADER = re.compile(
    r"(?P<vendor>[^|]{0,200})\|(?P<product>[^|]{0,200})\|(?P<release>[^|]{0,100})\|(?P<event>[^|]{0,300})"
    r"(?:\||\t|$)"
)
DELIMITER = re.compile(r"(?:(?P<hex>(?:0?x|\\x)[0-9A-Fa-f]{1,4})|(?P<sign>[^\w\s=]|\\t|\t))?\|")
NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}")
MOST_KEYS = 400
NAMES = table(
    {
        "devTime": "", "devTimeFormat": "", "proto": "", "usrName": "", "domain": "", "sev": "", "accountName": "",
        "src": "source.ip", "srcPort": "source.port", "srcMAC": "source.mac", "srcBytes": "source.bytes",
        "srcPackets": "source.packets", "srcPostNAT": "source.nat.ip", "srcPostNATPort": "source.nat.port",
        "dst": "destination.ip", "dstPort": "destination.port", "dstMAC": "destination.mac",
        "dstBytes": "destination.bytes", "dstPackets": "destination.packets", "dstPostNAT": "destination.nat.ip",
        "dstPostNATPort": "destination.nat.port", "totalPackets": "network.packets", "identHostName": "source.domain",
        "action": "event.action", "Action": "event.action", "act": "event.action", "msg": "message",
        "message": "message", "reason": "event.reason", "policy": "rule.name", "url": "url.original",
        "role": "user.roles", "groupID": "group.id", "userAgent": "user_agent.original",
        "method": "http.request.method", "fileName": "file.name", "filePath": "file.path",
    }
)  # fmt: skip
LETTERS = {  # of Java's SimpleDateFormat, the longest first
    "yyyy": r"(?P<y>\d{4})", "yy": r"(?P<y>\d\d)", "MMM": r"(?P<mon>[A-Z][a-z]{2})", "MM": r"(?P<mo>\d\d)",
    "M": r"(?P<mo>\d{1,2})", "dd": r"(?P<d>\d\d)", "d": r"(?P<d>\d{1,2})", "HH": r"(?P<h>\d\d)",
    "H": r"(?P<h>\d{1,2})", "hh": r"(?P<h>\d\d)", "h": r"(?P<h>\d{1,2})", "mm": r"(?P<m>\d\d)", "m": r"(?P<m>\d{1,2})",
    "ss": r"(?P<s>\d\d)", "s": r"(?P<s>\d{1,2})", "SSSSSS": r"(?P<f>\d{1,9})", "SSS": r"(?P<f>\d{1,9})",
    "a": r"(?P<half>[AaPp][Mm])", "EEE": r"[A-Z][a-z]{2}",
    **dict.fromkeys(("zzz", "z", "Z", "XXX", "X"), r"(?P<zone>\S{1,40})"),
}  # fmt: skip
LETTER = re.compile("'([^']{0,20})'|" + "|".join(sorted(LETTERS, key=len, reverse=True)))


def claims(raw: bytes) -> bool:
    """Whether the bytes have a LEEF header near their beginning."""
    return raw.find(b"LEEF:", 0, 400) >= 0 and CLAIM.search(raw[:400]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no LEEF header.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:600])
    header = HEADER.match(line, mark.end()) if mark else None
    if mark is None or header is None:
        reason = "no LEEF line: LEEF:1.0|vendor|product|version|event| is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    said = _attributes(line, header.end(), second=mark["version"] == "2")
    head = read_head(line, record, mark.start())
    fields = _fields(header)
    add(fields, NAMES, said, "leef")
    _complete(fields, header, said)
    add_head(fields, head, record)
    yield Event(
        source=SOURCE.name, observed_at=_time(said, head, record), fields=fields, raw=record.raw
    )


def _attributes(line: str, start: int, *, second: bool) -> dict[str, str]:
    """Names and values; the first of equal names stays, what has no name goes on with the value before."""
    sign = "\t"
    if second and (told := DELIMITER.match(line, start)) is not None:
        start, sign = told.end(), _sign(told)
    said: dict[str, str] = {}
    last = ""
    for piece in line[start:].split(sign, MOST_KEYS):
        name, equal, value = piece.partition("=")
        name = name.strip()
        if equal and NAME.fullmatch(name):
            last = "" if name in said else name
            said.setdefault(name, value)
        elif last:
            said[last] = f"{said[last]}{sign}{piece}"
    return {
        name: _plain(value).strip() if "\\" in value else value.strip()
        for name, value in said.items()
    }


def _plain(text: str) -> str:
    """Without escapes: of the equal sign, the bar and the backslash."""
    pieces = text.split("\\\\")
    return "\\".join(piece.replace("\\=", "=").replace("\\|", "|") for piece in pieces)


def _sign(told: re.Match[str]) -> str:
    if told["hex"]:
        number = int(told["hex"].lower().rpartition("x")[2], 16)
        return chr(number) if number and not 0xD800 <= number <= 0xDFFF else "\t"
    return "\t" if told["sign"] in (None, "\\t") else told["sign"]


def _fields(header: re.Match[str]) -> Fields:
    vendor, product = header["vendor"].strip(), header["product"].strip()
    module = product_slug(vendor, product)
    fields: Fields = {
        "event.kind": "event",
        "event.module": module or "leef",
        "event.dataset": f"{module}.leef" if module else "leef",
    }
    named = {"observer.vendor": vendor, "observer.product": product}
    named |= {"observer.version": header["release"].strip(), "event.code": header["event"].strip()}
    fields.update({name: value for name, value in named.items() if value})
    return fields


def _complete(fields: Fields, header: re.Match[str], said: dict[str, str]) -> None:
    """What takes more than one value to tell."""
    add_transport(fields, said.get("proto", ""))
    add_user(fields, said.get("usrName") or said.get("accountName", ""))
    if "user.name" in fields and said.get("domain"):
        fields.setdefault("user.domain", said["domain"])
    elif said.get("domain"):
        fields["leef.domain"] = said["domain"]
    if isinstance(role := fields.get("user.roles"), str):
        fields["user.roles"] = [role]
    level = count(said.get("sev", ""))
    if level is not None and level <= 10:
        fields["event.severity"] = level
    event = header["event"].strip()
    action = str(fields.get("event.action", ""))
    add_about(fields, action=action or event, words=f"{event} {said.get('cat', '')}")
    for name, end in (("isLoginEvent", "start"), ("isLogoutEvent", "end")):
        if said.get(name, "").lower() == "true":
            fields["event.category"], fields["event.type"] = ["authentication"], [end]
    if not action and (named := slug(event)) and not named.isdecimal():
        fields["event.action"] = named.replace("_", "-")


def _time(said: dict[str, str], head: Head, record: RawRecord) -> datetime:
    written = said.get("devTime", "")
    try:
        form = _expression(said.get("devTimeFormat", "")[:60])
        parts = form.fullmatch(written[:80]) if form is not None else None
        return from_written(_usual(parts) if parts else written, record, us=True)
    except ValueError:
        return when(head, record)


@lru_cache(maxsize=256)
def _expression(form: str) -> re.Pattern[str] | None:
    """Java's date format as an expression, or None where it is empty or has letters that we do not know.

    >>> _expression("MMM dd yyyy HH:mm:ss.SSS z").fullmatch("Nov 20 2026 09:00:00.123 UTC")["f"]
    '123'
    """
    made, place = "", 0
    for found in LETTER.finditer(form):
        made += re.escape(form[place : found.start()])
        made += re.escape(found[1]) if found[1] is not None else LETTERS[found[0]]
        place = found.end()
    try:
        return re.compile(made + re.escape(form[place:])) if made else None
    except re.error:  # a letter that comes twice
        return None


def _usual(parts: re.Match[str]) -> str:
    said = {name: value for name, value in parts.groupdict().items() if value}
    fraction = f".{said['f']}" if "f" in said else ""
    day = f"{said.get('mon') or said.get('mo', '')}"
    clock = f"{said.get('h', '')}:{said.get('m', '')}:{said.get('s', '00')}{fraction}"
    clock += f" {said.get('half', '')}".rstrip() + f" {said.get('zone', '')}".rstrip()
    if "mon" in said:
        return f"{day} {said.get('d', '')} {said.get('y', '')} {clock}".replace("  ", " ")
    year = said.get("y", "")
    return f"{year if len(year) == 4 else f'20{year}'}-{day}-{said.get('d', '')} {clock}"

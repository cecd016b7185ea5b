"""Common Event Format: ``CEF:0|vendor|product|version|class|name|severity|key=value ...`` of any product, by syslog.

The header is cut at bars that no backslash escapes; in the extension a value goes on to the next ``key=``. ``rt`` (the
receipt at the device), else ``end`` or ``start``, is believed before the head's time. Values that come with a label
(``cs1Label=Policy cs1=Strict``) are kept under that label: ``cef.custom.policy``. What ECS has no name for stays under
``cef``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.device_head import Head, add_head, read_head, when
from soc.normalise.network_words import NONE_OF_IT, add, add_transport, add_user, count, table
from soc.normalise.protection.mapping import fold
from soc.normalise.protection.row import form_of, read_row
from soc.normalise.protection.shelf import in_force
from soc.normalise.security_words import add_about, product_slug, slug
from soc.normalise.written_times import from_written, iso_time

SOURCE = Source(
    name="cef",
    product="Any product that writes CEF (Common Event Format, versions 0 and 1)",
    arrives_by="syslog, file",
    reference="ArcSight 'Implementing Common Event Format (CEF)': header, extension dictionary, escapes",
    namespaces=("cef",),
)
MARK = re.compile(r"(?<![^\s:>\ufeff\"])CEF: ?[0-9]{1,2}\|")
CLAIM = re.compile(rb"(?<![^\s:>\xbf\"])CEF: ?[0-9]{1,2}\|")
PART = r"([^|\\]*+(?:\\.[^|\\]*+)*+)"
HEADER = re.compile(rf"{PART}\|{PART}\|{PART}\|{PART}\|{PART}\|{PART}(?:\||$)", re.DOTALL)
HEADER_PARTS = ("vendor", "product", "version", "class", "name", "severity")
KEY = re.compile(r"(?<!\S)([A-Za-z_][\w.\[\]-]{0,63})=")
CUSTOM = re.compile(
    r"(?:c[sn]|c6a|cfp|flexString|flexNumber|flexDate|deviceCustomDate)\d{1,2}Label"
)
MOST_KEYS = 400
SEVERITY = {"low": 3, "medium": 6, "high": 8, "very-high": 10, "very high": 10}
DIRECTION = {"0": "inbound", "1": "outbound"}
HASHES = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
NAMES = table(
    {
        "proto": "", "suser": "", "duser": "", "outcome": "", "rt": "", "start": "", "end": "", "fileHash": "",
        "deviceDirection": "", "sntdom": "", "dntdom": "",
        "act": "event.action", "app": "network.protocol", "reason": "event.reason", "msg": "message",
        "src": "source.ip", "shost": "source.domain", "spt": "source.port", "smac": "source.mac",
        "suid": "source.user.id", "sourceTranslatedAddress": "source.nat.ip", "sourceTranslatedPort": "source.nat.port",
        "in": "source.bytes", "sproc": "process.name", "spid": "process.pid",
        "dst": "destination.ip", "dhost": "destination.domain", "dpt": "destination.port", "dmac": "destination.mac",
        "duid": "destination.user.id", "destinationTranslatedAddress": "destination.nat.ip",
        "destinationTranslatedPort": "destination.nat.port", "out": "destination.bytes",
        "dvc": "observer.ip", "dvchost": "observer.name", "deviceInboundInterface": "observer.ingress.interface.name",
        "deviceOutboundInterface": "observer.egress.interface.name", "deviceExternalId": "observer.serial_number",
        "request": "url.original", "requestMethod": "http.request.method",
        "requestClientApplication": "user_agent.original", "requestContext": "http.request.referrer",
        "fname": "file.name", "filePath": "file.path", "fsize": "file.size", "fileType": "file.type",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes have a CEF header near their beginning."""
    return raw.find(b"CEF:", 0, 400) >= 0 and CLAIM.search(raw[:400]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no CEF header with its six bars.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:600])
    header = HEADER.match(line, mark.end()) if mark else None
    if mark is None or header is None:
        reason = "no CEF line: CEF:0|vendor|product|version|class|name|severity| is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    parts = {
        name: _plain(part).strip() for name, part in zip(HEADER_PARTS, header.groups(), strict=True)
    }
    said = _extension(line[header.end() :])
    head = read_head(line, record, mark.start())
    fields = _fields(parts)
    observed_at = _time(said, head, record)
    _add_times(fields, said, record)
    _name_custom(said)
    named = dict(said)
    add(fields, NAMES, said, "cef")
    _complete(fields, parts, said)
    add_head(fields, head, record)
    _add_protection(fields, parts, named, record)
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _add_protection(
    fields: Fields, parts: dict[str, str], named: dict[str, str], record: RawRecord
) -> None:
    """What the line says of malware or of a machine's protection, where a mapping file knows its product."""
    row = {f"cef.{name}": said for name, said in parts.items()}
    row |= {fold(name.removeprefix("custom.")): said for name, said in named.items()}
    known = form_of(in_force(), row, cef=True)
    if known is None:
        return
    try:
        found = read_row(*known, row, record).fields
    except (
        ValueError
    ):  # a line of that product that says too little for it: it stays a line like any other
        return
    fields.update(found)


def _extension(text: str) -> dict[str, str]:
    """Names and values; the first of equal names stays."""
    pieces = KEY.split(text, MOST_KEYS)
    escaped = "\\" in text
    said: dict[str, str] = {}
    for name, value in zip(pieces[1::2], pieces[2::2], strict=True):
        if name not in said:
            said[name] = _plain(value.strip()) if escaped else value.strip()
    return said


def _plain(text: str) -> str:
    r"""``\n`` and ``\r`` are line ends, ``\=``, ``\|`` and ``\\`` the sign; a path's ``\W`` is left as it is."""
    if "\\" not in text:
        return text
    pieces = text.split("\\\\")
    return "\\".join(_without_signs(piece) if "\\" in piece else piece for piece in pieces)


def _without_signs(piece: str) -> str:
    for written, meant in (("\\=", "="), ("\\|", "|"), ("\\n", "\n"), ("\\r", "\r")):
        piece = piece.replace(written, meant)
    return piece


def _fields(parts: dict[str, str]) -> Fields:
    vendor, product = parts["vendor"], parts["product"]
    module = product_slug(vendor, product)
    fields: Fields = {
        "event.kind": "event",
        "event.module": module or "cef",
        "event.dataset": f"{module}.cef" if module else "cef",
    }
    named = {"observer.vendor": vendor, "observer.product": product, "event.code": parts["class"]}
    named |= {"observer.version": parts["version"], "cef.name": parts["name"]}
    named["cef.severity"] = parts["severity"]
    fields.update({name: value for name, value in named.items() if value})
    level = SEVERITY.get(parts["severity"].lower(), count(parts["severity"]))
    if level is not None and level <= 10:
        fields["event.severity"] = level
    return fields


def _time(said: dict[str, str], head: Head, record: RawRecord) -> datetime:
    for name in ("rt", "end", "start"):
        try:
            return from_written(said[name], record, us=True)
        except (KeyError, ValueError):
            continue
    return when(head, record)


def _add_times(fields: Fields, said: dict[str, str], record: RawRecord) -> None:
    for name in ("start", "end"):
        if name in said and (time := iso_time(said[name], record)):
            fields[f"event.{name}"] = time


def _name_custom(said: dict[str, str]) -> None:
    """``cs1`` with its label as ``custom.<label>``; one without a label keeps its own name."""
    for named in [name for name in said if name.endswith("Label") and CUSTOM.fullmatch(name)]:
        label, name = slug(said.pop(named))[:60], named[:-5]
        if name in said and label:
            said.setdefault(f"custom.{label}", said.pop(name))


def _complete(fields: Fields, parts: dict[str, str], said: dict[str, str]) -> None:
    """What takes more than one value to tell."""
    if isinstance(device := fields.get("observer.ip"), str):
        fields["observer.ip"] = [device]
    add_transport(fields, said.get("proto", ""))
    for end, user, domain in (("source", "suser", "sntdom"), ("destination", "duser", "dntdom")):
        add_user(fields, said.get(user, ""), prefix=f"{end}.user")
        if f"{end}.user.name" in fields and said.get(domain, "") not in NONE_OF_IT:
            fields.setdefault(f"{end}.user.domain", said[domain])
    _add_user(fields)
    if (way := DIRECTION.get(said.get("deviceDirection", ""))) is not None:
        fields["network.direction"] = way
    digest = said.get("fileHash", "")
    if len(digest) in HASHES and not digest.lower().strip("0123456789abcdef"):
        fields[f"file.hash.{HASHES[len(digest)]}"] = digest.lower()
    elif digest:
        fields["cef.fileHash"] = digest
    name, action = parts["name"], said.get("act", "")
    words = f"{name} {said.get('cat', '')} {parts['class']}"
    add_about(fields, action=action or name, words=words, outcome=said.get("outcome", ""))
    if "event.action" not in fields and (named := slug(name)):
        fields["event.action"] = named.replace("_", "-")
    if name:
        fields.setdefault("message", name)
        if fields["event.kind"] == "alert":
            fields["rule.name"] = name
            if parts["class"]:
                fields["rule.id"] = parts["class"]


def _add_user(fields: Fields) -> None:
    """The one who acts: the source's user, else the destination's."""
    for end in ("source", "destination"):
        if f"{end}.user.name" in fields:
            for part in ("name", "domain"):
                if f"{end}.user.{part}" in fields:
                    fields[f"user.{part}"] = fields[f"{end}.user.{part}"]
            return

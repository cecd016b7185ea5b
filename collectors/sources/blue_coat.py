"""Blue Coat (Symantec, Broadcom) ProxySG: access logs in the extended format (ELFF) with their ``#Fields:``.

Without that line the formats ``main`` and ``bcreportermain_v1`` are known by their columns. A request through the proxy
is of the network, not of a web server of ours. What ECS has no name for stays under ``blue_coat`` with its ELFF name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import port_number
from soc.normalise.network_words import add, add_user, table
from soc.normalise.program_lines import add_program, read_program_line
from soc.normalise.w3c_extended import columns, moment, named, taken_apart
from soc.normalise.web_words import NOTHING, add_duration, add_path, add_status

SOURCE = Source(
    name="blue_coat",
    product="Blue Coat (Symantec, Broadcom) ProxySG",
    arrives_by="file, syslog",
    reference="ProxySG Log Fields and Substitutions; 'Access Log Formats': main, bcreportermain_v1, ssl",
    namespaces=("blue_coat",),
)
START = (
    *("date", "time", "time-taken", "c-ip"),
)  # fmt: skip
REPORTER = (
    *START, "cs-username", "cs-auth-group", "x-exception-id", "sc-filter-result", "cs-categories", "cs-referer",
    "sc-status", "s-action", "cs-method", "rs-content-type", "cs-uri-scheme", "cs-host", "cs-uri-port", "cs-uri-path",
    "cs-uri-query", "cs-uri-extension", "cs-user-agent", "s-ip", "sc-bytes", "cs-bytes", "x-virus-id",
)  # fmt: skip
APPLICATION = (*REPORTER, "x-bluecoat-application-name", "x-bluecoat-application-operation")
MAIN = (
    *START, "sc-status", "s-action", "sc-bytes", "cs-bytes", "cs-method", "cs-uri-scheme", "cs-host", "cs-uri-path",
    "cs-uri-query", "cs-username", "s-hierarchy", "s-supplier-name", "rs-content-type", "cs-user-agent",
    "sc-filter-result", "sc-filter-category", "x-virus-id", "s-ip", "s-sitename",
)  # fmt: skip
LAYOUTS = (REPORTER, APPLICATION, MAIN)
OWN_NAMES = re.compile(
    rb"#(?:Software: SGOS|Fields:[^\n]{0,2000}? (?:s-action|x-exception-id|sc-filter-result|cs-categories)(?:\s|$))"
)
DATA = re.compile(
    rb"(?:[^#\n]{0,120}?[\s:])?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \d{1,9} [0-9A-Fa-f:.]{3,45} "
    rb"(?=[^\n]{0,1500}? \"?(?:OBSERVED|PROXIED|DENIED)\"? )(?=[^\n]{0,3000}? (?:TCP|UDP|ALLOWED|NONE)_?[A-Z_]{0,40} )"
)
DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
STATUS = re.compile(r"\d{1,3}")
NAMES = table(
    {
        "date": "", "time": "", "time-taken": "", "sc-status": "", "cs-uri-path": "", "cs-uri-query": "", "cs-uri": "",
        "cs-uri-scheme": "", "cs-username": "", "cs-uri-stem": "", "x-timestamp": "", "cs-userdn": "",
        "c-ip": "source.ip", "s-ip": "observer.ip", "r-ip": "destination.ip", "cs-ip": "destination.ip",
        "r-port": "destination.port", "cs-host": "url.domain", "cs-uri-port": "url.port",
        "cs-uri-extension": "url.extension", "cs-method": "http.request.method", "s-action": "event.action",
        "cs-user-agent": "user_agent.original", "cs-referer": "http.request.referrer",
        "rs-content-type": "http.response.mime_type", "sc-bytes": "http.response.body.bytes",
        "cs-bytes": "http.request.bytes", "cs-auth-group": "user.group.name", "s-supplier-ip": "destination.ip",
        "x-exception-id": "event.reason", "x-bluecoat-application-name": "network.application",
        "cs-auth-groups": "user.group.name", "s-computername": "observer.name", "x-virus-id": "threat.software.name",
        "x-rs-certificate-hostname": "tls.client.server_name",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes have ProxySG's columns, or look like a line of them."""
    if raw[:1] == b"#":
        return OWN_NAMES.match(raw[:4_000]) is not None
    told = raw.find(b"OBSERVED", 0, 2_000) > 0 or raw.find(b"PROXIED", 0, 2_000) > 0
    return (told or raw.find(b"DENIED", 0, 2_000) > 0) and DATA.match(raw[:4_000]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield an event for each line of the record.

    Raises:
        RecordError: it has neither ``#Fields:`` nor a line that begins with a date.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    taken = taken_apart(text)
    if not taken.names and not taken.remarks and not DATE.search(text[:200]):
        reason = "no ProxySG line: #Fields: or a line that begins with date and time is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    for line in taken.lines or [text]:
        begun = DATE.search(line[:200])
        values = columns(line[begun.start() :]) if begun and taken.lines else []
        said = named(values, taken.names, LAYOUTS, _fits)
        fields: Fields = {"event.kind": "event", "event.module": "blue_coat"}
        fields |= {"observer.vendor": "Blue Coat", "observer.product": "ProxySG"}
        fields["observer.type"] = "proxy"
        observed_at = moment(said) or (moment(dict(zip(START, values[:2], strict=False))))
        if said:
            _request(fields, said)
        else:
            fields |= {"event.dataset": "blue_coat.log", "message": line}
            fields["event.category"], fields["event.type"] = ["network"], ["info"]
        add_program(
            fields, read_program_line(line[: begun.start()] if begun else "", record), record
        )
        yield Event(
            source=SOURCE.name,
            observed_at=observed_at or record.collected_at or record.received_at,
            fields=fields,
            raw=record.raw,
        )


def _fits(said: Mapping[str, str]) -> bool:
    return (
        STATUS.fullmatch(said.get("sc-status", "0")) is not None
        and said.get("s-action", "TCP_").isupper()
        and port_number(said.get("cs-uri-port", "80")) is not None
    )


def _request(fields: Fields, said: dict[str, str]) -> None:
    fields["event.dataset"] = "blue_coat.proxy"
    fields["event.category"] = ["network"]
    add(fields, NAMES, said, "blue_coat")
    if isinstance(address := fields.get("observer.ip"), str):
        fields["observer.ip"] = [address]
    add_user(fields, said.get("cs-username", ""))
    add_status(fields, said.get("sc-status", ""))
    add_duration(fields, said.get("time-taken", ""), 1_000_000)
    _url(fields, said)
    result, action = said.get("sc-filter-result", ""), said.get("s-action", "")
    blocked = result == "DENIED" or "DENIED" in action
    fields["event.type"] = ["access", "denied" if blocked else "allowed"]
    if blocked:
        fields["event.outcome"] = "failure"
    if said.get("x-virus-id", "") not in NOTHING:
        fields["event.kind"] = "alert"
        fields["event.category"] = ["malware", "network"]


def _url(fields: Fields, said: Mapping[str, str]) -> None:
    scheme, host = said.get("cs-uri-scheme", ""), said.get("cs-host", "")
    path, query = (
        said.get("cs-uri-path") or said.get("cs-uri-stem", ""),
        said.get("cs-uri-query", ""),
    )
    if query and not query.startswith("?"):
        query = f"?{query}"
    extension = fields.get("url.extension")
    add_path(fields, f"{path}{query}")
    if extension:
        fields["url.extension"] = extension
    whole = said.get("cs-uri", "")
    if not whole and host:
        port = said.get("cs-uri-port", "")
        usual = port in {"", "80", "443"}
        whole = f"{scheme or 'http'}://{host}{'' if usual else f':{port}'}{path}{query}"
    if whole or path:
        fields["url.original"] = whole or f"{path}{query}"
    if scheme:
        fields["url.scheme"] = scheme.lower()

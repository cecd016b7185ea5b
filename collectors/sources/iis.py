"""Microsoft IIS: W3C extended access logs (``u_ex*.log``) and the HTTP.sys error log (``httperr*.log``).

Columns are those of ``#Fields:``; without it the defaults of IIS 6 to 10 are known by their columns. Times are UTC. IIS
writes a plus sign for a space in a value: in the user agent it is read back. What ECS has no name for stays under
``iis`` with its W3C name.
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
from soc.normalise.web_words import add_duration, add_path, add_status

SOURCE = Source(
    name="iis",
    product="Microsoft IIS (W3C access log, HTTP.sys error log)",
    arrives_by="file",
    reference="Microsoft Learn: 'W3C Logging', 'Error logging in HTTP APIs'",
    namespaces=("iis",),
)
DATE = ("date", "time")
ASKED = ("cs-method", "cs-uri-stem", "cs-uri-query", "s-port", "cs-username", "c-ip")
ANSWERED = ("sc-status", "sc-substatus", "sc-win32-status")
AGENT, REFERER = "cs-user-agent", "cs-referer"
LAYOUTS = (
    (*DATE, "s-ip", *ASKED, AGENT, REFERER, *ANSWERED, "time-taken"),  # IIS 8 to 10
    (*DATE, "s-ip", *ASKED, AGENT, *ANSWERED, "time-taken"),  # IIS 7
    (*DATE, "s-sitename", "s-ip", *ASKED, AGENT, *ANSWERED),  # IIS 6
    (*DATE, "s-ip", *ASKED, AGENT, REFERER, *ANSWERED, "sc-bytes", "cs-bytes", "time-taken"),
    (
        *(*DATE, "s-sitename", "s-computername", "s-ip", *ASKED, "cs-version", AGENT, "cs-cookie"),
        *(REFERER, "cs-host", *ANSWERED, "sc-bytes", "cs-bytes", "time-taken"),
    ),  # everything
    (
        *(*DATE, "c-ip", "c-port", "s-ip", "s-port", "cs-version", "cs-method", "cs-uri"),
        *("sc-status", "s-siteid", "s-reason", "s-queuename"),
    ),  # httperr
    (
        *(*DATE, "c-ip", "c-port", "s-ip", "s-port", "cs-version", "cs-method", "cs-uri", "streamid"),
        *("sc-status", "s-siteid", "s-reason", "s-queuename"),
    ),  # httperr of Windows Server 2019 and later
)  # fmt: skip
OWN_NAMES = re.compile(
    rb"#(?:Software: Microsoft (?:Internet Information|HTTP)|Version: 1\.0\s{1,4}#Date|"
    rb"Fields:(?![^\n]{0,2000}? (?:s-action|x-exception-id|cs-categories))"
    rb"[^\n]{0,2000}? (?:sc-substatus|sc-win32-status|cs-uri-stem|s-queuename|s-reason)(?:\s|$))"
)
DATA = re.compile(
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:[\w.-]{1,64} ){0,2}[0-9A-Fa-f:.%]{2,60} "
    rb"(?:[A-Z][A-Z_-]{1,30} [/*]\S{0,4000} \S{1,8000} \d{1,5} \S{1,300} [0-9A-Fa-f:.%]{2,60} |"
    rb"\d{1,5} [0-9A-Fa-f:.%]{2,60} \d{1,5} (?:HTTP/\d(?:\.\d)?|-) \S{1,30} \S{1,8000} )"
)
STARTS_WITH_A_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
NAMES = table(
    {
        "date": "", "time": "", "time-taken": "", "sc-status": "", "cs-uri-stem": "", "cs-uri-query": "", "cs-uri": "",
        "cs-username": "", AGENT: "", "s-sitename": "", "cs-host": "", "cs-version": "", "s-ip": "destination.ip",
        "s-port": "destination.port", "c-ip": "source.ip", "c-port": "source.port", "cs-method": "http.request.method",
        REFERER: "http.request.referrer", "sc-bytes": "http.response.bytes", "cs-bytes": "http.request.bytes",
        "s-computername": "host.name", "s-reason": "event.reason",
        "x-forwarded-for": "network.forwarded_ip", "s-siteid": "iis.site_id",
    }
)  # fmt: skip
CLAIMS_FROM = b"#12"


def claims(raw: bytes) -> bool:
    """Whether the bytes have the columns of IIS, or look like a line of them."""
    if raw[:1] == b"#":
        return OWN_NAMES.match(raw[:8_000]) is not None
    return raw[10:11] == b" " and DATA.match(raw[:8_000]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield an event for each line of the record.

    Raises:
        RecordError: it has neither ``#Fields:`` nor a line that begins with a date.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    taken = taken_apart(text)
    if not text.startswith("#") and not STARTS_WITH_A_DATE.match(text):
        reason = "no line of IIS: #Fields: or a line that begins with date and time is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    for line in taken.lines or [text]:
        values = columns(line) if taken.lines else []
        said = named(values, taken.names, LAYOUTS, _fits)
        fields: Fields = {"event.kind": "event", "event.module": "iis"}
        observed_at = moment(said) or moment(dict(zip(DATE, values[:2], strict=False)))
        if said:
            _request(fields, said)
        else:
            fields |= {"event.dataset": "iis.log", "message": line}
            fields["event.category"], fields["event.type"] = ["web"], ["info"]
        add_program(fields, read_program_line("", record), record)
        yield Event(
            source=SOURCE.name,
            observed_at=observed_at or record.collected_at or record.received_at,
            fields=fields,
            raw=record.raw,
        )


def _fits(said: Mapping[str, str]) -> bool:
    status, stem = said.get("sc-status", "200"), said.get("cs-uri-stem", "/")
    return (
        len(status) == 3
        and status.isdecimal()
        and stem[0] in "/*"
        and port_number(said.get("s-port", "80")) is not None
        and said.get("sc-win32-status", "0").isdecimal()
    )


def _request(fields: Fields, said: Mapping[str, str]) -> None:
    error = "s-reason" in said or "s-queuename" in said
    fields["event.dataset"] = "iis.error" if error else "iis.access"
    fields["event.category"], fields["event.type"] = ["web"], ["error" if error else "access"]
    add(fields, NAMES, said, "iis")
    add_user(fields, said.get("cs-username", ""))
    query = said.get("cs-uri-query", "")
    url = said.get("cs-uri") or f"{said.get('cs-uri-stem', '')}{'?' * bool(query)}{query}"
    if url:
        fields["url.original"] = url
        add_path(fields, url)
    _host(fields, said.get("cs-host", ""))
    agent = said.get(AGENT, "")
    if agent:
        fields["user_agent.original"] = agent if " " in agent else agent.replace("+", " ")
    if site := said.get("s-sitename"):
        fields["iis.site_name"] = site
    version = said.get("cs-version", "").removeprefix("HTTP/")
    if version:
        fields["http.version"] = version
    add_status(fields, said.get("sc-status", ""))
    if isinstance(size := fields.get("http.response.bytes"), int):
        fields["http.response.body.bytes"] = size
    add_duration(fields, said.get("time-taken", ""), 1_000_000)
    if error:
        fields["event.outcome"] = "failure"


def _host(fields: Fields, written: str) -> None:
    host, _, port = written.partition(":") if written.count(":") == 1 else (written, "", "")
    if host:
        fields["url.domain"] = host
    if (number := port_number(port)) is not None:
        fields["url.port"] = number

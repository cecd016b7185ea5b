"""The error log of nginx, by file or syslog.

Who asked (``client``), for what (``request``, ``host``) and what failed are read; lines of ModSecurity are another
reader's. What ECS has no name for stays under ``nginx``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, table
from soc.normalise.program_lines import BEFORE, ProgramLine, add_program, read_program_line
from soc.normalise.web_words import add_domain, add_path
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="nginx_error",
    product="nginx, error log",
    arrives_by="file, syslog",
    reference="nginx core, 'error_log'; ngx_log_error in src/core/ngx_log.c, ngx_http_log_error in src/http",
    namespaces=("nginx",),
)
LEVEL = r"(?:emerg|alert|crit|error|warn|notice|info|debug)"
MARK = rf"\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d \[{LEVEL}\] \d{{1,10}}#\d{{1,20}}: "
LINE = re.compile(
    rf"(?P<time>\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>{LEVEL})\] (?P<pid>\d{{1,10}})#(?P<tid>\d{{1,20}}): "
    r"(?:\*(?P<connection>\d{1,20}) )?(?P<words>.*)",
    re.DOTALL,
)
CLAIM = re.compile(BEFORE + rb"(?:[\w./-]{1,64}(?:\[\d{1,10}\])?: )?" + MARK.encode())
OF_MODSECURITY = b"ModSecurity: "
OUTSIDE = re.compile(r'"[^"]*+"|, client: (?P<client>[0-9A-Fa-f:.]{2,45}|unix:)(?=,|$)')
TOLD = re.compile(
    r', (?P<name>server|request|subrequest|upstream|host|referrer): (?:"(?P<quoted>[^"]*+)"|(?P<bare>[^,"]{1,300}))'
)
REQUEST = re.compile(r"([A-Z]{1,20}) (\S{1,8000})(?: HTTP/(\d(?:\.\d)?))?")
ERROR = re.compile(r".{0,4000}?\((?P<code>\d{1,5}): (?P<text>[^()]{1,120})\)", re.DOTALL)
FORMS = (
    form(r'(?:open\(\)|stat\(\)|directory index of|") ?"?(?P<path>[^"]{1,4000})"? (?:is forbidden|failed \(13: )',
         "access-refused", "web", "denied error", "failure"),
    form(r'(?:open\(\) )?"(?P<path>[^"]{1,4000})" (?:failed \(2: |is not found)', "file-not-found", "web", "error",
         "failure"),
    form(r"access forbidden by rule", "client-denied", "web", "denied error", "failure"),
    form(r'user "(?P<user>[^"]{1,256})"(?:: password mismatch| was not found in)', "login", "authentication web",
         "start", "failure"),
    form(r"no user/password was provided", "login", "authentication web", "start", "failure"),
    form(r"(?:limiting|delaying) (?:requests|connections)(?:, excess: \S{1,20})? by zone \"(?P<zone>[^\"]{1,100})\"",
         "rate-limited", "web", "denied error", "failure"),
    form(r"client sent (?:invalid|too long|too large|duplicate|plain HTTP)", "invalid-request", "web", "error",
         "failure"),
    form(r"client intended to send too large body", "request-too-large", "web", "denied error", "failure"),
    form(r"(?:SSL_do_handshake\(\) failed|SSL_read\(\) failed|peer closed connection in SSL handshake)",
         "tls-failed", "network web", "error", "failure"),
    form(r"(?:upstream|connect\(\) failed|no live upstreams|recv\(\) failed)", "upstream-failed", "web", "error",
         "failure"),
    form(r"worker process (?P<child>\d{1,10}) exited on signal (?P<signal>\d{1,3})", "worker-crashed", "process",
         "end error", "failure"),
    form(r"(?:start worker process|using the \"|nginx/)", "started", "process", "info", "success"),
    form(r"(?:gracefully shutting down|signal 15 |exiting|exit$)", "stopped", "process", "end", "success"),
)  # fmt: skip
NAMES = table(
    {
        "user": "user.name", "path": "file.path", "zone": "nginx.zone", "child": "nginx.child_pid",
        "signal": "nginx.signal", "upstream": "nginx.upstream", "server": "nginx.server",
        "referrer": "http.request.referrer", "connection": "nginx.connection",
    }
)  # fmt: skip
WORDS = {"emerg": "emergency", "crit": "critical", "warn": "warning", "info": "informational"}
WORSE = frozenset({"emerg", "alert", "crit", "error"})


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of nginx's error log that is not ModSecurity's."""
    if raw.find(b"#", 0, 400) < 0 or CLAIM.match(raw[:400]) is None:
        return False
    return OF_MODSECURITY not in raw[:1_200]


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no time, level and process.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    plain = text[:1].isdecimal() and LINE.match(text) is not None
    line = read_program_line("" if plain else text, record)
    parts = LINE.fullmatch(text if plain else line.message)
    if parts is None:
        reason = "no line of nginx's error log: time [level] process#thread: is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {
        "event.kind": "event",
        "event.module": "nginx",
        "event.dataset": "nginx.error",
        "event.category": ["web"],
        "event.type": ["error" if parts["level"] in WORSE else "info"],
    }
    _say(fields, parts)
    line = line._replace(program=line.program or "nginx", pid=parts["pid"])
    add_program(fields, line, record)
    fields["log.level"] = WORDS.get(parts["level"], parts["level"])
    yield Event(
        source=SOURCE.name,
        observed_at=_time(parts["time"], line, record),
        fields=fields,
        raw=record.raw,
    )


def _say(fields: Fields, parts: re.Match[str]) -> None:
    words, said = parts["words"], {}
    client = next((one for one in OUTSIDE.finditer(words[:30_000]) if one["client"]), None)
    if client is not None:
        if (address := ip_address(client["client"])) is not None:
            fields["source.ip"] = address
        said = {
            one["name"]: one["quoted"] or one["bare"] or ""
            for one in TOLD.finditer(words[:60_000], client.end())
        }
        words = words[: client.start()]
    if words:
        fields["message"] = words
    if found := ERROR.match(words):
        fields["error.code"], fields["error.message"] = found["code"], found["text"]
    _request(fields, said)
    said["connection"] = parts["connection"] or ""
    said |= say(fields, FORMS, words)
    add(fields, NAMES, {name: value for name, value in said.items() if name in NAMES}, "nginx")


def _request(fields: Fields, said: dict[str, str]) -> None:
    request = REQUEST.fullmatch(said.get("request", "")[:9_000])
    if request is not None:
        fields["http.request.method"], fields["url.original"] = request[1], request[2]
        add_path(fields, request[2])
        if request[3]:
            fields["http.version"] = request[3]
    elif said.get("request"):
        fields["url.original"] = said["request"]
    add_domain(fields, said.get("host", ""))
    fields.pop("destination.ip", None)  # the name asked for, not where the server is


def _time(written: str, line: ProgramLine, record: RawRecord) -> datetime:
    try:
        return from_written(written, record)
    except ValueError:
        return line.observed_at(record)

"""Postfix: who connects and signs in, what is taken, refused, queued and delivered, by syslog.

A line is an event; the queue id (``email.local_id``) holds the lines of one message together. What ECS has no name for
stays under ``postfix``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, table
from soc.normalise.program_lines import add_program, read_program_line

SOURCE = Source(
    name="postfix",
    product="Postfix",
    arrives_by="syslog",
    reference="Postfix documentation: postconf(5), smtpd(8), cleanup(8), qmgr(8), smtp(8), postscreen(8): LOGGING",
    namespaces=("postfix",),
)
CLAIMS_PROGRAMS = re.compile(r"postfix[\w-]{0,40}(?:/[\w-]{1,40}){1,3}")
TAG = re.compile(r"postfix[\w-]{0,40}(?:/(?P<service>[\w-]{1,40}))?/(?P<daemon>[\w-]{1,40})")
QUEUED = re.compile(
    r"(?P<queue>[0-9A-F]{6,20}|[0-9A-Za-z]{10,20}|NOQUEUE): (?P<words>.*)", re.DOTALL
)
HOST = (
    r"(?P<host>[\w.:-]{1,255})?\[(?P<address>[0-9A-Fa-f:.]{2,45}|unknown)\](?::(?P<port>\d{1,5}))?"
)
ENVELOPE = (
    r"(?:.{0,1500}?;? ?from=<(?P<from>[^>]{0,320})>,? ?(?:to=<(?P<to>[^>]{0,320})>)?,? ?"
    r"(?:proto=(?P<proto>\w{1,10}),? ?)?(?:helo=<(?P<helo>[^>]{0,255})>)?)?"
)
SIGN_IN, MAIL = "authentication email", "email"
FORMS = (
    form(rf"connect from {HOST}", "connect", "email network", "start"),
    form(rf"disconnect from {HOST}(?: (?P<counts>.{{1,300}}))?", "disconnect", "email network", "end"),
    form(rf"(?:lost connection|timeout) after (?P<step>\S{{1,40}}(?: \(.{{1,60}}?\))?) from {HOST}", "connection-lost",
         "email network", "end"),
    form(rf"client={HOST}(?:, sasl_method=(?P<method>[\w-]{{1,40}}), sasl_username=(?P<user>[^,\s]{{1,320}}))", "login",
         SIGN_IN, "start", "success"),
    form(rf"client={HOST}", "received", MAIL, "info", "success"),
    form(rf"warning: {HOST}: SASL (?P<method>[\w-]{{1,40}}) authentication failed:?(?: (?P<reason>.{{0,200}}?))?"
         r"(?:, sasl_username=(?P<user>\S{1,320}))?$", "login", SIGN_IN, "start", "failure"),
    form(rf"(?:milter-)?reject: (?P<step>[A-Z-]{{1,20}}) from {HOST}: (?P<reason>.{{1,600}}?)(?:; "
         rf"|$){ENVELOPE}", "reject",
         MAIL, "denied", "failure"),
    form(rf"(?P<step>discard|hold|filter|redirect|warning|warn|info|replace|prepend): (?P<reason>.{{1,600}}?) "
         rf"from {HOST}(?:; |: ){ENVELOPE}", "header-check", MAIL),
    form(r"message-id=(?P<message_id>.{1,998})", "message-id", MAIL),
    form(r"from=<(?P<from>[^>]{0,320})>, size=(?P<size>\d{1,12}), nrcpt=(?P<recipients>\d{1,9})", "queued",
         MAIL, "info",
         "success"),
    form(r"from=<(?P<from>[^>]{0,320})>, status=(?P<status>expired), (?P<reason>.{1,300})", "expired", MAIL, "info",
         "failure"),
    form(r"to=<(?P<to>[^>]{0,320})>,(?: orig_to=<(?P<orig_to>[^>]{0,320})>,)? relay=(?P<relay>[^,]{1,400}),"
         r"(?: conn_use=\d{1,9},)? delay=(?P<delay>[\d.]{1,16}), (?:delays=(?P<delays>[\d./]{1,60}), )?"
         r"dsn=(?P<dsn>[\d.]{1,12}), status=(?P<status>\w{1,20})(?: \((?P<reason>.{0,1500})\))?", "delivery", MAIL),
    form(r"uid=(?P<uid>\d{1,10}) from=<(?P<from>[^>]{0,320})>", "submitted", MAIL, "info", "success"),
    form(r"removed", "removed", MAIL),
    form(r"(?:sender|postmaster) (?P<step>.{1,40}? notification): (?P<notice>\w{1,20})", "notification", MAIL),
    form(r"(?P<step>CONNECT|PASS NEW|PASS OLD|WHITELISTED|ALLOWLISTED|DISCONNECT|PREGREET|HANGUP|DNSBL rank "
         r"\d{1,6} for|"
         r"BLACKLISTED|DENYLISTED|BARE NEWLINE|NON-SMTP COMMAND|COMMAND \w{1,20} LIMIT)(?: .{0,60}?)?"
         r" ?\[(?P<address>[0-9A-Fa-f:.]{2,45})\]:(?P<port>\d{1,5})", "postscreen", "email network"),
    form(r"(?:Anonymous|Untrusted|Trusted|Verified) TLS connection established (?P<way>from|to) "
         rf"{HOST}: (?P<tls>\S{{1,20}}) with cipher (?P<cipher>\S{{1,60}})", "tls", "email network", "info", "success"),
    form(r"warning: (?P<reason>hostname \S{1,255} (?:does not resolve to address|verification failed:) ?"
         r"(?P<address>[0-9A-Fa-f:.]{0,45}).{0,200})", "host-not-verified", "email network"),
    form(rf"warning: (?P<reason>[\w -]{{1,60}} limit exceeded: \S{{1,20}}) from {HOST}", "rate-limited", MAIL, "denied",
         "failure"),
    form(r"(?P<level>fatal|panic|error|warning): (?P<reason>.{1,600})", "problem", "", "error"),
)  # fmt: skip
RELAY = re.compile(
    r"(?P<host>[\w.-]{1,255})\[(?P<address>[0-9A-Fa-f:.]{2,45}|[^\]]{1,255})\](?::(?P<port>\d{1,5}))?"
)
OUTCOMES = {
    "sent": "success", "deliverable": "success", "bounced": "failure", "deferred": "failure", "expired": "failure",
    "undeliverable": "failure", "softbounce": "failure",
}  # fmt: skip
CODE = re.compile(r"(?P<code>[245]\d\d) ")
NAMES = table(
    {
        "host": "", "address": "", "port": "", "user": "", "to": "", "relay": "", "delay": "", "uid": "user.id",
        "from": "email.from.address", "message_id": "email.message_id", "reason": "event.reason", "tls": "tls.version",
        "cipher": "tls.cipher", "size": "postfix.size",
    }
)  # fmt: skip


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is not of a program of Postfix.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    line = read_program_line(text, record)
    tag = TAG.fullmatch(line.tag)
    if tag is None:
        reason = "no line of Postfix: postfix/smtpd[1]: is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {
        "event.kind": "event",
        "event.module": "postfix",
        "event.dataset": "postfix.log",
    }
    fields["event.category"], fields["event.type"] = ["email"], ["info"]
    if line.message:
        fields["message"] = line.message
    if tag["service"]:
        fields["postfix.service"] = tag["service"]
    queued = QUEUED.fullmatch(line.message)
    if queued is not None and queued["queue"] != "NOQUEUE":
        fields["email.local_id"] = queued["queue"]
    said = say(fields, FORMS, queued["words"] if queued else line.message)
    _complete(fields, said)
    add(fields, NAMES, said, "postfix")
    add_program(fields, line, record)
    yield Event(
        source=SOURCE.name,
        observed_at=line.observed_at(record),
        fields=fields,
        raw=record.raw,
    )


def _complete(fields: Fields, said: dict[str, str]) -> None:
    """What takes more than one value to tell."""
    end = "destination" if said.get("way") == "to" else "source"
    _end(fields, end, said)
    if to := said.get("to"):
        fields["email.to.address"] = [to]
    if user := said.get("user"):
        fields["user.name"] = user
        if "@" in user:
            fields["user.email"] = user
    if relay := RELAY.fullmatch(said.get("relay", "")):
        _end(
            fields, "destination", {name: value or "" for name, value in relay.groupdict().items()}
        )
    elif said.get("relay") not in (None, "none"):
        fields["postfix.relay"] = said["relay"]
    if status := said.get("status"):
        fields["event.action"] = f"{fields['event.action']}-{status}"
        fields["event.outcome"] = OUTCOMES.get(status, "unknown")
    if code := CODE.match(said.get("reason", "")):
        fields["event.code"] = code["code"]
    if delay := said.get("delay"):
        fields["event.duration"] = _nanoseconds(delay)


def _nanoseconds(seconds: str) -> int:
    try:
        return min(round(float(seconds) * 1e9), 2**63 - 1)
    except ValueError:  # two points
        return 0


def _end(fields: Fields, end: str, said: dict[str, str]) -> None:
    if (address := ip_address(said.get("address", ""))) is not None:
        fields[f"{end}.ip"] = address
    if said.get("host", "unknown") not in ("unknown", ""):
        fields[f"{end}.domain"] = said["host"]
    if (port := port_number(said.get("port") or "")) is not None:
        fields[f"{end}.port"] = port

"""OpenVPN servers and clients: connections, certificates, passwords, addresses given, by syslog or file.

A line's client stands before its words (``lan/203.0.113.9:51234``). What ECS has no name for stays under ``openvpn``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, table
from soc.normalise.program_lines import (
    ProgramLine,
    add_program,
    read_program_line,
)
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="openvpn",
    product="OpenVPN 2.3 and later",
    arrives_by="syslog, file",
    reference="OpenVPN 2.6 manual, '--log', '--verb'; the texts of src/openvpn: multi.c, ssl.c, ssl_verify.c",
    namespaces=("openvpn",),
)
TIME = r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d \d{4})"
FILE = re.compile(rf"(?P<time>{TIME})(?: us=(?P<us>\d{{1,6}}))? ")
WHO = r"(?:[^\s/]{1,256}/)?(?:(?:udp|tcp)[46]?(?:-server)?:)?\[?[0-9A-Fa-f:.]{2,45}\]?:\d{1,5}"
WORDS = (
    r"(?:TLS|VERIFY|MULTI|MULTI_sva|SIGTERM|SIGUSR1|SENT CONTROL|PUSH|peer info|Control Channel|Data Channel|"
    r"Outgoing Data|Incoming Data|PLUGIN_CALL|AUTH|CRL|Connection reset|\[[^\]]{0,256}\] (?:Peer|Inactivity))"
)
CLAIM = re.compile(
    rf"{TIME}(?: us=\d{{1,6}})? (?:{WHO} {WORDS}|OpenVPN \d\.\d|Initialization Sequence Completed|MULTI: "
    rf"|VERIFY )".encode()
)
CLAIMS_PROGRAMS = re.compile(r"(?:openvpn[\w@.-]{0,40}|ovpn-[\w@.-]{1,60})")
CLIENT = re.compile(
    r"(?:(?P<name>[^\s/]{1,256})/)?(?:(?:udp|tcp)[46]?(?:-server)?:)?\[?(?:AF_INET6?\])?"
    r"(?P<address>[0-9A-Fa-f:.]{2,45}?)\]?:(?P<port>\d{1,5}) (?P<words>.*)",
    re.DOTALL,
)
PEER = r"\[AF_INET6?\]\[?(?P<address>[0-9A-Fa-f:.]{2,45}?)\]?:(?P<port>\d{1,5})"
SIGN_IN, NETWORK, SESSION = "authentication network", "network", "session network"
FORMS = (
    form(r"TLS: Username/Password authentication (?P<verdict>succeeded|deferred) for username '(?P<user>[^']{0,256})'",
         "login", SIGN_IN, "start", "success"),
    form(r"TLS Auth Error: (?P<reason>.{1,300})", "login", SIGN_IN, "start", "failure"),
    form(r"(?:SENT CONTROL \[(?P<user>[^\]]{0,256})\]: '(?P<reason>AUTH_FAILED[^']{0,100})'|"
         r"AUTH: Received control message: (?P<said>AUTH_FAILED.{0,100}))", "login-refused", SIGN_IN, "start",
         "failure"),
    form(r"(?P<reason>LDAP bind failed: .{1,300})", "login", SIGN_IN, "start", "failure"),
    form(r"(?P<reason>Incorrect password supplied) for LDAP DN \"(?P<dn>[^\"]{1,500})\"", "login", SIGN_IN, "start",
         "failure"),
    form(r"PLUGIN_CALL: POST (?P<plugin>\S{1,300})/PLUGIN_AUTH_USER_PASS_VERIFY status=(?P<status>\d{1,3})",
         "plugin-verify", NETWORK),
    form(rf"\[(?P<cn>[^\]]{{0,256}})\] Peer Connection Initiated with {PEER}", "connected", SESSION, "start",
         "success"),
    form(rf"TLS: Initial packet from {PEER}", "connect", NETWORK, "connection start"),
    form(r"VERIFY OK: depth=(?P<depth>\d{1,3}), (?P<subject>.{1,500})", "certificate-verified", SIGN_IN, "info",
         "success"),
    form(r"VERIFY (?:\w{1,6} )?ERROR:? ?(?:depth=(?P<depth>\d{1,3}), error=(?P<reason>[^:]{1,200}): "
         r"(?P<subject>.{1,500}))?", "certificate-refused", SIGN_IN, "info", "failure"),
    form(r"MULTI(?:_sva)?: (?:pool returned IPv4=|primary virtual IP for \S{1,300}?: |Learn: )"
         r"(?P<inner>[0-9A-Fa-f:.]{2,45})", "address-assigned", NETWORK, "info", "success"),
    form(r"MULTI: bad source address from client \[(?P<inner>[0-9A-Fa-f:.]{2,45})\]", "address-refused", NETWORK,
         "denied", "failure"),
    form(r"MULTI: new connection by client '(?P<cn>[^']{1,256})' will cause previous active sessions", "replaced",
         SESSION, "info"),
    form(r"(?:SIGTERM|SIGUSR1)\[(?P<reason>[^\]]{1,80})\] received, client-instance (?:exiting|restarting)",
         "disconnected",
         SESSION, "end"),
    form(r"\[(?P<cn>[^\]]{0,256})\] (?P<reason>Inactivity timeout)", "disconnected", SESSION, "end"),
    form(rf"(?:TLS Error: (?P<reason>.{{1,200}}? from) {PEER}|TLS Error: (?P<said>.{{1,300}}))", "tls-error", NETWORK,
         "error", "failure"),
    form(r"Connection reset, restarting", "connection-reset", NETWORK, "end"),
    form(r"peer info: (?P<info>IV_\w{1,40}=.{1,200})", "peer-info", NETWORK),
    form(r"(?:OpenVPN \d|Initialization Sequence Completed)", "started", NETWORK),
    form(r"SIGTERM\[", "stopped", NETWORK),
)  # fmt: skip
NAMES = table(
    {
        "name": "", "address": "", "port": "", "words": "", "user": "", "cn": "", "said": "event.reason",
        "reason": "event.reason", "subject": "tls.client.subject", "info": "openvpn.peer_info",
    }
)  # fmt: skip
COMMON_NAME = re.compile(r"(?:^|, ?|/)CN=(?P<cn>[^,/]{1,256})")
CLAIMS_FROM = b"0123456789FMSTW"  # a date, or a day of the week


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of a file of OpenVPN."""
    return raw[10:11] in b" 1234567890" and CLAIM.match(raw[:500]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is neither of the program openvpn nor a line of its file.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    own = FILE.match(text) if CLAIM.match(record.raw[:500].lstrip()) else None
    line = read_program_line("" if own else text, record)
    if own is None and not line.program.startswith(("openvpn", "ovpn-")):
        reason = "no line of OpenVPN: openvpn[1]: or a time and its words are expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    words = text[own.end() :] if own else line.message
    fields: Fields = {"event.kind": "event", "event.module": "openvpn"}
    fields["event.dataset"] = "openvpn.log"
    fields["event.category"], fields["event.type"] = ["network"], ["info"]
    _say(fields, words)
    add_program(fields, line._replace(program=line.program or "openvpn"), record)
    yield Event(
        source=SOURCE.name,
        observed_at=_time(own, line, record),
        fields=fields,
        raw=record.raw,
    )


def _say(fields: Fields, words: str) -> None:
    if words:
        fields["message"] = words
    client = CLIENT.fullmatch(words)
    said = {name: value for name, value in (client.groupdict() if client else {}).items() if value}
    said |= say(fields, FORMS, client["words"] if client else words)
    user = said.get("user") or said.get("cn") or said.get("name", "")
    subject = COMMON_NAME.search(said.get("subject", ""))
    if subject is not None and said.get("depth") == "0":
        user = user or subject["cn"]
    if user not in ("", "UNDEF"):
        fields["user.name"] = user
    if (address := ip_address(said.get("address", ""))) is not None:
        fields["source.ip"] = address
    if (port := port_number(said.get("port", ""))) is not None:
        fields["source.port"] = port
    if fields.get("event.action") == "plugin-verify":
        fields["event.outcome"] = "success" if said.get("status") in ("0", "2") else "failure"
    add(fields, NAMES, said, "openvpn")


def _time(own: re.Match[str] | None, line: ProgramLine, record: RawRecord) -> datetime:
    if own is None:
        return line.observed_at(record)
    try:
        return from_written(own["time"], record).replace(microsecond=int(own["us"] or 0))
    except ValueError:
        return line.observed_at(record)

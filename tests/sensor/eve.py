"""A sensor's record seen as Suricata's EVE would write it, for comparing both; only what both say.

A key of EVE is either read from our record, or left out with a reason in ``LEFT_OUT``; any other key is an error of
this table, and the test says so.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

Record = Mapping[str, Any]

RECORD_OF = {"krb5": "kerberos"}
LEFT_OUT = {
    "pcap_cnt": "the number of the packet in the file; compared for QUIC, by the record's time",
    "tx_id": "a counter of Suricata's; compared for SMTP, where it numbers a connection's mails",
    "dns.tx_id": "a counter of Suricata's",
    "dns.version": "the version of EVE's own format",
    "flow.alerted": "whether Suricata's rules matched",
    "flow.reason": "why Suricata ended the flow",
    "flow.bytes_toserver": "frames there, IP packets here",
    "flow.bytes_toclient": "frames there, IP packets here",
    "tcp.tcp_flags": "of a session there, of all packets here",
    "tcp.tcp_flags_ts": "of a session there, of all packets here",
    "tcp.tcp_flags_tc": "of a session there, of all packets here",
    "email.status": "the state of Suricata's parser",
    "app_proto_orig": "the state of Suricata's parser",
    "tls.version": "of the hello there, of the agreement here",
}
FLAGS = {"syn": "S", "ack": "A", "psh": "P", "rst": "R", "fin": "F"}
PARAMETERS = {1: "subnet_mask", 3: "router", 6: "dns_server", 15: "domain"}
EXTENSIONS = {0: "server_name", 10: "supported_groups", 16: "alpn", 43: "supported_versions"}
PROTOCOL_OF = {"krb5": "kerberos", "failed": ""}


def _plain(name: str) -> Callable[[Record], Any]:
    return lambda record: record.get(name)


def _lower(name: str) -> Callable[[Record], Any]:
    return lambda record: str(record.get(name, "")).lower()


def _flags(record: Record) -> str:
    return f"{record.get('sensor.tcp.source_flags', '')}{record.get('sensor.tcp.destination_flags', '')}"


def _headers(side: str) -> Callable[[Record], list[dict[str, str]]]:
    def read(record: Record) -> list[dict[str, str]]:
        pairs = (one.split(": ", 1) for one in record.get(f"sensor.http.{side}.headers", []))
        return [{"name": name, "value": value} for name, value in pairs]

    return read


def _answers(record: Record) -> list[dict[str, Any]]:
    columns = [record.get(f"dns.answers.{name}", []) for name in ("data", "name", "type", "ttl")]
    return [
        {"rdata": data, "rrname": name, "rrtype": kind, "ttl": ttl}
        for data, name, kind, ttl in zip(*columns, strict=True)
    ]


def _grouped(record: Record) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in _answers(record):
        found.setdefault(one["rrtype"], []).append(one["rdata"])
    return found


SOA = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")


def _authorities(record: Record) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    lives = record.get("sensor.dns.authority_ttls", [])
    for said in record.get("sensor.dns.authorities", []):
        name, kind, value = said.split(" ", 2)
        one: dict[str, Any] = {"rrname": name, "rrtype": kind, "rdata": value}
        one["ttl"] = lives[len(found)] if len(found) < len(lives) else None
        if kind == "SOA":
            one["soa"] = dict(zip(SOA, value.split(" "), strict=True))
        found.append(one)
    return found


def _queries(record: Record) -> list[dict[str, Any]]:
    if "dns.question.name" not in record:
        return []
    return [{"rrname": record["dns.question.name"], "rrtype": record["dns.question.type"]}]


def _dns_flags(record: Record) -> str:
    bits = {"AA": 0x0400, "TC": 0x0200, "RD": 0x0100, "RA": 0x0080, "AD": 0x0020, "CD": 0x0010}
    value = 0x8000 if record.get("dns.type") == "answer" else 0
    value |= sum(bits[one] for one in record.get("dns.header_flags", []))
    codes = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
    return f"{value | codes.index(record.get('dns.response_code', 'NOERROR')):x}"


def _extensions(record: Record) -> list[dict[str, Any]]:
    found = []
    side = "client" if "sensor.tls.client.extensions" in record else "server"
    for kind in record.get(f"sensor.tls.{side}.extensions", []):
        one: dict[str, Any] = {"name": EXTENSIONS.get(kind, str(kind))}
        if kind == 0:
            one["values"] = [record.get("tls.client.server_name")]
        elif kind == 16:
            one["values"] = record.get("sensor.tls.client.protocols")
        found.append(one)
    return found


def _bracketed(name: str) -> Callable[[Record], Any]:
    def read(record: Record) -> Any:
        value = record.get(name)
        if isinstance(value, list):
            return [f"<{one}>" for one in value]
        return None if value is None else f"<{value}>"

    return read


def _age(record: Record) -> int:
    start, end = record["event.start"], record["event.end"]
    seconds = [
        int(one[17:19]) + 60 * int(one[14:16]) + 3600 * int(one[11:13]) for one in (start, end)
    ]
    return seconds[1] - seconds[0]


def _icmp_answer(record: Record) -> int | None:
    answered = record["destination.packets"] > 0
    return {8: 0, 128: 129}.get(record.get("sensor.icmp.type", -1)) if answered else None


def _comma_list(name: str) -> Callable[[Record], Any]:
    def read(record: Record) -> Any:
        value = record.get(name)
        if value is None:
            return None
        parts = re.findall(r'(?:"[^"]*"|[^,"])+', value)
        return [one.strip() for one in parts]

    return read


READ: dict[str, Callable[[Record], Any]] = {
    "pcap_cnt": _plain("eve.pcap_cnt"),
    "tx_id": _plain("eve.tx_id"),
    "vlan": lambda record: [int(record["network.vlan.id"])] if "network.vlan.id" in record else [],
    "proto": lambda record: {"IPV6-ICMP": "IPv6-ICMP"}.get(
        record["network.transport"].upper(), record["network.transport"].upper()
    ),
    "app_proto": lambda record: record.get("network.protocol", ""),
    "icmp_type": _plain("sensor.icmp.type"),
    "icmp_code": _plain("sensor.icmp.code"),
    "response_icmp_type": _icmp_answer,
    "response_icmp_code": _plain("sensor.icmp.code"),
    "flow.pkts_toserver": _plain("source.packets"),
    "flow.pkts_toclient": _plain("destination.packets"),
    "flow.state": _plain("sensor.flow.state"),
    "flow.age": _age,
    "tcp.state": _plain("sensor.flow.state"),
    **{
        f"tcp.{name}": (lambda record, one=one: one in _flags(record))
        for name, one in FLAGS.items()
    },
    "dns.id": _plain("dns.id"),
    "dns.type": _plain("dns.type"),
    "dns.queries": _queries,
    "dns.rrname": _plain("dns.question.name"),
    "dns.rrtype": _plain("dns.question.type"),
    "dns.rcode": _plain("dns.response_code"),
    "dns.flags": _dns_flags,
    "dns.qr": lambda record: record.get("dns.type") == "answer",
    "dns.aa": lambda record: "AA" in record.get("dns.header_flags", []),
    "dns.ra": lambda record: "RA" in record.get("dns.header_flags", []),
    "dns.rd": lambda record: "RD" in record.get("dns.header_flags", []),
    "dns.answers": _answers,
    "dns.grouped": _grouped,
    "dns.authorities": _authorities,
    "http.hostname": _plain("url.domain"),
    "http.url": _plain("url.original"),
    "http.status": _plain("http.response.status_code"),
    "http.length": _plain("http.response.body.bytes"),
    "http.http_method": _plain("http.request.method"),
    "http.http_user_agent": _plain("user_agent.original"),
    "http.http_refer": _plain("http.request.referrer"),
    "http.http_content_type": _plain("http.response.mime_type"),
    "http.protocol": lambda record: f"HTTP/{record.get('http.version')}",
    "http.request_headers": _headers("request"),
    "http.response_headers": _headers("response"),
    "tls.sni": _plain("tls.client.server_name"),
    "tls.ja4": _plain("labels.ja4"),
    "tls.client_handshake.version": _plain("sensor.tls.client.version"),
    "tls.client_handshake.ciphers": lambda record: [
        int(one, 16) for one in record.get("tls.client.supported_ciphers", [])
    ],
    "tls.client_handshake.exts": _plain("sensor.tls.client.extensions"),
    "tls.client_handshake.sig_algs": _plain("sensor.tls.client.signature_algorithms"),
    "quic.extensions": _extensions,
    "quic.cyu": lambda record: [
        {"hash": record.get("sensor.quic.cyu_hash"), "string": record.get("sensor.quic.cyu")}
    ],
    "ssh.client.proto_version": _plain("sensor.ssh.client.version"),
    "ssh.client.software_version": _plain("sensor.ssh.client.software"),
    "ssh.server.proto_version": _plain("sensor.ssh.server.version"),
    "ssh.server.software_version": _plain("sensor.ssh.server.software"),
    "smtp.helo": _plain("sensor.smtp.helo"),
    "smtp.mail_from": _bracketed("sensor.smtp.mail_from"),
    "smtp.rcpt_to": _bracketed("sensor.smtp.rcpt_to"),
    "email.from": _plain("sensor.smtp.from"),
    "email.to": _comma_list("sensor.smtp.to"),
    "email.cc": _comma_list("sensor.smtp.cc"),
    "email.received": _plain("sensor.smtp.received"),
    "email.attachment": _plain("email.attachments.file.name"),
    "email.url": _plain("sensor.smtp.urls"),
    "ftp.command": _plain("sensor.ftp.command"),
    "ftp.dynamic_port": _plain("sensor.ftp.data_port"),
    "dhcp.type": _plain("sensor.dhcp.operation"),
    "dhcp.dhcp_type": _plain("sensor.dhcp.type"),
    "dhcp.params": lambda record: [
        PARAMETERS[one] for one in record.get("sensor.dhcp.asked_options", []) if one in PARAMETERS
    ],
    "dhcp.vendor_class_identifier": _plain("sensor.dhcp.vendor_class"),
    "dhcp.relay_ip": lambda record: record.get("sensor.dhcp.relay_ip", "0.0.0.0"),
    **{
        f"dhcp.{name}": _plain(f"sensor.dhcp.{name}")
        for name in (
            *("id", "client_mac", "client_ip", "assigned_ip", "next_server_ip", "client_id"),
            *("hostname", "dns_servers", "routers", "subnet_mask"),
            *("lease_time", "renewal_time", "rebinding_time"),
        )
    },
    "krb5.msg_type": _plain("sensor.kerberos.message"),
    "krb5.failed_request": _plain("sensor.kerberos.failed_request"),
    "krb5.ticket_encryption": _plain("sensor.kerberos.ticket_encryption"),
    "krb5.ticket_weak_encryption": _plain("sensor.kerberos.ticket_encryption_is_weak"),
}
ENDS = {
    "src_ip": ("source.ip", "destination.ip"),
    "dest_ip": ("destination.ip", "source.ip"),
    "src_port": ("source.port", "destination.port"),
    "dest_port": ("destination.port", "source.port"),
}
STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def unknown_keys(match: Mapping[str, Any]) -> set[str]:
    """Keys that this table does not know: neither read nor left out."""
    return {
        key
        for key in match
        if key not in LEFT_OUT
        and key not in ENDS
        and key not in ("event_type", "not-has-key")
        and _owner(key) is None
    }


def matches(record: Record, match: Mapping[str, Any]) -> bool:
    """Whether a record of ours is one that the filter of a test.yaml would count."""
    kind = str(match["event_type"])
    if record["record"] != RECORD_OF.get(kind, kind):
        return False
    if kind == "dns" and record.get("network.protocol") != "dns":
        return False
    if any(_has(record, key) for key in absent_keys(match)):
        return False
    return all(
        _agrees(record, key, wanted, match)
        for key, wanted in match.items()
        if key not in ("event_type", "not-has-key") and (key not in LEFT_OUT or is_read(kind, key))
    )


def is_read(kind: str, key: str) -> bool:
    """Whether a key of ``LEFT_OUT`` is compared for this type of record after all."""
    return (kind, key) in (("quic", "pcap_cnt"), ("smtp", "tx_id"))


def absent_keys(match: Mapping[str, Any]) -> list[str]:
    """The keys that a record must not have: one, or a list."""
    keys = match.get("not-has-key", [])
    return [keys] if isinstance(keys, str) else list(keys)


def _has(record: Record, key: str) -> bool:
    """Whether EVE would have the key; it leaves out what there is not."""
    return _value(record, key) not in (None, "", [])


def numbered(records: list[dict[str, Any]], times: Mapping[str, int]) -> list[dict[str, Any]]:
    """The records with the two numbers of EVE's that follow from them.

    ``times`` has the number of the (first) packet of each time; mails are numbered in each connection from 0.
    """
    mails: dict[str, int] = {}
    found = []
    for record in records:
        more = {"eve.pcap_cnt": times.get(record["@timestamp"])}
        if record["record"] == "smtp":
            more["eve.tx_id"] = number = mails.get(record["network.community_id"], 0)
            mails[record["network.community_id"]] = number + 1
        found.append(record | more)
    return found


def _agrees(record: Record, key: str, wanted: Any, match: Mapping[str, Any]) -> bool:
    if key in ENDS:
        found = record.get(ENDS[key][_is_turned(record, match)])
        return _address(found) == _address(wanted)
    if key == "dns.type":
        wanted = {"request": "query", "response": "answer"}.get(wanted, wanted)
    if key == "app_proto":
        wanted = PROTOCOL_OF.get(wanted, wanted)
    value = _value(record, key)
    if isinstance(value, str) and isinstance(wanted, str):
        return _address(value) == _address(wanted.rstrip("\0"))
    return bool(value == wanted or (value is not None and str(value) == str(wanted)))


def _value(record: Record, key: str) -> Any:
    owner = _owner(key)
    assert owner is not None, key
    value = READ[owner](record)
    for index, name in STEP.findall(key[len(owner) :]):
        value = _step(value, index, name)
    return value


def _step(value: Any, index: str, name: str) -> Any:
    if index:
        return value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
    if name == "__len":
        return len(value or [])
    return value.get(name) if isinstance(value, Mapping) else None


def _owner(key: str) -> str | None:
    """The longest key of the table that ``key`` is or lies below."""
    bare = key
    while bare:
        if bare in READ:
            return bare
        cut = max(bare.rfind("."), bare.rfind("["))
        bare = bare[:cut] if cut > 0 else ""
    return None


def _is_turned(record: Record, match: Mapping[str, Any]) -> bool:
    """A message of the server's: EVE's source is who sent it; our source is the client."""
    return match.get("dns.type") == "response" or record.get("sensor.dhcp.operation") == "reply"


def _address(value: Any) -> Any:
    try:
        return str(ipaddress.ip_address(value)) if isinstance(value, str) else value
    except ValueError:
        return value

"""The readers of services and of generic formats, where the samples cannot say why."""

from __future__ import annotations

import pytest

from soc.collect.discovery import claimants, read, sniff
from soc.errors import RecordError
from soc.model.event import Event
from tests.sources.accept import as_received


def only_event(line: str, source: str = "auto") -> Event:
    (event,) = read(as_received(line.encode("utf-8"), source))
    return event


@pytest.mark.parametrize(
    "source",
    [
        *("cef", "leef", "key_value", "squid", "blue_coat", "iis", "apache_error", "nginx_error"),
        *("bind", "unbound", "windows_dns", "isc_dhcp", "kea", "dnsmasq", "windows_dhcp"),
        *("postfix", "exchange", "openvpn", "strongswan", "oracle_audit", "vmware"),
    ],
)
def test_a_line_of_another_product_is_refused_with_what_was_expected(source: str) -> None:
    """An input with the wrong source shows itself in the set-aside records."""
    with pytest.raises(RecordError, match=r"expected"):
        only_event("Nov 20 10:00:00 web01 sshd[1]: Server listening on :: port 22.", source)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (r"msg=a\=b c", {"message": "a=b c"}),
        (r"msg=one\ntwo act=x", {"message": "one\ntwo", "event.action": "x"}),
        (r"filePath=C:\\new\\run", {"file.path": r"C:\new\run"}),
        (r"filePath=C:\Windows\System32", {"file.path": r"C:\Windows\System32"}),
        ("request=http://x.example/?a=b&c=d spt=80", {"url.original": "http://x.example/?a=b&c=d"}),
        ("cs1=v", {"cef.cs1": "v"}),
        ("cs1Label=Rule Name cs1=v", {"cef.custom.rule_name": "v"}),
        ("src=nobody", {"cef.src": "nobody"}),
        ("act=first act=second", {"event.action": "first"}),
    ],
)
def test_a_value_of_cef_is_what_was_meant(written: str, kept: dict[str, str]) -> None:
    """Escapes, spaces, equal signs of addresses, labels: the corners of the format."""
    fields = only_event(f"CEF:0|v|p|1|c|name|5|{written}").fields
    assert {name: fields.get(name) for name in kept} == kept


def test_a_bar_and_a_backslash_in_a_header_are_escaped() -> None:
    r"""``\|`` is a bar of the name."""
    fields = only_event(r"CEF:0|v\|w|p\\q|1|c|n\|m|5|").fields
    assert (fields["observer.vendor"], fields["observer.product"]) == ("v|w", r"p\q")
    assert fields["cef.name"] == "n|m"


@pytest.mark.parametrize(
    ("written", "number"), [("0", 0), ("10", 10), ("Low", 3), ("Very-High", 10)]
)
def test_a_severity_of_cef_is_a_number_or_a_word(written: str, number: int) -> None:
    fields = only_event(f"CEF:0|v|p|1|c|name|{written}|").fields
    assert (fields["event.severity"], fields["cef.severity"]) == (number, written)


@pytest.mark.parametrize("sign", ["^", "x5E", "0x5e", "|", ";", "\t", "", "0x09"])
def test_the_delimiter_of_leef_2_is_what_the_header_says(sign: str) -> None:
    """Itself, by its number, or the tab where none is named."""
    between = {"x5E": "^", "0x5e": "^", "": "\t", "0x09": "\t"}.get(sign, sign)
    line = f"LEEF:2.0|v|p|1|e|{sign}|src=10.0.0.1{between}msg=two words{between}sev=4"
    fields = only_event(line).fields
    assert (fields["source.ip"], fields["message"], fields["event.severity"]) == (
        "10.0.0.1",
        "two words",
        4,
    )


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("MMM dd yyyy HH:mm:ss", "Nov 20 2026 09:00:00"),
        ("dd.MM.yyyy HH:mm:ss", "20.11.2026 09:00:00"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2026-11-20T02:00:00.000+0000"),
        ("MM/dd/yy hh:mm:ss a", "11/20/26 09:00:00 AM"),
        ("MMM dd yyyy HH:mm:ss z", "Nov 20 2026 02:00:00 UTC"),
        ("", "1795140000000"),
        ("", "Nov 20 2026 09:00:00"),
        ("", "Nov 20 09:00:00"),
    ],
)
def test_a_time_of_leef_is_read_by_its_format(form: str, written: str) -> None:
    """Java's letters; without a format the usual forms."""
    line = f"LEEF:1.0|v|p|1|e|devTime={written}\tdevTimeFormat={form}"
    assert only_event(line).observed_at.isoformat() == "2026-11-20T02:00:00+00:00"


@pytest.mark.parametrize(
    "line",
    [
        "Nov 20 09:00:00 h sshd[1]: Failed password for a from 10.0.0.1 port 5 ssh2",
        "Nov 20 09:00:00 h app[1]: saw a=1 b=2 c=3 d=4 e=5",
        "Nov 20 09:00:00 h app[1]: a=1 b=2",
        "Nov 20 09:00:00 h audispd: type=SYSCALL msg=audit(1732243200.123:42): arch=c000003e syscall=59 a0=1",
        "<86>Nov 20 09:00:00 h sudo:  lan : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/sh",
    ],
)
def test_words_with_pairs_among_them_stay_syslog(line: str) -> None:
    """Only what is pairs from its beginning is read as pairs."""
    assert sniff(line.encode()) == "syslog"


@pytest.mark.parametrize(
    ("raw", "source", "fields"),
    [
        ("#Fields: date time c-ip sc-status\n2026-11-20 02:00:00 10.0.0.1 404", "iis",
         {"source.ip": "10.0.0.1", "http.response.status_code": 404}),
        ("#Fields: date time c-ip cs(X-My-Thing)\n2026-11-20 02:00:00 10.0.0.1 v", "iis", {"iis.cs-x-my-thing": "v"}),
        ("#Fields: date time c-ip s-action\n2026-11-20 02:00:00 10.0.0.1 TCP_HIT", "blue_coat",
         {"source.ip": "10.0.0.1", "event.action": "TCP_HIT"}),
        ("2026-11-20 02:00:00 of nine columns that nobody named before", "iis",
         {"event.dataset": "iis.log", "message": "2026-11-20 02:00:00 of nine columns that nobody named before"}),
        ("2026-11-20 02:00:00 7 10.1.2.3 of columns not named", "blue_coat", {"event.dataset": "blue_coat.log"}),
    ],
)  # fmt: skip
def test_columns_are_read_by_their_names_and_kept_as_words_without(
    raw: str, source: str, fields: dict[str, object]
) -> None:
    """The administrator chooses the columns."""
    event = only_event(raw, source)
    assert {name: event.fields.get(name) for name in fields} == fields
    assert event.observed_at.isoformat() == "2026-11-20T02:00:00+00:00"


def test_each_line_below_the_names_is_an_event() -> None:
    """A shipper may bring a whole file as one record."""
    raw = b"#Fields: date time c-ip\n2026-11-20 02:00:00 10.0.0.1\n2026-11-20 02:00:01 10.0.0.2\n"
    events = list(read(as_received(raw, "iis")))
    assert [event.fields["source.ip"] for event in events] == ["10.0.0.1", "10.0.0.2"]


def test_a_request_through_a_proxy_is_asked_about_by_the_rules_of_proxies_alone() -> None:
    """What a user fetches from outside is no attack on a web server of ours."""
    fields = only_event(
        "1795140000.123 5 10.1.2.15 TCP_MISS/200 1 GET http://a.example/ - HIER_DIRECT/203.0.113.1 -"
    ).fields
    assert (fields["event.category"], fields["event.dataset"]) == (["network"], "squid.proxy")


@pytest.mark.parametrize(
    ("client", "address", "port"),
    [
        ("203.0.113.9:51234", "203.0.113.9", 51234),
        ("2001:db8::9:443", "2001:db8::9", 443),
    ],
)
def test_the_client_of_httpd_has_its_port_after_a_colon(
    client: str, address: str, port: int
) -> None:
    """Behind IPv6 too, without brackets."""
    line = f"[Fri Nov 20 09:00:00 2026] [core:info] [pid 1] [client {client}] AH00128: words"
    fields = only_event(line).fields
    assert (fields["source.ip"], fields["source.port"]) == (address, port)


def test_a_line_of_modsecurity_in_an_error_log_is_modsecuritys() -> None:
    line = '[Fri Nov 20 09:00:00 2026] [:error] [pid 1] [client 203.0.113.9] ModSecurity: Warning. [id "1"]'
    assert sniff(line.encode()) == "modsecurity"


def test_a_name_in_a_file_is_not_taken_for_the_client_of_nginx() -> None:
    """A stranger chooses the name of what is not found."""
    line = (
        '2026/11/20 09:00:07 [error] 1#1: *1 open() "/a, client: 192.0.2.66, server: b" failed (2: No such file), '
        'client: 203.0.113.11, server: _, request: "GET /a HTTP/1.1", host: "x"'
    )
    assert only_event(line).fields["source.ip"] == "203.0.113.11"


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("Nov 20 09:00:15 ns1 named[812]: words of the next release", "bind"),
        ("20-Nov-2026 09:00:15.000 general: info: words of the next release", "bind"),
        ("Nov 20 09:00:15 ns1 unbound[7]: [7:0] info: words of the next release", "unbound"),
        ("20/11/2026 09:00:15 0A10 EVENT   words of the next release", "windows_dns"),
        ("2026/11/20 09:00:15 [error] 1#1: *2 words of the next release", "nginx_error"),
        (
            "[Fri Nov 20 09:00:15 2026] [core:error] [pid 1] words of the next release",
            "apache_error",
        ),
        ("<30>Nov 20 09:00:15 h dhcpd[1]: words of the next release", "isc_dhcp"),
        ("<30>Nov 20 09:00:15 h kea-dhcp6[1]: words of the next release", "kea"),
        ("<30>Nov 20 09:00:15 h dnsmasq-dhcp[1]: words of the next release", "dnsmasq"),
        ("77,11/20/26,09:00:15,words of the next release,,", "windows_dhcp"),
        ("<22>Nov 20 09:00:15 h postfix/smtpd[1]: words of the next release", "postfix"),
        ("<30>Nov 20 09:00:15 h openvpn[1]: words of the next release", "openvpn"),
        ("<30>Nov 20 09:00:15 h charon: 05[IKE] <rw|1> words of the next release", "strongswan"),
        ("<30>Nov 20 09:00:15 h charon: words of the next release", "strongswan"),
        ("2026-11-20 09:00:15.000 +07 [1] LOG:  words of the next release", "postgresql"),
        ("<30>Nov 20 09:00:15 h postgres[1]: words of the next release", "postgresql"),
        ("2026-11-20T02:00:15.000000Z 1 [Note] words of the next release", "mysql"),
        ("<30>Nov 20 09:00:15 h mysqld[1]: words of the next release", "mysql"),
        ("<30>2026-11-20T02:00:15Z h vmkernel: words of the next release", "vmware"),
        (
            "<30>2026-11-20T02:00:15Z h Hostd[1]: [Originator@6876 sub=X] words of the next release",
            "vmware",
        ),
        ("<29>Nov 20 09:00:15 proxy01 squid[812]: words of the next release", "squid"),
    ],
)
def test_words_that_are_not_known_are_an_event_of_their_product(line: str, source: str) -> None:
    """The next release of a service must not blind us."""
    event = only_event(line)
    assert (event.source, event.fields["message"]) == (source, "words of the next release")
    assert event.observed_at.isoformat() == "2026-11-20T02:00:15+00:00"


@pytest.mark.parametrize(
    "line",
    [
        "20-Nov-2026 09:00:00.123 queries: info: client @0x7 10.1.2.3#5 (a.vn): query: a.vn IN TXT + (192.0.2.53)",
        "[1795140003] unbound[1:0] info: 10.1.2.3 a.vn. TXT IN",
        "11/20/2026 9:00:00 AM 0E70 PACKET  UDP Rcv 10.1.2.3    5b47   Q [0001   D   NOERROR] TXT    (1)a(2)vn(0)",
    ],
)
def test_a_question_has_what_rules_about_names_ask_for(line: str) -> None:
    """Whichever server answers."""
    fields = only_event(line).fields
    assert (fields["dns.question.name"], fields["dns.question.type"]) == ("a.vn", "TXT")
    assert (fields["source.ip"], fields["event.category"]) == ("10.1.2.3", ["network"])


@pytest.mark.parametrize(
    "line",
    [
        "Nov 20 09:00:01 h dhcpd[1]: DHCPACK on 10.1.2.30 to 00:26:37:ee:47:20 (may-lan) via eth0",
        "Nov 20 09:00:01 h dnsmasq-dhcp[1]: DHCPACK(br0) 10.1.2.30 00:26:37:ee:47:20 may-lan",
        "10,11/20/26,09:00:01,Assign,10.1.2.30,may-lan,002637EE4720,,1,0,,,,,,,,,0",
        "2026-11-20 09:00:01.000 INFO  [kea-dhcp4.leases/1.2] DHCP4_LEASE_ALLOC [hwtype=1 00:26:37:ee:47:20]: "
        "lease 10.1.2.30 has been allocated for 60 seconds to hostname=may-lan",
    ],
)
def test_a_lease_is_told_in_the_same_words_by_every_server(line: str) -> None:
    """Whose address was this: one query for all."""
    fields = only_event(line).fields
    told = {
        name: fields[name] for name in ("dhcp.address", "source.ip", "source.mac", "source.domain")
    }
    assert told == {
        "dhcp.address": "10.1.2.30",
        "source.ip": "10.1.2.30",
        "source.mac": "00-26-37-EE-47-20",
        "source.domain": "may-lan",
    }
    assert (fields["event.action"], fields["network.protocol"]) == ("ack", "dhcp")


def test_the_lines_of_one_message_have_its_queue_id() -> None:
    """They are found together; NOQUEUE is no message."""
    head = "Nov 20 09:00:00 mail postfix/qmgr[1]: "
    fields = only_event(f"{head}9A1B2C3D4E: removed").fields
    assert fields["email.local_id"] == "9A1B2C3D4E"
    refused = only_event(f"{head}NOQUEUE: reject: RCPT from unknown[203.0.113.1]: 554 no").fields
    assert ("email.local_id" in refused, refused["event.code"]) == (False, "554")


def test_a_subject_with_a_comma_moves_no_column() -> None:
    """Exchange quotes it."""
    raw = '#Fields: date-time,message-subject,event-id\n2026-11-20T02:00:00.000Z,"a, b",SEND'
    fields = only_event(raw, "exchange").fields
    assert (fields["email.subject"], fields["event.action"]) == ("a, b", "send")


@pytest.mark.parametrize(
    ("line", "user", "address"),
    [
        ('2026-11-20 09:00:01 +07 [1] FATAL:  no pg_hba.conf entry for host "203.0.113.9", user "an", database "x"',
         "an", "203.0.113.9"),
        ("2026-11-20 02:00:01 UTC:203.0.113.9(51235):an@x:[1]:FATAL:  password authentication failed for user \"an\"",
         "an", "203.0.113.9"),
        ("2026-11-20T02:00:00.1Z 1 [Note] Access denied for user 'an'@'203.0.113.9' (using password: YES)", "an",
         "203.0.113.9"),
        ("20261120 09:00:10,db1,an,203.0.113.9,20,0,FAILED_CONNECT,,,1045", "an", "203.0.113.9"),
        ('<142>Nov 20 09:00:04 h Oracle Audit[1]: LENGTH: "9" USERID:[2] "an" ACTION:[3] "100" RETURNCODE:[4] "1017" '
         'COMMENT$TEXT:[9] "(ADDRESS=(PROTOCOL=tcp)(HOST=203.0.113.9)(PORT=5))"', "an", "203.0.113.9"),
    ],
)  # fmt: skip
def test_a_sign_in_that_a_database_refused_is_told_in_the_same_words(
    line: str, user: str, address: str
) -> None:
    """Whichever database it was."""
    fields = only_event(line).fields
    assert (fields["event.action"], fields["event.outcome"]) == ("login", "failure")
    assert fields["event.category"] == ["authentication", "database"]
    assert (fields["user.name"], fields["source.ip"]) == (user, address)


@pytest.mark.parametrize("source", ["postgresql", "mysql"])
def test_the_rest_of_a_statement_over_several_lines_is_kept(source: str) -> None:
    """Its lines come one by one."""
    fields = only_event("\tWHERE ten = 'An' AND tuoi > 30", source).fields
    assert str(fields["message"]).strip() == "WHERE ten = 'An' AND tuoi > 30"
    assert fields["event.category"] == ["database"]


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("<134>Nov 20 09:00:00 f CEF:0|Palo Alto Networks|PAN-OS|10.2|end|TRAFFIC|1|src=10.0.0.1 act=allow",
        "palo_alto_networks_pan_os"),
        ("<189>Nov 20 09:00:00 f CEF:0|Fortinet|Fortigate|v7.4|00013|traffic:forward close|3|src=10.1.1.1",
        "fortinet_fortigate"),
        ("<134>Nov 20 09:00:00 f CEF:0|Check Point|VPN-1 & FireWall-1|x|Log|https|Unknown|act=Accept",
        "check_point_vpn_1_firewall_1"),
        ("<131>Nov 20 09:00:00 f ASM:CEF:0|F5|ASM|16.1|2000|Automated client access|5|act=blocked", "f5_asm"),
    ],
)  # fmt: skip
def test_a_product_that_has_a_reader_may_write_cef_too(line: str, module: str) -> None:
    """The form decides, and nobody else wants the line."""
    assert claimants(line.encode()) == ["cef"]
    assert only_event(line).fields["event.module"] == module

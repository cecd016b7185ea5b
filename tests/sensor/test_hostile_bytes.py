"""Any bytes end in records or in nothing: never in a crash, whatever layer they come in by."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collectors.sensor import decode, identify
from collectors.sensor.asn1 import number
from collectors.sensor.capture import CaptureFile, open_capture
from collectors.sensor.conversation import Conversation
from collectors.sensor.errors import CaptureError
from collectors.sensor.protocols import certificate, icmp, ntlmssp
from collectors.sensor.protocols.dcerpc import Dcerpc
from collectors.sensor.protocols.dhcp import Dhcp
from collectors.sensor.protocols.dns import DnsDatagrams, DnsStream
from collectors.sensor.protocols.ftp import Ftp
from collectors.sensor.protocols.gquic import Gquic
from collectors.sensor.protocols.http import Http
from collectors.sensor.protocols.krb5 import Krb5
from collectors.sensor.protocols.ldap import Ldap
from collectors.sensor.protocols.mail import Mail
from collectors.sensor.protocols.quic import Quic, crypto_frames
from collectors.sensor.protocols.rdp import Rdp
from collectors.sensor.protocols.smb import Smb
from collectors.sensor.protocols.smtp import Smtp
from collectors.sensor.protocols.socks import Socks
from collectors.sensor.protocols.ssh import Ssh
from collectors.sensor.protocols.tls import Tls
from collectors.sensor.sensor import Sensor
from tests.sensor.packets import Talk, ethernet, heard, ip, pcap, udp

ROUNDS = int(os.environ.get("SOC_FUZZ_ROUNDS", "150"))
FUZZ = settings(
    max_examples=ROUNDS,
    deadline=1000,  # ms: a hang is a failure
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PARSERS: dict[str, Callable[[], Conversation]] = {
    "undecided": lambda: identify.Undecided(40000, 80),
    "undecided mail": lambda: identify.Undecided(40000, 25),
    "undecided kerberos": lambda: identify.Undecided(40000, 88),
    "undecided dns": lambda: identify.Undecided(40000, 53),
    "dns over UDP": DnsDatagrams,
    "dns over TCP": DnsStream,
    "http": lambda: Http(True),
    "tls": Tls,
    "ssh": Ssh,
    "quic": Quic,
    "Google's quic": Gquic,
    "smtp": Smtp,
    "ftp": Ftp,
    "dhcp": Dhcp,
    "kerberos over TCP": lambda: Krb5(is_stream=True),
    "kerberos over UDP": lambda: Krb5(is_stream=False),
    "smb": Smb,
    "dcerpc": Dcerpc,
    "ldap": Ldap,
    "rdp": Rdp,
    "socks": Socks,
}
STARTS = (
    *(b"\x16\x03\x01\x00\x30\x01\x00\x00\x2c\x03\x03", b"\x16\x03\x03\x00\x20\x0b\x00\x00\x1c"),
    *(
        b"GET / HTTP/1.1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"SSH-2.0-x\r\n",
    ),
    *(
        b"\x00\x00\x00\x40\xfeSMB\x40\x00",
        b"\x00\x00\x00\x40\xffSMB\x73",
        b"\x05\x00\x0b\x03\x10\0\0\0",
    ),
    *(
        b"\x30\x20\x02\x01\x01\x60\x1b",
        b"\x30\x20\x02\x01\x01\x63\x1b",
        b"\x03\x00\x00\x13\x0e\xe0",
    ),
    *(
        b"\x00\x00\x00\x20\x6a\x1e\x30\x1c",
        b"\x6c\x1e\x30\x1c",
        b"\x7e\x1e\x30\x1c",
        b"\x6d\x1e\x30",
    ),
    *(
        b"\x05\x01\x00",
        b"\x04\x01\x00\x50\x0a\0\0\1x\0",
        b"EHLO x\r\nDATA\r\n",
        b"MAIL FROM:<a>\r\nBDAT 3 LAST\r\nabcRSET\r\n",
        b"220 smtp\r\n250 x\r\n",
    ),
    *(
        b"\xc3\x00\x00\x00\x01\x08",
        b"\x0dabcdefghQ043\1\0CHLO\2\0\0\0SNI\0\4\0\0\0UAID\5\0\0\0wwwwa",
        b"NTLMSSP\0\3\0\0\0",
        b"USER x\r\n227 (1,2",
    ),
    *(
        b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\xc0\x0c",
        b"\0\x20\x12\x34\x01\0\0\1\0\0\0\0\0\0",
    ),
    *(b"\x02\x01\x06\x00" + bytes(232) + b"\x63\x82\x53\x63\x34\x01\x03\x35\x01\x05",),
)
PIECES = st.builds(
    lambda start, rest: start + rest, st.sampled_from((b"", *STARTS)), st.binary(max_size=200)
)
TALK = st.lists(st.tuples(st.booleans(), PIECES, st.sampled_from((0, 0, 0, 1, 500))), max_size=8)


@pytest.mark.parametrize("name", PARSERS)
@FUZZ
@given(talk=TALK)
def test_any_talk_of_both_sides_is_survived(name: str, talk: list[tuple[bool, bytes, int]]):
    """Each parser takes any pieces, in any order, with holes; what it says can be written as JSON."""
    app = PARSERS[name]()
    for from_client, data, hole in talk:
        if app.done:
            break
        said = (
            app.gap(from_client, hole, 1)
            if hole
            else app.take(from_client, data, 1)
            if data
            else ()
        )
        for one in said:
            orjson.dumps(one)
        app = app.successor or app
    for one in app.end(2):
        orjson.dumps(one)


@FUZZ
@given(
    data=st.binary(max_size=300),
    link=st.sampled_from((0, 1, 9, 12, 50, 101, 104, 108, 113, 276, 999)),
)
@example(data=bytes.fromhex("450000"), link=101)
def test_any_frame_is_survived(data: bytes, link: int):
    heard([data], link=link)


def test_a_datagram_without_its_header_is_survived_over_ipv6():
    """Found by the fuzz below: the ports were looked for behind the end of the packet."""
    [empty] = [ethernet(ip("2001:db8::1", "2001:db8::2", 17, b""))]
    assert heard([empty]) == []


def test_a_number_too_great_for_json_is_survived():
    """Found by the fuzz below: an LDAP result of 128 bits."""
    for one in (number(b"\x7f" * 16), number(b"\x80" * 16)):
        orjson.dumps(one)


@FUZZ
@given(
    protocol=st.sampled_from((0, 1, 4, 6, 17, 41, 43, 44, 47, 51, 58, 60, 132)),
    payload=st.binary(max_size=120),
    fragment=st.sampled_from((0, 0, 0x2000, 1, 0x2001, 3)),
    six=st.booleans(),
)
def test_any_ip_payload_is_survived(protocol: int, payload: bytes, fragment: int, six: bool):
    ends = ("2001:db8::1", "2001:db8::2") if six else ("10.0.0.1", "10.0.0.2")
    heard([ethernet(ip(*ends, protocol, payload, fragment=fragment))] * 2)


@FUZZ
@given(payload=PIECES, port=st.sampled_from((53, 67, 88, 443, 3544, 4789, 5353, 6081)))
def test_any_datagram_is_survived(payload: bytes, port: int):
    heard([udp(payload, 40000, port)])


@FUZZ
@given(talk=st.lists(st.tuples(st.booleans(), PIECES, st.integers(-300, 600)), max_size=8))
def test_any_order_of_segments_is_survived(talk: list[tuple[bool, bytes, int]]):
    made = Talk()
    for from_client, data, offset in talk:
        made.packets.append(made.made(from_client, data, seq=made.next[from_client] + offset))
    heard(made.packets)


@FUZZ
@given(
    data=st.binary(max_size=200), start=st.sampled_from((b"", b"\n\r\r\n", pcap([b"x" * 40])[:30]))
)
def test_any_capture_file_gives_packets_or_an_error_of_its_own(data: bytes, start: bytes):
    import io

    try:
        for packet in CaptureFile(io.BytesIO(start + data)).packets():
            Sensor(lambda _: None).take(*packet)
    except CaptureError:
        pass


@FUZZ
@given(data=PIECES)
def test_any_inner_bytes_are_survived(data: bytes):
    """Certificates, mails, NTLM messages, ICMP, QUIC's frames and tunnels."""
    certificate.fields([data])
    mail = Mail()
    mail.take(data)
    orjson.dumps(mail.fields())
    ntlmssp.read(data)
    list(icmp.read(False, data)), list(icmp.read(True, data)), list(crypto_frames(data))
    for tunnel in (decode.gre, decode.vxlan, decode.geneve, decode.teredo):
        tunnel(data, 0, len(data))


@pytest.mark.slow
@settings(FUZZ, max_examples=ROUNDS * 2)
@given(data=st.data())
def test_real_captures_with_changed_bytes_are_survived(data: st.DataObject, corpus: Path):
    """Bytes of real packets are changed at random places; every protocol's depth is reached that way."""
    paths = sorted([*corpus.glob("suricata-verify/*/*.pcap"), *corpus.glob("ja4/pcap/*")])
    path = data.draw(st.sampled_from([one for one in paths if one.stat().st_size < 60_000]))
    changes = data.draw(
        st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=40)
    )
    sensor = Sensor(lambda record: orjson.dumps(record) and None)
    try:
        with closing(open_capture(path)) as capture:
            packets = [list(packet) for packet in capture.packets()]
    except CaptureError:
        return
    total = sum(len(packet[2]) for packet in packets)
    for place, value in changes:
        at = int(place * (total - 1))
        for packet in packets:
            if at < len(packet[2]):
                packet[2] = packet[2][:at] + bytes((value,)) + packet[2][at + 1 :]
                break
            at -= len(packet[2])
    for packet in packets:
        sensor.take(*packet)
    sensor.finish()

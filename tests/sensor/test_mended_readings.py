"""What the public captures taught the decoders, on bytes of our own."""

from __future__ import annotations

from collectors.sensor import decode
from collectors.sensor.protocols import gquic
from collectors.sensor.protocols.dns import DnsStream
from collectors.sensor.protocols.smtp import Smtp

QUESTION = bytes.fromhex("1234010000010000000000000377777702766e0000010001")
FRAMED = len(QUESTION).to_bytes(2, "big") + QUESTION


def test_a_pipelined_mail_is_one_of_its_own():
    """The second mail begins before the first is acknowledged."""
    app = Smtp()
    mails = b"MAIL FROM:<a@x>\r\nBDAT 3 LAST\r\nabcMAIL FROM:<b@x>\r\nRCPT TO:<c@x>\r\n"
    assert app.take(True, mails, 1) == []
    said = [*app.take(False, b"250 a\r\n250 b\r\n250 c\r\n250 d\r\n", 2), *app.end(3)]
    assert [
        (fields["sensor.smtp.mail_from"], fields["sensor.smtp.outcome"]) for _, _, fields in said
    ] == [("a@x", "accepted"), ("b@x", "cut off")]


def test_a_bdat_that_is_no_chunk_takes_no_bytes():
    app = Smtp()
    app.take(True, b"MAIL FROM:<a@x>\r\nBDAT 5 X\r\nRCPT TO:<c@x>\r\n", 1)
    [(_, _, fields)] = app.end(2)
    assert fields["sensor.smtp.rcpt_to"] == ["c@x"]


def test_dns_over_tcp_is_read_again_after_a_hole():
    """As soon as a segment is a message; what is none is dropped."""
    app = DnsStream()
    assert len(app.take(True, FRAMED, 1)) == 1
    app.gap(True, len(FRAMED), 2)
    assert len(app.take(True, b"the rest of something", 3)) == 0
    assert len(app.take(True, FRAMED, 4)) == 1


def test_google_s_hello_gives_name_agent_and_fingerprint():
    tags = b"SNI\0" + (6).to_bytes(4, "little") + b"UAID" + (8).to_bytes(4, "little")
    hello = b"\x0dabcdefghQ043\1" + bytes(12) + b"\xa0\1CHLO\2\0\0\0" + tags + b"www.vnme"
    fields = gquic.read(hello)
    assert fields is not None
    assert fields["tls.client.server_name"] == "www.vn"
    assert fields["user_agent.original"] == "me"
    assert fields["sensor.quic.cyu"] == "43,SNI-UAID"
    assert gquic.read(hello[:40]) is None


def test_erspan_names_the_vlan():
    inner = bytes(12) + b"\x08\x00" + b"\x45" + bytes(19)
    packet = b"\x10\x00\x88\xbe\0\0\0\1" + b"\x10\x17\x08\x64" + bytes(4) + inner
    assert decode.gre(packet, 0, len(packet)).vlans == (23,)

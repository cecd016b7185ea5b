"""The readers of firewalls and network devices, where the samples cannot say why."""

from __future__ import annotations

import json

import pytest

from soc.collect.discovery import read
from soc.errors import RecordError
from soc.model.event import Event
from tests.sources.accept import as_received


def only_event(line: str, source: str = "auto") -> Event:
    (event,) = read(as_received(line.encode("utf-8"), source))
    return event


@pytest.mark.parametrize(
    ("line", "source", "code"),
    [
        ("<166>Nov 20 2026 09:00:50 fw : %ASA-4-999999: words of tomorrow", "cisco_asa", "999999"),
        ("Nov 20 2026 09:00:50 fw : %ASA-6-302013: Built otherwise", "cisco_asa", "302013"),
        ("<189>Nov 20 09:00:50 sw01 %NEWTHING-5-NOVELTY: words", "cisco_ios", "NOVELTY"),
        ("<190>Nov 20 2026 11:00:01 usg %%01NEW/6/NOVELTY(l)[1]:words", "huawei_usg", "NEW/NOVELTY"),
        (
            "<14>1 2026-11-20T09:37:51+07:00 srx newd - NEW_EVENT [junos@2636.1.1.1.2.40 a=\"1\"]",
            "juniper_srx",
            "NEW_EVENT",
        ),
        ("<133>fw: NetScreen device_id=fw  [Root]system-alert-09999: words", "netscreen", "09999"),
        ("Nov 20 11:41:53 bigip1 warning newd[1]: 01999999:4: words", "f5_bigip", "01999999"),
        ('id=fw sn=1 time="2026-11-20 14:48:07" fw=10.0.0.1 pri=5 m=9999', "sonicwall", "9999"),
    ],
)  # fmt: skip
def test_a_message_that_is_not_known_is_kept_with_its_number(
    line: str, source: str, code: str
) -> None:
    """The next release of a device must not blind us."""
    event = only_event(line)
    assert (event.source, event.fields["event.code"]) == (source, code)
    assert str(event.fields["event.dataset"]).startswith(source)


@pytest.mark.parametrize("kind", ["DECRYPTION", "AUTHENTICATION", "HIPMATCH", "CORRELATION"])
def test_a_pan_os_type_without_a_table_is_kept(kind: str) -> None:
    """Its head is the same for all."""
    fields = only_event(
        f"1,2026/11/20 09:00:00,0131,{kind},x,1,2026/11/20 08:59:59,10.0.0.1"
    ).fields
    assert fields["event.dataset"] == f"palo_alto.{kind.lower()}"
    assert fields["observer.serial_number"] == "0131"


def test_the_end_that_began_an_outbound_connection_is_the_source() -> None:
    """An ASA names the outer end first, whoever began."""
    words = (
        "for outside:203.0.113.43/443 (203.0.113.43/443) to inside:10.1.3.42/4952 (10.1.3.42/4952)"
    )
    for way, source in (("outbound", "10.1.3.42"), ("inbound", "203.0.113.43")):
        line = f"Nov 20 2026 09:07:50: %ASA-6-302013: Built {way} TCP connection 8 {words}"
        assert only_event(line).fields["source.ip"] == source


def test_a_logged_packet_without_a_word_of_its_fate_has_no_outcome() -> None:
    """The kernel only says that it saw it."""
    packet = "IN=eth0 OUT= SRC=10.0.0.1 DST=10.0.0.2 LEN=40 PROTO=TCP SPT=1 DPT=2 SYN"
    seen = only_event(f"Nov 20 10:00:00 gw kernel: SEEN {packet}").fields
    dropped = only_event(f"Nov 20 10:00:00 gw kernel: INPUT-drop {packet}").fields
    assert ("event.outcome" in seen, dropped["event.outcome"]) == (False, "failure")


def test_the_devices_own_time_is_believed_before_the_relays() -> None:
    """A relay may hold lines back for hours."""
    line = "Nov 20 12:00:00 10.0.0.2 7: Nov 20 04:00:47.272 UTC: %SYS-5-CONFIG_I: Configured from x by y"
    assert only_event(line).observed_at.isoformat() == "2026-11-20T04:00:47.272000+00:00"


def test_a_time_that_cannot_be_is_that_of_collection() -> None:
    """The line is kept; its clock is not believed."""
    event = only_event("Feb 30 25:61:61 fw: %ASA-4-999999: words")
    assert event.observed_at == as_received(b"", "auto").received_at


def test_a_request_that_is_only_detected_is_not_blocked() -> None:
    """ModSecurity may be watching only, and the answer may be 403 for another reason."""
    transaction = {
        "client_ip": "203.0.113.1",
        "time_stamp": "Fri Nov 20 09:41:59 2026",
        "request": {"method": "GET", "uri": "/", "headers": {}},
        "response": {"http_code": 403},
        "producer": {"secrules_engine": "DetectionOnly"},
        "messages": [{"message": "m", "details": {"ruleId": "1"}}],
    }
    fields = only_event(json.dumps({"transaction": transaction})).fields
    assert (fields["event.action"], fields["event.kind"]) == ("detected", "alert")


def test_what_is_no_character_is_shown_as_such() -> None:
    """JSON can spell half a character, which no store takes."""
    request = {"method": "GET", "uri": "/\ud800", "headers": {"User-Agent": "\udfff"}}
    transaction = {"request": request, "messages": []}
    fields = only_event(json.dumps({"transaction": transaction})).fields
    assert (fields["url.path"], fields["user_agent.original"]) == ("/?", "?")


def test_a_quote_in_the_head_of_a_pan_os_line_shifts_no_value() -> None:
    """It would hide the type."""
    event = only_event('1,2026/04/30 00:00:00,"0000,TRAFFIC,start,1,2026/04/30 00:00:00,10.0.0.1')
    assert event.fields["source.ip"] == "10.0.0.1"


@pytest.mark.parametrize(
    "source",
    [
        *("palo_alto", "cisco_asa", "cisco_ios", "iptables", "check_point", "sophos", "sonicwall"),
        *(
            "juniper_srx",
            "netscreen",
            "huawei_usg",
            "mikrotik",
            "pfsense",
            "f5_bigip",
            "modsecurity",
        ),
    ],
)
def test_a_line_of_another_product_is_refused_with_what_was_expected(source: str) -> None:
    """An input with the wrong source shows itself in the set-aside records."""
    with pytest.raises(RecordError, match=r"expected|JSON"):
        only_event("Nov 20 10:00:00 web01 sshd[1]: Server listening on :: port 22.", source)

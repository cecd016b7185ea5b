"""The reader of Windows events, where the samples cannot say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.sources.windows import read, read_native
from collectors.sources.windows.xml_text import parse_any, parse_plain
from soc.errors import RecordError
from soc.model.event import Event
from tests.sources.accept import as_received

FOLDER = Path(__file__).parent / "windows_xml"
HEAD = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='P'/>"
    "<EventID>{code}</EventID><TimeCreated SystemTime='{time}'/><EventRecordID>7</EventRecordID>"
    "<Channel>{channel}</Channel><Computer>MAY01</Computer><Security/></System>"
)


def event_xml(
    body: str = "", *, code: str = "1", time: str = "2026-11-20T01:02:03Z", channel: str = "System"
) -> bytes:
    return (HEAD.format(code=code, time=time, channel=channel) + body + "</Event>").encode()


def only_event(raw: bytes) -> Event:
    (event,) = read(as_received(raw, "windows_xml"))
    return event


def as_the_live_log_writes(rendered: str) -> str:
    """The same event in single quotes, on one line, with empty elements closed, as the API renders it."""
    lines = [line.strip() for line in rendered.splitlines()[1:]]
    return (
        "".join(lines)
        .replace('"', "'")
        .replace("></Provider>", "/>")
        .replace("></Execution>", "/>")
    )


@pytest.mark.parametrize("sample", ["sysmon_process", "logged_in", "service_ticket"])
def test_both_feeds_give_the_same_event(sample: str) -> None:
    """EVTX files and the live log differ in white space and quotes only."""
    rendered = (
        (FOLDER / f"{sample}.xml")
        .read_text("utf-8")
        .replace("&quot;", "")
        .replace('"cmd.exe"', "cmd.exe")
    )
    live = only_event(as_the_live_log_writes(rendered).encode())
    assert live.fields == only_event(rendered.encode()).fields


def test_a_guid_has_its_braces_again() -> None:
    """The EVTX renderer drops them; the live log and the rules have them."""
    event = only_event((FOLDER / "sysmon_process.xml").read_bytes())
    assert str(event.fields["process.entity_id"]).startswith("{")


def test_a_script_block_id_stays_without_braces() -> None:
    """Windows itself writes it so."""
    event = only_event((FOLDER / "powershell_script_block.xml").read_bytes())
    assert not str(event.fields["powershell.file.script_block_id"]).startswith("{")


def test_empty_values_are_left_out_of_ecs_and_kept_in_the_native_form() -> None:
    """A rule may ask for ``CommandLine: ''``, which is not the same as null."""
    raw = event_xml("<EventData><Data Name='Given'>x</Data><Data Name='Empty'/></EventData>")
    assert "winlog.event_data.Empty" not in only_event(raw).fields
    assert read_native(raw)[0]["Empty"] == ""


def test_the_native_form_has_numbers_where_rules_have_numbers() -> None:
    """``EventID: 4624`` in a rule is a number."""
    fields, observed_at = read_native(event_xml(code="4624"))
    assert (fields["EventID"], fields["EventRecordID"], observed_at.year) == (4624, 7, 2026)


def test_event_data_wins_over_system_in_the_native_form() -> None:
    """Sigma's names are those of EventData first."""
    raw = event_xml("<EventData><Data Name='Level'>high</Data></EventData>")
    assert read_native(raw)[0]["Level"] == "high"


def test_repeated_names_become_a_list() -> None:
    """Nothing of a record is lost."""
    raw = event_xml(
        "<EventData><Data Name='a'>1</Data><Data Name='a'>2</Data><Data Name='a'>3</Data></EventData>"
    )
    assert only_event(raw).fields["winlog.event_data.a"] == ["1", "2", "3"]


def test_entities_are_read_once() -> None:
    """``&amp;lt;`` is the text ``&lt;``."""
    raw = event_xml("<EventData><Data Name='a'>&amp;lt; &#x110;&#272; &quot;</Data></EventData>")
    assert only_event(raw).fields["winlog.event_data.a"] == '&lt; ĐĐ "'


def test_nanoseconds_are_cut() -> None:
    """Cut, not rounded: an event is never later than it was."""
    event = only_event(event_xml(time="2026-11-20T01:02:03.9999999Z"))
    assert event.observed_at.isoformat() == "2026-11-20T01:02:03.999999+00:00"


@pytest.mark.parametrize(
    "body",
    [
        "<EventData><Data Name='a' Type='b'>1</Data></EventData>",
        "<EventData><!-- c --><Data Name='a'>1</Data></EventData>",
        "<EventData><Data Name='a'><![CDATA[1]]></Data></EventData>",
        "<UserData><X xmlns='y'><a>1</a></X></UserData>",
    ],
)
def test_an_unusual_shape_is_read_by_lxml(body: str) -> None:
    """The fast way leaves alone what it cannot account for, and the result is the same."""
    raw = event_xml(body)
    assert parse_plain(raw.decode()) is None
    assert only_event(raw).fields["winlog.event_data.a"] == "1"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not well-formed"),
        (b"\xff\xfe<", "utf-8"),
        (b"<Event><System>", "not well-formed"),
        (b"<Events/>", "root element is <Events>"),
        (b"<Event/>", "no <System>"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><Event>&a;</Event>", "document type"),
        (event_xml("<a>" * 80 + "</a>" * 80), "nested deeper"),
        (event_xml("<a>" * 500 + "</a>" * 500), "not well-formed|nested deeper"),
        (event_xml(code="x"), "EventID"),
        (event_xml(time="noon"), "TimeCreated"),
        (event_xml()[:-20], "not well-formed"),
    ],
    ids=[
        "empty",
        "bytes",
        "cut",
        "root",
        "bare",
        "entities",
        "deep",
        "deeper",
        "code",
        "time",
        "truncated",
    ],
)
def test_a_bad_record_is_a_record_error_with_its_reason(raw: bytes, reason: str) -> None:
    """It is set aside with its bytes; the reason says what to look for."""
    with pytest.raises(RecordError, match=reason):
        list(read(as_received(raw, "windows_xml")))


def test_both_ways_of_parsing_agree_on_every_sample() -> None:
    """The fast way is a shortcut, never another opinion."""
    for sample in sorted(FOLDER.glob("*.xml")):
        text = sample.read_bytes().decode("utf-8")
        plain = parse_plain(text)
        assert plain is None or plain == parse_any(text), sample.name

"""Events to signals."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from soc.detect.judge import FIELD_BYTES, judge
from soc.detect.matcher import Matcher
from soc.detect.packs import compile_pack
from soc.model.event import Event, Signal, signal_id
from tests.detect.builders import HERE, ID, rule, write_rules

NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 5, 1, tzinfo=UTC)


def event(event_id: str = "e1", **fields: Any) -> Event:
    return Event(
        source="test",
        observed_at=NOON,
        fields={**HERE, "f": "x", **fields},
        raw=b"x",
        id=event_id,
        received_at=LATER,
        agency_id="a1",
        system_id="s1",
        level=3,
        host="FS01",
    )


def signals(tmp_path: Path, events: list[Event], **more: Any) -> list[Signal]:
    content = rule(1, {"s": {"f": "x"}, "condition": "s"}, **more)
    pack = compile_pack([write_rules(tmp_path, [content])], mapping="native")
    return judge(Matcher(pack), events)


def test_a_match_becomes_a_signal_that_names_rule_event_and_owner(tmp_path: Path) -> None:
    (signal,) = signals(tmp_path, [event()])
    assert signal == Signal(
        id=signal_id(ID.format(1), "e1"),
        rule_id=ID.format(1),
        rule_title="Rule 1",
        level="high",
        event_id="e1",
        observed_at=NOON,
        received_at=LATER,
        agency_id="a1",
        system_id="s1",
        system_level=3,
        host="FS01",
        entity="host:FS01",
        fields={"f": "x", **HERE},
    )


def test_events_without_a_match_make_no_signal(tmp_path: Path) -> None:
    assert signals(tmp_path, [event(f="y")]) == []


@pytest.mark.parametrize(
    ("entity", "fields", "expected"),
    [
        ("", {"host.name": "WS9"}, "host:WS9"),
        ("user.name", {"user.name": "an"}, "user.name:an"),
        ("user.name", {}, "host:FS01"),
        ("source.ip", {"source.ip": ["203.0.113.7", "::1"]}, "source.ip:203.0.113.7"),
    ],
)
def test_the_rule_names_what_its_alert_is_about(
    tmp_path: Path, entity: str, fields: dict[str, Any], expected: str
) -> None:
    (signal,) = signals(tmp_path, [event(**fields)], custom={"entity": entity})
    assert signal.entity == expected


def test_long_values_are_cut_and_say_so(tmp_path: Path) -> None:
    content = rule(1, {"s": {"f|contains": "ă"}, "condition": "s"})
    pack = compile_pack([write_rules(tmp_path, [content])], mapping="native")
    (signal,) = judge(Matcher(pack), [event(f="ă" * 10_000)])
    kept = signal.fields["f"]
    assert isinstance(kept, str)
    assert len(kept.encode()) <= FIELD_BYTES
    assert kept.endswith("[20000 bytes]")


def test_the_same_events_make_the_same_signals_in_the_same_order(tmp_path: Path) -> None:
    events = [event(f"e{number}", f="x" if number % 2 else "y") for number in range(20)]
    assert signals(tmp_path, events) == signals(tmp_path, events)


def test_the_flow_and_what_its_sensor_missed_stand_beside_the_match(tmp_path: Path) -> None:
    """Also where no rule looks at them; a silent signal carries nothing."""
    seen = event()
    seen.fields.update({"network.community_id": "1:abc=", "sensor.drop_rate": 0.25})
    (signal,) = signals(tmp_path, [seen])
    assert signal.fields["network.community_id"] == "1:abc="
    assert signal.fields["sensor.drop_rate"] == 0.25

"""Events in, signals out: what the flow calls for each batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soc.detect.facts import RuleFacts
from soc.detect.matcher import Matcher
from soc.model.event import CLOCK_OFFSET, Event, Fields, Part, Signal, Value, signal_id

FIELD_BYTES = 4096  # of UTF-8, the most that a signal keeps of one field
HOST = "host.name"
UNJUDGED = "soc.unjudged_rules"  # those whose expression took too long on this event
DEFAULT_ENTITY = (HOST, "source.ip")
BESIDE = ("network.community_id", "sensor.drop_rate")
"""Kept with every match of an event that has them: which flow it was, and how much its sensor missed at that time."""


def judge(matcher: Matcher, events: Sequence[Event]) -> list[Signal]:
    """A signal for every rule that matches an event, in the order of the events and then of the rules.

    The matcher is locked meanwhile, so threads may share it.
    """
    signals: list[Signal] = []
    feed = matcher.feed
    with matcher.lock:
        for event in events:
            for rule_id in matcher.match(event.fields):
                parts = feed.parts(rule_id, event.fields, event.agency_id)
                silent = rule_id in feed.silent
                matched = {} if silent else matcher.matched_fields(rule_id, event.fields)
                signals.append(
                    _signal(matcher.rules[rule_id], event, matched, parts, silent=silent)
                )
            if matcher.stalled:
                event.fields[UNJUDGED] = list(matcher.take_unjudged())
    return signals


def _signal(
    rule: RuleFacts, event: Event, matched: Fields, parts: tuple[Part, ...], *, silent: bool
) -> Signal:
    return Signal(
        id=signal_id(rule.id, event.id),
        rule_id=rule.id,
        rule_title=rule.title,
        level=rule.level,
        event_id=event.id,
        observed_at=event.observed_at,
        received_at=event.received_at,
        agency_id=event.agency_id,
        system_id=event.system_id,
        system_level=event.level,
        host=event.host or _text(event.fields.get(HOST)),
        entity=entity_of(rule, event),
        fields={name: bounded(value) for name, value in matched.items()} | _beside(event, silent),
        parts=parts,
        silent=silent,
        corrected_at=event.corrected_at if CLOCK_OFFSET in event.fields else None,
    )


def _beside(event: Event, silent: bool) -> Fields:
    if silent:
        return {}
    return {name: event.fields[name] for name in BESIDE if name in event.fields}


def entity_of(rule: RuleFacts, event: Event) -> str:
    """What an alert of this rule is about: ``host:NAME``, or ``<field>:<value>``.

    The rule's ``custom.entity`` names the field; without it, or where the event lacks that field, it is the host and
    else the source address. An event with none of them is its own entity.
    """
    return _entity((rule.entity, *DEFAULT_ENTITY), event)


def default_entity(event: Event) -> str:
    """The same for what no rule names an entity of: the host, and else the source address."""
    return _entity(DEFAULT_ENTITY, event)


def _entity(names: Sequence[str], event: Event) -> str:
    for name in names:
        value = _text(event.fields.get(name)) if name else ""
        if name == HOST:
            value = value or event.host
        if value:
            return f"host:{value}" if name == HOST else f"{name}:{bounded(value)}"
    return f"event.id:{event.id}"


def bounded(value: Value) -> Value:
    """A value of at most FIELD_BYTES bytes; what is cut is said at its end."""
    if isinstance(value, str):
        encoded = value.encode("utf-8", "replace")
        if len(encoded) <= FIELD_BYTES:
            return value
        kept = encoded[: FIELD_BYTES - 64].decode("utf-8", "ignore")
        return f"{kept}… [{len(encoded)} bytes]"
    if isinstance(value, list):
        kept_values: list[Any] = []
        left = FIELD_BYTES
        for one in value:
            left -= len(_text(one).encode("utf-8", "replace")) + 1
            if left < 0:
                kept_values.append(f"… [{len(value)} values]")
                break
            kept_values.append(one)
        return kept_values
    return value


def _text(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else None
    return "" if value is None else str(value)

"""Made-up records through the readers and the shipped rules, as a site does it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from soc.collect.discovery import read
from soc.detect.correlation.batch import Batch
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, correlations_of
from soc.model.event import EPOCH, RawRecord
from soc.simulate import Record


class Alarm(NamedTuple):
    """A match that raises an alert; ``runs`` are the attacks among its records, "" for the office day."""

    rule_id: str
    level: str
    title: str
    runs: frozenset[str]


def alarms(records: Iterable[Record], pack: Pack) -> list[Alarm]:
    """Every match of the pack that is not silent.

    Raises:
        RecordError: a reader could not read a record.
    """
    matcher, batch = Matcher(pack), Batch(correlations_of(pack))
    found: list[Alarm] = []
    for number, record in enumerate(records, 1):
        raw = RawRecord(record.raw, record.source, received_at=record.at, host=record.host)
        run = record.label.run if record.label else ""
        for event in read(raw):
            at = (event.observed_at - EPOCH) // timedelta(microseconds=1)
            for rule_id in matcher.match(event.fields):
                parts = matcher.feed.parts(rule_id, event.fields, None)
                batch.take(parts, rule_id=rule_id, key=str(number), at=at, tag=run)
                if rule_id not in matcher.feed.silent:
                    rule = matcher.rules[rule_id]
                    found.append(Alarm(rule_id, rule.level, rule.title, frozenset({run})))
    for one in batch.runs():
        rule = pack.correlation_facts[one.rule.id]
        found.append(Alarm(rule.id, rule.level, rule.title, frozenset(one.tags)))
    return found

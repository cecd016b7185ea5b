"""The indicators in force, kept fresh beside the rules, and the signals that they make."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from soc.detect.indicators.shelf import RULE_PREFIX, IndicatorShelf
from soc.detect.indicators.warning_lists import WarningLists
from soc.detect.indicators.watch import Hit, Watch
from soc.detect.judge import bounded, default_entity
from soc.model.event import Event, Fields, Signal, signal_id
from soc.model.indicator import Kind
from soc.records.database import Database

ECS_OF_KIND = {  # where ECS keeps the value of an indicator (threat.indicator.*)
    Kind.IP: "threat.indicator.ip",
    Kind.URL: "threat.indicator.url.full",
    Kind.DOMAIN: "threat.indicator.url.domain",
    Kind.EMAIL: "threat.indicator.email.address",
}


class CurrentWatch:
    """``judge`` may run in one thread while ``refresh`` runs in another."""

    def __init__(
        self, database: Database, *, ours: Callable[[str], bool], warning_lists: Path | None
    ) -> None:
        """Raises:
        SettingsError: the folder of warning lists cannot be used.
        """
        self._shelf, self._ours = IndicatorShelf(database), ours
        self._lists = WarningLists.load(warning_lists)
        self._version: int | None = None
        self._watch = Watch()
        self._held: dict[str, tuple[int, str]] = {}
        self._counting = threading.Lock()

    def refresh(self, now: datetime) -> bool:
        """Write down what was held back, and take up what has changed; whether anything had."""
        with self._counting:
            held, self._held = self._held, {}
        if held:
            self._shelf.count_held_back(held)
        version = self._shelf.version()
        if version == self._version:
            return False
        self._watch = Watch(self._shelf.in_force(now), ours=self._ours, lists=self._lists)
        self._version = version
        return True

    def judge(self, events: Sequence[Event]) -> list[Signal]:
        """A signal for every indicator that an event holds and that nothing holds back."""
        watch = self._watch
        if not watch.size:
            return []
        signals = []
        for event in events:
            for hit in watch.hits(event):
                if hit.held_back:
                    self._hold_back(hit)
                else:
                    signals.append(signal_of(hit, event))
        return signals

    def _hold_back(self, hit: Hit) -> None:
        with self._counting:
            count, _ = self._held.get(hit.indicator.id, (0, ""))
            self._held[hit.indicator.id] = count + 1, hit.held_back


def signal_of(hit: Hit, event: Event) -> Signal:
    """The signal of a hit: its rule is the indicator, its entity the host or else the source address."""
    indicator, rule_id = hit.indicator, RULE_PREFIX + hit.indicator.id
    fields: Fields = {
        hit.field: bounded(hit.value),
        "threat.indicator.provider": indicator.source,
        "threat.indicator.marking.tlp": indicator.tlp.removeprefix("TLP:"),
        "threat.indicator.name": indicator.value,
    }
    if (place := ECS_OF_KIND.get(indicator.kind)) is not None:
        fields[place] = indicator.value
    if indicator.note:
        fields["threat.indicator.description"] = bounded(indicator.note)
    if hit.listed:
        fields["labels.warning_list"] = hit.listed
    return Signal(
        id=signal_id(rule_id, event.id),
        rule_id=rule_id,
        rule_title=f"IOC {indicator.value} ({indicator.source})",
        level=indicator.level,
        event_id=event.id,
        observed_at=event.observed_at,
        received_at=event.received_at,
        agency_id=event.agency_id,
        system_id=event.system_id,
        system_level=event.level,
        host=event.host,
        entity=default_entity(event),
        fields=fields,
    )

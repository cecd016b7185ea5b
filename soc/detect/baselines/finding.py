"""What a detector says: a finding with its numbers, and the signal that it becomes; alerts join as for rules."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta

from soc.detect.baselines.seen import Seen
from soc.model.event import EPOCH, Fields, Signal
from soc.model.own_rules import OwnRule


@dataclass(frozen=True, slots=True)
class Finding:
    """``entity`` is what the alert is about; ``vi`` and ``en`` its sentence; ``numbers`` the proof.

    ``about`` tells findings of one entity and moment apart: the port that was scanned, the address that was called.
    """

    rule: OwnRule
    seen: Seen  # the connection that completed it
    entity: str
    since: float
    vi: str
    en: str
    numbers: Fields = field(default_factory=dict)
    about: str = ""

    def signal(self) -> Signal:
        """The same finding is always the same signal."""
        event = self.seen.event
        parts = (self.rule.id, event.agency_id or "", self.entity, self.about, f"{self.since:.0f}")
        key = "\x1f".join(parts).encode("utf-8", "replace")
        fields: Fields = {"message": f"{self.vi} / {self.en}"}
        for name in ("source.ip", "destination.ip", "destination.port", "host.name", "observer.name", "soc.peer_ip",
                     "network.community_id", "network.transport", "dns.question.name",
            "sensor.drop_rate"):  # fmt: skip
            if name in event.fields:
                fields[name] = event.fields[name]
        fields |= {f"soc.baseline.{name}": value for name, value in self.numbers.items()}
        return Signal(
            id=hashlib.blake2b(key, digest_size=16).hexdigest(),
            rule_id=self.rule.id,
            rule_title=self.rule.title,
            level=self.rule.level,
            event_id=event.id,
            observed_at=event.observed_at,
            received_at=event.received_at,
            agency_id=event.agency_id,
            system_id=event.system_id,
            system_level=event.level,
            host=event.host or str(event.fields.get("host.name", "")),
            entity=self.entity[:400],
            fields=fields,
        )


def clock(seconds: float) -> str:
    """A moment of a detector as the alert shows it.

    >>> clock(0)
    '1970-01-01T00:00:00Z'
    """
    return f"{EPOCH + timedelta(seconds=round(seconds)):%Y-%m-%dT%H:%M:%SZ}"

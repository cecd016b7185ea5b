"""RawRecord, Event, Match, Signal: what happened, and what a rule said of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Scalar = str | int | float | bool
Value = Scalar | list[Any]  # a field's value: a scalar or a list of scalars
Fields = dict[str, Value]  # flat: dotted ECS names to values; an absent field is absent, never None

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TESTING = "testing"  # ``Signal.excepted_by`` of a rule in testing; no exception has such an id
CLOCK_OFFSET = "soc.clock.offset_seconds"  # how far ahead of ours the clock of an event's time was


SHIPPED = "shipped:"  # before a source's name: the record stands within another shipper's JSON


@dataclass(frozen=True, slots=True)
class RawRecord:
    """Bytes as the source wrote them, and how they came."""

    raw: bytes
    source: str  # the reader's name, or "auto"
    received_at: datetime  # our clock
    agent: str = ""  # agent id, or the shipper's token name
    incarnation: str = ""  # random hex made with the agent's spool
    stream: str = ""
    sequence: int = 0  # within the stream, from 1
    collected_at: datetime | None = None  # the agent's clock
    host: str = ""  # the agent's host name
    zone: str = "Asia/Ho_Chi_Minh"  # of times written without one


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, in ECS 9 field names.

    A reader fills the first four; the flow stamps the rest. ``fields`` holds flat dotted names (see
    ``soc.normalise.fields``). Event time and arrival time are both kept.
    """

    source: str  # the reader that made it
    observed_at: datetime  # the source's clock, aware UTC
    fields: Fields
    raw: bytes
    id: str = ""
    received_at: datetime = EPOCH  # our clock, aware UTC
    agency_id: str | None = None  # None: unowned
    system_id: str | None = None
    level: int = 0  # security level of the system 1-5; 0 unknown
    host: str = ""

    @property
    def corrected_at(self) -> datetime:
        """When it happened by our clock, as far as known: ``observed_at`` without the offset found at receipt."""
        offset = self.fields.get(CLOCK_OFFSET)
        if not isinstance(offset, int | float):
            return self.observed_at
        return self.observed_at - timedelta(seconds=offset)


def event_id(agent: str, incarnation: str, stream: str, sequence: int, ordinal: int) -> str:
    """The id of the ``ordinal``-th event (from 0) of a numbered record: 32 hex digits.

    >>> event_id("a", "00", "s", 1, 0) == event_id("a", "00", "s", 1, 0)
    True
    """
    key = f"{agent}\x1f{incarnation}\x1f{stream}\x1f{sequence}\x1f{ordinal}".encode()
    return hashlib.blake2b(key, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Match:
    """A rule matched an event; ``fields`` are the event's values that the rule's condition looked at."""

    rule_id: str
    event_id: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Part:
    """What a match contributes to one group of a correlation: what all its matches say together is worked out later.

    ``carried`` holds the groups and values for the correlations above that one, by their ids.
    """

    correlation_id: str
    group: str  # JSON list: agency ("" where groups reach over agencies), then the folded values of group-by
    value: Value | None = None
    carried: dict[str, list[Any]] = field(default_factory=dict)
    time: str = "corrected"  # or source, arrival: by which of a match's times the windows run


@dataclass(frozen=True, slots=True)
class Signal:
    """A match kept in the records. The id is the hash of rule and event, so a repeat is the same signal.

    A ``silent`` one only feeds correlations: it makes no alert.
    """

    id: str
    rule_id: str
    rule_title: str
    level: str  # Sigma: informational low medium high critical
    event_id: str
    observed_at: datetime
    received_at: datetime
    agency_id: str | None
    system_id: str | None
    system_level: int
    host: str
    entity: str  # "host:SXD-FS01", "source.ip:203.0.113.7": what the rule's alert is about
    fields: Fields = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    silent: bool = False
    excepted_by: str | None = None  # an exception's id or TESTING: it is kept and makes no alert
    corrected_at: datetime | None = None  # None: as ``observed_at``

    def at(self, time: str) -> datetime:
        """The time by which a correlation's windows run: ``corrected``, ``source`` or ``arrival``."""
        if time == "arrival":
            return self.received_at
        return self.observed_at if time == "source" else self.corrected_at or self.observed_at


def signal_id(rule_id: str, event_id: str) -> str:
    """32 hex digits."""
    return hashlib.blake2b(f"{rule_id}\x1f{event_id}".encode(), digest_size=16).hexdigest()

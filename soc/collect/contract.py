"""What a source is: one product's records, bytes to events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from soc.model.event import Event, RawRecord


@dataclass(frozen=True, slots=True)
class Source:
    """A product whose records we can read. Beside ``SOURCE`` its module has ``read(record) -> Iterator[Event]``."""

    name: str  # the reader's name: what RawRecord.source says
    product: str
    arrives_by: str  # evtx, audit, journal, syslog, file
    reference: str  # where the format is described
    version: str = "1"  # of the reader; kept with set-aside records
    namespaces: tuple[str, ...] = ()  # vendor namespaces beside ECS, e.g. "winlog"


Read = Callable[[RawRecord], Iterator[Event]]


@dataclass(frozen=True, slots=True)
class Reader:
    source: Source
    read: Read

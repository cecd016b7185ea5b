"""Partitions: which events lie in which folder, and the folder of all of them.

A partition is (arrival period in UTC+7, retention class). ``short`` and ``level3`` have one a day, the classes kept
longer one a week. Each is a folder ``<class>-<period>`` with ``partition.json`` and ``index/``; a partition of held
events is ``held-<class>-<period>`` and is read only when the one it was copied from has gone.

Every change of a folder is one rename, so that a kill leaves either the old state or the new one, and readers in
other processes need no lock.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import orjson
import tantivy

from soc.errors import StoreError
from soc.model.event import Event
from soc.store.document import SCHEMA_VERSION, schema
from soc.store.faults import faults

VIETNAM = timezone(timedelta(hours=7))
DAY = timedelta(days=1)
HOUR = 3_600_000_000  # microseconds
CLASSES = ("short", "level3", "level4", "level5", "own")
BY_DAY = frozenset({"short", "level3"})
NAME = re.compile(r"(?P<held>held-)?(?P<kept>[a-z0-9]+)-(?P<period>\d{4}-\d\d-\d\d|\d{4}-W\d\d)")
OWN_DATASET = "soc.agent"
CARD = "partition.json"


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One partition's name, taken apart."""

    period: str  # 2026-11-22 or 2026-W47
    kept: str  # the retention class
    held: bool = False

    @property
    def name(self) -> str:
        return f"{'held-' if self.held else ''}{self.kept}-{self.period}"

    @property
    def first_day(self) -> date:
        if "W" in self.period:
            year, week = self.period.split("-W")
            return date.fromisocalendar(int(year), int(week), 1)
        return date.fromisoformat(self.period)

    @property
    def days(self) -> int:
        return 7 if "W" in self.period else 1

    @property
    def starts_at(self) -> datetime:
        """Aware time of the first arrival that belongs here."""
        return datetime.combine(self.first_day, datetime.min.time(), VIETNAM)

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=self.days - 1)

    @classmethod
    def from_name(cls, name: str) -> Partition | None:
        """The partition that a folder's name tells, None for other folders."""
        found = NAME.fullmatch(name)
        if found is None or found["kept"] not in CLASSES:
            return None
        return cls(found["period"], found["kept"], bool(found["held"]))


def class_of(event: Event) -> str:
    """The retention class of an event, by its system's level at arrival."""
    if event.fields.get("event.dataset") == OWN_DATASET:
        return "own"
    return f"level{event.level}" if event.level in (3, 4, 5) else "short"


def partition_at(received_at: datetime, kept: str) -> Partition:
    """The partition of what arrives at that time in that class."""
    day = received_at.astimezone(VIETNAM).date()
    if kept in BY_DAY:
        return Partition(day.isoformat(), kept)
    year, week, _ = day.isocalendar()
    return Partition(f"{year:04}-W{week:02}", kept)


@dataclass(frozen=True, slots=True)
class Reach:
    """Least and greatest ``observed_at`` (microseconds), at least; widened by whole hours before a commit."""

    least: int
    greatest: int

    def covers(self, other: Reach) -> bool:
        return self.least <= other.least and other.greatest <= self.greatest

    def meets(self, start: int | None, end: int | None) -> bool:
        """Whether events from ``start`` (inclusive) to ``end`` (exclusive) can be here."""
        return (start is None or self.greatest >= start) and (end is None or self.least < end)

    def widened(self, other: Reach) -> Reach:
        least, greatest = min(self.least, other.least), max(self.greatest, other.greatest)
        return Reach(least - least % HOUR, greatest - greatest % HOUR + HOUR - 1)


NOWHERE = Reach(2**62, -(2**62))


class Shelf:
    """The folder of all partitions."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._reaches: dict[str, tuple[tuple[int, int], Reach]] = {}  # name: (file's stamp, reach)

    def names(self) -> list[Partition]:
        """Every partition, oldest period first."""
        try:
            found = [Partition.from_name(folder.name) for folder in self.home.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(one for one in found if one is not None)

    def readable(self) -> list[Partition]:
        """Those that a search looks into: held copies only where the original has gone."""
        names = self.names()
        originals = {(one.period, one.kept) for one in names if not one.held}
        return [one for one in names if not (one.held and (one.period, one.kept) in originals)]

    def within(self, start: int | None, end: int | None) -> Iterator[Partition]:
        """Readable partitions that can hold events observed from ``start`` to ``end``."""
        for partition in self.readable():
            reach = self.reach(partition)
            if reach is not None and reach.meets(start, end):
                yield partition

    def path(self, partition: Partition) -> Path:
        return self.home / partition.name

    def reach(self, partition: Partition) -> Reach | None:
        """What its card says; None when the partition has just been dropped."""
        card = self.path(partition) / CARD
        try:
            state = card.stat()
            stamp = (state.st_ino, state.st_mtime_ns)
            known = self._reaches.get(partition.name)
            if known is not None and known[0] == stamp:
                return known[1]
            read = orjson.loads(card.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StoreError(f"{card} cannot be read: {error}; restore it from a backup") from error
        if read["schema"] > SCHEMA_VERSION:
            raise StoreError(f"{card} was written by a newer version of this program; update it")
        reach = Reach(read["least"], read["greatest"])
        self._reaches[partition.name] = (stamp, reach)
        return reach

    def create(self, partition: Partition) -> None:
        """Make an empty partition, if there is none."""
        if self.path(partition).is_dir():
            return
        made = self.home / f".new-{partition.name}"
        with faults(f"cannot make the partition {partition.name}"):
            shutil.rmtree(made, ignore_errors=True)
            (made / "index").mkdir(parents=True)
            tantivy.Index(schema(), str(made / "index"))
            self._write_card(made, NOWHERE)
            made.rename(self.path(partition))
            sync(self.home)

    def index(self, partition: Partition) -> Path:
        """The folder of its index."""
        return self.path(partition) / "index"

    def widen(self, partition: Partition, reach: Reach) -> None:
        """Let the card cover ``reach``, on disk, before events of it are committed."""
        known = self.reach(partition) or NOWHERE
        if not known.covers(reach):
            with faults(f"cannot write the card of {partition.name}"):
                self._write_card(self.path(partition), known.widened(reach))

    def _write_card(self, folder: Path, reach: Reach) -> None:
        card = {"schema": SCHEMA_VERSION, "least": reach.least, "greatest": reach.greatest}
        fresh = folder / f"{CARD}.new"
        with fresh.open("wb") as file:
            file.write(orjson.dumps(card))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / CARD)
        sync(folder)

    def drop(self, partition: Partition) -> None:
        """Take a partition away at once; its files go afterwards. Open searches keep what they have."""
        gone = self.home / f".gone-{partition.name}"
        with faults(f"cannot drop the partition {partition.name}"):
            shutil.rmtree(gone, ignore_errors=True)
            self.path(partition).rename(gone)
            sync(self.home)
            shutil.rmtree(gone, ignore_errors=True)
        self._reaches.pop(partition.name, None)

    def tidy(self) -> None:
        """Remove what a kill left half made or half dropped."""
        for folder in self.home.iterdir():
            if folder.name.startswith((".new-", ".gone-")):
                shutil.rmtree(folder, ignore_errors=True)

    def size_bytes(self, partition: Partition) -> int:
        """Bytes of its files; those that vanish meanwhile (merges) are not counted."""
        total = 0
        for folder, _, names in os.walk(self.path(partition)):
            for name in names:
                try:
                    total += (Path(folder) / name).stat().st_size
                except FileNotFoundError:
                    continue
        return total


def sync(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

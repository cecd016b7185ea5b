"""A plan written into a folder: one file a source, and the attacks' labels beside.

    records/windows_xml.log           one event's XML a line
    records/syslog.log                one line each
    records/fortigate.log
    records/web_access/HOST.log       one file a portal: an access log does not say its host
    records/linux_audit.txt           a blank line after the lines of each serial
    labels.jsonl                      one attack a line
    plan.json                         what was asked for, and that it is synthetic

A label: ``run``, ``scenario``, ``title``, ``title_vi``, ``techniques``, ``host``, ``start``, ``end`` (UTC),
``expects`` (rule ids), ``ordinals`` (places of its records among all records, from 1) and ``records`` (file to places
in it, from 1: the line numbers of a file of lines, the serials' places in ``linux_audit.txt``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO

from soc.errors import Conflict
from soc.simulate.days import days
from soc.simulate.record import VIETNAM, Label, Plan, Record
from soc.simulate.scenarios import scenarios

RECORDS, LABELS, PLAN = "records", "labels.jsonl", "plan.json"
NOTICE = "Synthetic: made up by `soc simulate`. Nothing in it happened."
BUFFER = 1 << 20  # bytes of a file kept back


@dataclass(slots=True)
class Run:
    """What is known of an attack so far."""

    label: Label
    start: datetime
    end: datetime
    ordinals: list[int] = field(default_factory=list)
    records: dict[str, list[int]] = field(default_factory=dict)

    def add(self, ordinal: int, file: str, place: int, at: datetime) -> None:
        self.end = at
        self.ordinals.append(ordinal)
        self.records.setdefault(file, []).append(place)

    def to_json(self) -> str:
        scenario, _ = scenarios()[self.label.scenario]
        told = asdict(self.label) | {"title": scenario.title, "title_vi": scenario.title_vi}
        told |= {"start": self.start.isoformat(), "end": self.end.isoformat()}
        told |= {"ordinals": self.ordinals, "records": self.records}
        return json.dumps(told, ensure_ascii=False)


def write(
    plan: Plan, folder: Path, *, day_begins: Callable[[date], None] = lambda _: None
) -> Counter[str]:
    """Write the plan's records; how many each file got.

    Raises:
        Conflict: the folder holds something already.
        ValueError: the plan is out of its limits.
        OSError: the folder cannot be written; what was written stays.
    """
    records = days(plan)
    first = next(records)  # a wrong plan shows before anything is written
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    told = {"notice": NOTICE, **asdict(plan)}
    (folder / PLAN).write_text(
        json.dumps(told, ensure_ascii=False, default=str, indent=1) + "\n", "utf-8"
    )
    with Writer(folder) as writer:
        today = None
        for record in _again(first, records):
            day = record.at.astimezone(VIETNAM).date()
            if day != today:
                today = day
                writer.close_runs()
                day_begins(day)
            writer.add(record)
        writer.close_runs()
        return writer.written


def _again(first: Record, others: Iterator[Record]) -> Iterator[Record]:
    yield first
    yield from others


class Writer:
    """The open files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: Counter[str] = Counter()
        self._files: dict[str, BinaryIO] = {}
        self._runs: dict[str, Run] = {}
        self._ordinal = 0
        self._stack = ExitStack()

    def __enter__(self) -> Writer:
        self._labels = self._stack.enter_context((self.folder / LABELS).open("w", encoding="utf-8"))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, record: Record) -> None:
        self._ordinal += 1
        name = file_of(record)
        file = self._files.get(name) or self._open(name)
        file.write(record.raw + (b"\n\n" if record.source == "linux_audit" else b"\n"))
        self.written[name] += 1
        if record.label is not None:
            run = self._runs.setdefault(record.label.run, Run(record.label, record.at, record.at))
            run.add(self._ordinal, name, self.written[name], record.at)

    def close_runs(self) -> None:
        """Write the labels of what has ended: an attack ends before midnight."""
        for run in self._runs.values():
            self._labels.write(run.to_json() + "\n")
        self._runs.clear()

    def _open(self, name: str) -> BinaryIO:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._files[name] = self._stack.enter_context(path.open("wb", BUFFER))
        return self._files[name]


def file_of(record: Record) -> str:
    """The name of a record's file below the folder."""
    if record.source == "web_access":
        return f"{RECORDS}/web_access/{record.host}.log"
    ending = "txt" if record.source == "linux_audit" else "log"
    return f"{RECORDS}/{record.source}.{ending}"

"""The golden samples of the readers, and the command that writes what they become.

``tests/sources/<source>/<what>.log`` holds records of one source, ``.xml`` one event; beside it ``<what>.events.jsonl``
has one line for each event, or for each record that cannot be read. ``python -m tests.sources.accept`` writes those
lines anew: read the diff before keeping it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from soc.collect.discovery import read
from soc.errors import RecordError
from soc.model.event import RawRecord

FOLDER = Path(__file__).parent
RECEIVED_AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
BLANK_LINE_BETWEEN = frozenset({"blue_coat", "edr", "exchange", "iis", "linux_audit"})
"""Whose records have several lines."""


def samples() -> list[Path]:
    """Every sample, in a stable order."""
    return sorted([*FOLDER.glob("*/*.log"), *FOLDER.glob("*/*.xml")])


def raw_records(sample: Path) -> list[bytes]:
    """The records of a sample, byte for byte."""
    content = sample.read_bytes()
    if sample.suffix == ".xml":
        return [content]
    separator = b"\n\n" if sample.parent.name in BLANK_LINE_BETWEEN else b"\n"
    return [raw.strip(b"\n") for raw in content.split(separator) if raw.strip(b"\n")]


def as_received(raw: bytes, source: str) -> RawRecord:
    """A record as if the agent of the host ``may01`` had sent it."""
    return RawRecord(raw=raw, source=source, received_at=RECEIVED_AT, agent="agent01", host="may01")


def outcomes(sample: Path) -> Iterator[dict[str, object]]:
    """What each record of a sample becomes."""
    for raw in raw_records(sample):
        try:
            for event in read(as_received(raw, sample.parent.name)):
                fields = dict(sorted(event.fields.items()))
                yield {"observed_at": event.observed_at.isoformat(), "fields": fields}
        except RecordError as error:
            yield {"error": error.reason}


def expected(sample: Path) -> Path:
    """The file with what a sample becomes."""
    return sample.with_suffix(".events.jsonl")


def main() -> None:
    """Write every expectation anew."""
    for sample in samples():
        lines = [json.dumps(outcome, ensure_ascii=False) for outcome in outcomes(sample)]
        expected(sample).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

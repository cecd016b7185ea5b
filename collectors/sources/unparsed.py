"""Lines of text that no reader claims: kept with their words, so that they are found, and counted by device.

``event.dataset: unparsed`` finds them; ``host.name`` says which device still wants a reader. Bytes that are no text are
not claimed: they are set aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.device_head import add_head, read_head, when

SOURCE = Source(
    name="unparsed",
    product="Any line of text that no other reader knows",
    arrives_by="syslog, file",
    reference="none: the words are kept as they are",
)
CLAIMS_THE_REST = True
NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
LOOKED_AT = 4_000  # bytes
MOST_WORDS = 30_000  # characters of the message; the raw bytes are whole


def claims(raw: bytes) -> bool:
    """Whether the bytes look like text: something is written, and no control character but tab, line end and escape."""
    start = raw[:LOOKED_AT].strip(b"\r\n\x00 \t")
    return bool(start) and NO_TEXT.search(start) is None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: the line is empty.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \t\ufeff")
    if not line:
        raise RecordError("an empty line", source=SOURCE.name, raw=record.raw)
    head = read_head(line, record)
    fields: Fields = {
        "event.kind": "event",
        "event.module": "unparsed",
        "event.dataset": "unparsed",
        "message": line[:MOST_WORDS],
    }
    add_head(fields, head, record)
    yield Event(source=SOURCE.name, observed_at=when(head, record), fields=fields, raw=record.raw)

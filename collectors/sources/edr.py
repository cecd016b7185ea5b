"""Exports of central anti-malware and EDR servers: CSV rows, JSON objects, text lines, read by mapping files.

A CSV row comes with the line of its columns' names before it, so that a record can be read alone; comma, semicolon
and tab separate. A JSON object may be nested: its columns have dotted names. Which product a row is of is seen from
its columns, unless the stream names the mapping (``edr/NAME/...``). CEF lines of the same products are the ``cef``
reader's.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

import orjson

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, RawRecord
from soc.normalise.protection.mapping import fold
from soc.normalise.protection.row import form_of, form_of_line, read_row
from soc.normalise.protection.shelf import in_force

SOURCE = Source(
    name="edr",
    product="Central anti-malware and EDR servers (Kaspersky, ESET, Trend Micro, Defender, Viettel, ClamAV, ...)",
    arrives_by="file, poll",
    reference="the products' export formats, named in the head of each file of edr-mappings/",
    namespaces=("edr",),
)
STREAM = "edr/"  # then the mapping's name, then where the records come from
DEPTH, COLUMNS, NAME, ITEMS = 12, 500, 200, 50
Row = dict[str, str]


def claims(raw: bytes) -> bool:
    """Whether a text line is one that a mapping knows; rows come with their reader named."""
    return raw.endswith(b" FOUND") and b" -> " in raw[:400]


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a row.

    Raises:
        RecordError: no row, no mapping that knows it, or it lacks what its kind must have.
    """
    try:
        fields, at = _read(record)
    except (ValueError, csv.Error) as error:  # JSONDecodeError; orjson's "Recursion limit reached"
        raise RecordError(str(error), source=SOURCE.name, raw=record.raw) from error
    observed_at = at or record.collected_at or record.received_at
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _read(record: RawRecord) -> tuple[dict[str, Any], Any]:
    text, shelf, product = _text(record.raw), in_force(), _named(record.stream)
    if product and shelf.named(product) is None:
        raise ValueError(
            f"there is no mapping {product!r}: put {product}.yaml into a folder of SOC_EDR_MAPPINGS"
        )
    if text.startswith("{"):
        row = _flat(text)
    elif "\n" in text:
        row = _pairs(text)
    else:
        found = form_of_line(shelf, text, product)
        if found is None:
            raise ValueError("no mapping knows this line: docs/edr-feed.md tells how to add one")
        read = read_row(found[0], found[1], found[2], record)
        if record.host:
            read.fields.setdefault("host.name", record.host)
        return read.fields, read.at
    known = form_of(shelf, row, cef=False, product=product)
    if known is None:
        names = ", ".join(list(row)[:20])
        raise ValueError(
            f"no mapping knows these columns ({names}): docs/edr-feed.md tells how to add one"
        )
    read = read_row(*known, row, record)
    return read.fields, read.at


def _text(raw: bytes) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16").strip("\r\n \x00\ufeff")
    return raw.decode("utf-8-sig", errors="replace").strip("\r\n \x00\ufeff")


def _named(stream: str) -> str:
    return stream.removeprefix(STREAM).partition("/")[0] if stream.startswith(STREAM) else ""


def _pairs(text: str) -> Row:
    """A row under the names of its columns."""
    head = text[: text.index("\n")]
    separator = max(",;\t", key=head.count)
    rows = [one for one in csv.reader(text.splitlines(keepends=True), delimiter=separator) if one]
    if len(rows) != 2:
        raise ValueError(f"{len(rows)} rows: the names of the columns and one row are expected")
    names, values = rows
    if len(names) > COLUMNS or len(values) > len(names):
        raise ValueError(f"{len(values)} values for {len(names)} columns: the row is damaged")
    if len(values) < len(names):
        raise ValueError(f"{len(values)} values for {len(names)} columns: the row is cut")
    return {fold(name)[:NAME]: value for name, value in zip(names, values, strict=True) if name}


def _flat(text: str) -> Row:
    written = orjson.loads(text)
    row: Row = {}
    _add(row, "", written, 1)
    return row


def _add(row: Row, name: str, value: Any, depth: int) -> None:
    """A value under its dotted name; of a list of objects the first one, of other lists all in one text."""
    if depth > DEPTH or len(row) > COLUMNS:
        raise ValueError(f"nested deeper than {DEPTH}, or more than {COLUMNS} columns")
    if isinstance(value, dict):
        for key, inner in value.items():
            _add(row, f"{name}.{key}" if name else key, inner, depth + 1)
    elif isinstance(value, list):
        if value and isinstance(value[0], dict | list):
            _add(row, name, value[0], depth + 1)
        else:
            _add(row, name, ", ".join(str(one) for one in value[:ITEMS]), depth + 1)
    elif value is not None:
        said = str(value).lower() if isinstance(value, bool) else str(value)
        row.setdefault(fold(name)[:NAME], said)

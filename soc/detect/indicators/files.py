"""Files of indicators: CSV and STIX 2.1 bundles. What cannot be read is listed with its place; the rest is taken."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from soc.detect.indicators.values import read_value
from soc.errors import IndicatorError
from soc.model.indicator import Indicator, Kind, Tlp

LARGEST_FILE = 256 * 2**20  # bytes
MOST_REFUSALS = 1_000  # named; the others are counted
COLUMNS = ("value", "kind", "level", "tlp", "expires_at", "valid_from", "source", "note", "agency")
LEVELS = ("informational", "low", "medium", "high", "critical")
DAYS_IN_FORCE: Mapping[Kind, int] = {
    Kind.IP: 30,
    Kind.NETWORK: 30,
    Kind.DOMAIN: 90,
    Kind.URL: 90,
    Kind.EMAIL: 90,
    Kind.JA4: 180,
    Kind.HASH: 365,
}
"""For a message that names no end: addresses change hands, files do not."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a file's lines do not say themselves."""

    source: str
    now: datetime
    level: str = "high"
    tlp: Tlp = Tlp.AMBER
    days: int | None = None  # None: by kind
    agency_id: str | None = None


@dataclass(slots=True)
class ReadFile:
    """``refused`` holds ``place: reason`` texts."""

    indicators: list[Indicator] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refusals: int = 0

    def refuse(self, place: str, reason: str) -> None:
        self.refusals += 1
        if len(self.refused) < MOST_REFUSALS:
            self.refused.append(f"{place}: {reason}")


def read_file(path: Path, defaults: Defaults) -> ReadFile:
    """Read a CSV file with a header line, a plain list of values, or a STIX 2.1 bundle (``{`` is its first character).

    Raises:
        IndicatorError: not one line of it can be read; the text says what was expected.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise IndicatorError(f"{path}: a file of indicators has at most {LARGEST_FILE} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise IndicatorError(f"{path}: {error.strerror}") from error
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        from soc.detect.indicators.stix import read_bundle

        return read_bundle(path.name, content, defaults)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise IndicatorError(
            f"{path}: byte {error.start} is not UTF-8; save it as UTF-8"
        ) from error
    return read_csv(path.name, text, defaults)


def read_csv(name: str, text: str, defaults: Defaults) -> ReadFile:
    """Lines of values, or a table whose header names columns of ``COLUMNS``; ``#`` starts a remark."""
    read = ReadFile()
    lines = text.splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    separator = max(",;\t", key=first.count)
    header = [cell.strip().lower() for cell in first.split(separator)]
    if "value" not in header:
        header, first = ["value"], ""
    unknown = sorted(set(header) - set(COLUMNS))
    if unknown:
        raise IndicatorError(
            f"{name}: unknown columns {', '.join(unknown)}; there are {', '.join(COLUMNS)}"
        )
    for number, cells in _rows(lines, separator):
        if first and [cell.strip().lower() for cell in cells] == header:
            first = ""
            continue
        row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        try:
            read.indicators.append(of_row(row, defaults))
        except IndicatorError as error:
            read.refuse(f"{name}:{number}", str(error))
    return read


def _rows(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """One line each; a quote that is not closed ends with its line."""
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            cells = next(csv.reader([line], delimiter=separator))
        except csv.Error:
            cells = line.split(separator)
        yield number, cells


def of_row(row: Mapping[str, str], defaults: Defaults) -> Indicator:
    """The indicator of a line's columns.

    Raises:
        IndicatorError: a column cannot be used.
    """
    kind, value = read_value(row.get("value", ""), _kind(row.get("kind", "")))
    made = made_of(kind, value, defaults)
    level = row.get("level", "").lower() or made.level
    if level not in LEVELS:
        raise IndicatorError(f"a level is one of {', '.join(LEVELS)}", value=level)
    start = _time(row.get("valid_from", "")) or made.valid_from
    end = _time(row.get("expires_at", "")) or made.expires_at
    if end <= start:
        raise IndicatorError("it ends before it begins", value=row.get("expires_at", ""))
    return replace(
        made,
        level=level,
        tlp=read_tlp(row.get("tlp", "")) or made.tlp,
        source=row.get("source") or made.source,
        note=row.get("note", ""),
        agency_id=row.get("agency") or made.agency_id,
        valid_from=start,
        expires_at=end,
    )


def made_of(kind: Kind, value: str, defaults: Defaults) -> Indicator:
    """An indicator of which nothing else is known."""
    days = defaults.days or DAYS_IN_FORCE[kind]
    return Indicator(
        kind=kind,
        value=value,
        source=defaults.source,
        valid_from=defaults.now,
        expires_at=defaults.now + timedelta(days=days),
        level=defaults.level,
        tlp=defaults.tlp,
        agency_id=defaults.agency_id,
    )


def _kind(text: str) -> Kind | None:
    """Also by MISP's and STIX's names of types."""
    small = text.strip().lower()
    if not small:
        return None
    known = OTHER_NAMES.get(small, small)
    if known not in list(Kind):
        raise IndicatorError(f"a kind is one of {', '.join(Kind)}", value=text)
    return Kind(known)


OTHER_NAMES = {
    **dict.fromkeys(("ip-src", "ip-dst", "ipv4", "ipv6", "ipv4-addr", "ipv6-addr"), "ip"),
    "cidr": "network",
    **dict.fromkeys(("hostname", "domain-name", "fqdn"), "domain"),
    **dict.fromkeys(("uri", "link"), "url"),
    **dict.fromkeys(("md5", "sha1", "sha256", "file"), "hash"),
    **dict.fromkeys(("email-src", "email-dst", "email-addr"), "email"),
    "ja4-fingerprint": "ja4",
}


def read_tlp(text: str) -> Tlp | None:
    """``AMBER``, ``tlp:amber``, ``TLP:WHITE`` (the old name of CLEAR); None where nothing is written.

    Raises:
        IndicatorError: it is no such label.
    """
    bare = text.strip().upper().removeprefix("TLP:")
    if not bare:
        return None
    label = f"TLP:{'CLEAR' if bare == 'WHITE' else bare}"
    if label not in list(Tlp):
        raise IndicatorError(f"a TLP label is one of {', '.join(Tlp)}", value=text)
    return Tlp(label)


def _time(text: str) -> datetime | None:
    """ISO 8601; a time without a zone is UTC, a day means its beginning."""
    if not text.strip():
        return None
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise IndicatorError(
            "a time is written 2026-12-31 or 2026-12-31T23:00Z", value=text
        ) from error
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)

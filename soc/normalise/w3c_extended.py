"""The W3C extended log file format: ``#Fields:`` names the columns of the lines after it.

A record may hold the ``#Fields:`` line and one or more lines after it (so the agent ships them); a line that comes
alone is read by the layouts in which products write unless told otherwise. Times are UTC, as the format says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from soc.normalise.timestamps import from_iso

FIELDS = "#Fields:"
COLUMN = re.compile(r'"((?:[^"]|"")*+)"(?=[ \t]|$)|(\S++)')
NAME = re.compile(r"(?:\"[^\"]{1,100}\"|[^\s,]){1,100}")
MOST_COLUMNS = 100
MOST_LINES = 1_000
NOTHING = frozenset({"", "-"})
Layout = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """A record taken apart."""

    names: Layout  # empty where the record has no ``#Fields:``
    lines: Sequence[str]  # of data
    remarks: Mapping[str, str] = field(default_factory=dict)  # "Software", "Date", ...


def taken_apart(text: str) -> Taken:
    """The columns, the lines of data and the remarks of a record.

    >>> taken_apart("#Software: X\\n#Fields: date time c-ip\\n2026-11-20 09:00:00 10.0.0.1").names
    ('date', 'time', 'c-ip')
    """
    if not text.startswith("#"):
        return Taken((), [line for line in text.split("\n", MOST_LINES) if line.strip()])
    names: Layout = ()
    lines, remarks = [], {}
    for line in text.split("\n", MOST_LINES):
        if line.startswith(FIELDS):
            names = _names(line.strip())
        elif line.startswith("#"):
            name, _, value = line[1:].partition(":")
            remarks[name.strip()] = value.strip()
        elif line.strip():
            lines.append(line)
    return Taken(names, lines, remarks)


@lru_cache(maxsize=256)
def _names(line: str) -> Layout:
    return tuple(map(column_name, NAME.findall(line[len(FIELDS) :])[:MOST_COLUMNS]))


def column_name(written: str) -> str:
    """A column's name without signs that a query would have to escape.

    >>> column_name("cs(User-Agent)"), column_name('"X-Real IP"')
    ('cs-user-agent', 'x-real-ip')
    """
    plain = written.strip('"').lower().replace("(", "-").replace(")", "")
    return re.sub(r"[^a-z0-9_.-]+", "-", plain).strip("-.") or "column"


def columns(line: str) -> list[str]:
    """The values of a line; one in quotes may hold spaces, and two quotes in it are one.

    >>> columns('10.0.0.1 "two words" "say ""hi"" now" -')
    ['10.0.0.1', 'two words', 'say "hi" now', '-']
    """
    line = line.rstrip("\r\n")
    if '"' not in line:
        return line.split()
    return [quoted.replace('""', '"') if quoted else bare for quoted, bare in COLUMN.findall(line)]


def named(
    values: Sequence[str],
    names: Layout,
    layouts: Sequence[Layout],
    fits: Callable[[Mapping[str, str]], bool],
) -> dict[str, str]:
    """The values by the names of the header, or by the first layout whose values look right; else empty."""
    for layout in (names,) if names else layouts:
        if len(layout) == len(values) or (names and len(values) > len(layout) > 0):
            said = {
                name: value
                for name, value in zip(layout, values, strict=False)
                if value not in NOTHING
            }
            if names or fits(said):
                return said
    return {}


def moment(said: Mapping[str, str]) -> datetime | None:
    """``date`` and ``time``, or None where they are not there or cannot be read."""
    try:
        return from_iso(f"{said.get('date', '')} {said.get('time', '')}")
    except ValueError:
        return None

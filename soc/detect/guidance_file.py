"""The table of guidance as a file (``guidance.yaml`` in a rule folder; docs/how-to-add/a-rule.md has the format)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from soc.detect.rule_text import HINTS
from soc.errors import RuleError
from soc.normalise.fields import is_known
from soc.normalise.query_text import placeholders
from soc.normalise.yaml_places import Placed, load_with_places

NAME = "guidance.yaml"
ANY = "any"  # the row and the kind for what has none of its own
CHECKS = 3
SPAN = re.compile(r"(\d{1,3})([mhd])")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=30)
FILE_BYTES = 2**21
REMEDIES = {
    "extra_forbidden": "check the spelling of this key",
    "missing": "write it; docs/how-to-add/a-rule.md has an example",
    "string_too_short": "write a sentence",
}


def _span(value: object) -> timedelta:
    found = SPAN.fullmatch(str(value))
    span = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else None
    if span is None or span > LONGEST:
        raise ValueError("a time is a number and m, h or d, at most 30d, as 30m or 7d")
    return span


def _queries(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _askable(query: str) -> str:
    for name in placeholders(query):
        if not is_known(name):
            raise ValueError(f"no event has the field {name}")
    if not placeholders(query):
        raise ValueError("a query names a field of the event, as {host.name}")
    return query


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,60}$")]
Span = Annotated[timedelta, BeforeValidator(_span)]
Query = Annotated[Text, AfterValidator(_askable)]
NORMAL = timedelta(minutes=30)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Said(Strict):
    """One text in both languages."""

    vi: Text
    en: Text


class CheckText(Said):
    """A question, the queries that answer it, and the time around the alert."""

    query: Annotated[tuple[Query, ...], BeforeValidator(_queries), Field(min_length=1)]
    before: Span = NORMAL
    after: Span = NORMAL
    own: bool = False


class Kind(Strict):
    """A kind of log source, and what to check where the technique says nothing better."""

    name: Word
    categories: tuple[Word, ...] = ()
    services: tuple[Word, ...] = ()
    checks: tuple[Word, ...]

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if len(set(self.checks)) < CHECKS:
            raise ValueError(f"a kind needs {CHECKS} different checks")
        return self


class Row(Said):
    """What a technique or tactic means. ``checks_of`` replaces ``checks`` for a kind of log source."""

    of: tuple[Word, ...] = Field(min_length=1)
    false_alarm: Said
    playbook: Word
    checks: tuple[Word, ...] = Field((), max_length=CHECKS)
    checks_of: Mapping[Word, tuple[Word, ...]] = {}


class Table(Strict):
    """The whole file. Of a rule with several techniques, the row that stands first in the file speaks."""

    checks: Mapping[Word, CheckText]
    kinds: tuple[Kind, ...]
    rows: tuple[Row, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for reason in (*self._twice(), *self._without(), *self._strange()):
            raise ValueError(reason)
        return self

    def _twice(self) -> Iterator[str]:
        for what, names in (
            ("row for", [tag for row in self.rows for tag in row.of]),
            ("kind", [kind.name for kind in self.kinds]),
            ("category", [one for kind in self.kinds for one in kind.categories]),
            ("service", [one for kind in self.kinds for one in kind.services]),
        ):
            yield from (f"two of {what} {name!r}" for name, n in Counter(names).items() if n > 1)

    def _without(self) -> Iterator[str]:
        if not any(ANY in row.of for row in self.rows):
            yield f"no row is of {ANY}"
        if all(kind.name != ANY for kind in self.kinds):
            yield f"no kind is named {ANY}"

    def _strange(self) -> Iterator[str]:
        kinds = {kind.name for kind in self.kinds}
        named = [name for kind in self.kinds for name in kind.checks]
        for row in self.rows:
            named += [*row.checks, *(name for names in row.checks_of.values() for name in names)]
            yield from (f"no kind is named {name!r}" for name in row.checks_of if name not in kinds)
        yield from (f"no check is named {name!r}" for name in named if name not in self.checks)


def read_table(path: Path) -> Table:
    """Read a file.

    Raises:
        RuleError: the first mistake, with its line and what to do.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > FILE_BYTES:
            raise RuleError(f"over {FILE_BYTES} bytes", path=path, hint="is this the table?")
        placed = load_with_places(raw.decode("utf-8-sig"))
    except OSError as error:
        hint = "install the product again, or put a table there"
        raise RuleError(f"cannot be read: {error.strerror}", path=path, hint=hint) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise RuleError("not UTF-8", path=path, line=line, hint="save the file as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = f"not YAML: {getattr(error, 'problem', None) or error}"
        said = f"{getattr(error, 'context', '')} {getattr(error, 'problem', '')}"
        found = (hint for part, hint in HINTS.items() if part in said)
        hint = next(found, "check the indentation and the quotes of this line and the one before")
        raise RuleError(reason, path=path, line=mark and mark.line + 1, hint=hint) from error
    except RecursionError as error:
        raise RuleError("nested too deeply", path=path, hint="see the shipped table") from error
    return _table(path, placed)


def _table(path: Path, placed: Placed) -> Table:
    for key, line in placed.twice:
        hint = "keep one of them"
        raise RuleError(f"the key {key!r} stands twice", path=path, line=line, hint=hint)
    try:
        return Table.model_validate(placed.value)
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        place = tuple(part for part in first["loc"] if isinstance(part, str | int))
        reason = first["msg"].removeprefix("Value error, ")
        where = ".".join(str(part) for part in place)
        raise RuleError(
            f"{where}: {reason}" if where else reason,
            path=path,
            line=placed.line(place) if place else _line_of(placed, reason),
            hint=REMEDIES.get(first["type"], "mend this entry; the shipped table is an example"),
        ) from error


def _line_of(placed: Placed, reason: str) -> int:
    """The line where the name between quotes in a reason stands last; 1 if nowhere."""
    return _names(placed).get(reason.split("'")[1] if "'" in reason else "", 1)


def _names(placed: Placed) -> dict[str, int]:
    names: dict[str, int] = {}

    def walk(value: object, place: tuple[str | int, ...]) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                names[str(key)] = placed.line((*place, str(key)))
                walk(inner, (*place, str(key)))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                walk(inner, (*place, number))
        else:
            names[str(value)] = placed.line(place)

    walk(placed.value, ())
    return names

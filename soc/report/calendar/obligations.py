"""The periodic obligations as data: ``obligations.yaml``, read once, with the periods and due times they make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from soc.errors import FormError
from soc.normalise.yaml_text import load_yaml

SHIPPED = Path(__file__).parent / "obligations.yaml"
VIETNAM = timezone(timedelta(hours=7), "UTC+7")  # no summer time since 1975
DAY = timedelta(days=1)
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
MonthDay = Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$")]
Content = Literal["daily", "weekly", "monthly", "half_year", "yearly"]


@dataclass(frozen=True, slots=True)
class Period:
    """Aware times; ``ends_at`` is outside, ``due_at`` is the first minute that is too late."""

    key: str  # 2026-11-27 2026-W48 2026-11, or the first day of longer ones
    starts_at: datetime
    ends_at: datetime
    due_at: datetime


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Due(Strict):
    after_days: Annotated[int, Field(ge=1, le=60)] | None = None
    at: Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "00:00"
    before: tuple[MonthDay, ...] = ()

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.after_days is None) != bool(self.before):
            raise ValueError("due needs either after_days or before")
        return self

    def of(self, ends: date) -> datetime:
        """The first minute too late; ``ends`` is the day after the last one."""
        if self.after_days is not None:
            day = ends + (self.after_days - 1) * DAY
            return _at(day, time.fromisoformat(self.at))
        return _at(min(each for each in _days(self.before, ends) if each >= ends))


class PeriodicObligation(Strict):
    """One line of the calendar."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    title: Text
    title_vi: Text
    basis: Text
    owner_role: Text
    recipient: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    content: Content
    every: Literal["day", "week", "month", "half_year", "year"]
    begins: tuple[MonthDay, ...] = ()
    due: Due
    due_by: Literal["law", "house"]

    @model_validator(mode="after")
    def _as_many_beginnings_as_it_needs(self) -> Self:
        needed = {"half_year": 2, "year": 1}.get(self.every, 0)
        if len(self.begins) != needed:
            raise ValueError(f"every {self.every} needs {needed} days in begins")
        return self

    def periods(self, since: datetime, until: datetime) -> Iterator[Period]:
        """Those that begin before ``until`` and end after ``since``, in order."""
        first = self._first_day(since.astimezone(VIETNAM).date())
        while _at(first) < until:
            ends = self._next(first)
            if _at(ends) > since:
                yield Period(self._key(first), _at(first), _at(ends), self.due.of(ends))
            first = ends

    def _first_day(self, day: date) -> date:
        if self.every == "day":
            return day
        if self.every == "week":
            return day - day.weekday() * DAY
        if self.every == "month":
            return day.replace(day=1)
        return max(each for each in _days(self.begins, day) if each <= day)

    def _next(self, first: date) -> date:
        if self.every in ("day", "week"):
            return first + (7 if self.every == "week" else 1) * DAY
        if self.every == "month":
            return (first + 31 * DAY).replace(day=1)
        return min(each for each in _days(self.begins, first) if each > first)

    def _key(self, first: date) -> str:
        if self.every == "week":
            return first.strftime("%G-W%V")
        return first.isoformat()[: 7 if self.every == "month" else 10]


def _at(day: date, hour: time = time()) -> datetime:
    return datetime.combine(day, hour, VIETNAM)


def _days(written: tuple[str, ...], near: date) -> Iterator[date]:
    """The days MM-DD of the year before, of and after ``near``."""
    for year in (near.year - 1, near.year, near.year + 1):
        for each in written:
            yield date.fromisoformat(f"{year}-{each}")


def load_obligations(path: Path = SHIPPED) -> tuple[PeriodicObligation, ...]:
    """The calendar's lines.

    Raises:
        FormError: the file cannot be used; every problem with its place.
    """
    try:
        found = TypeAdapter(tuple[PeriodicObligation, ...]).validate_python(
            load_yaml(path.read_bytes())
        )
    except (OSError, yaml.YAMLError) as error:
        raise FormError(path.name, [str(error)]) from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise FormError(path.name, problems) from error
    if len({one.id for one in found}) != len(found):
        raise FormError(path.name, ["two obligations have one id"])
    return found

"""Aggregations that make buckets or count terms: terms, date_histogram, cardinality."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from soc.errors import QueryError
from soc.store.document import from_microseconds, microseconds, text_of
from soc.store.figures import TIMES, Figure, time_text
from soc.store.moments import VIETNAM, span_of

MOST_TERMS = 65_000  # buckets of one partition: the engine's limit
MOST_SIZE = 10_000
INTERVAL = re.compile(r"(?P<sign>[+-]?)(?P<count>\d{1,9})(?P<unit>ms|s|m|h|d)")
UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
DAY = UNITS["d"]
VIETNAM_MIDNIGHT = -7 * UNITS["h"]  # offset of a day's start from UTC's


class Part(Protocol):
    """One aggregation. ``state`` is of the part's own making."""

    def request(self, name: str) -> dict[str, Any]:
        """What to ask the engine, under this name and others that start with it and ``~``."""
        ...

    def empty(self) -> Any: ...

    def absorb(self, state: Any, name: str, answer: dict[str, Any]) -> None:
        """Add one partition's answer."""
        ...

    def finish(self, state: Any) -> dict[str, Any]: ...


@dataclass(slots=True)
class Buckets:
    """Counts by key, and the states of what is nested in each."""

    counts: dict[Any, int] = field(default_factory=dict)
    nested: dict[Any, dict[str, Any]] = field(default_factory=dict)
    other: int = 0
    error: int = 0


def _absorb_nested(parts: Mapping[str, Part], state: Buckets, key: Any, bucket: Any) -> None:
    states = state.nested.setdefault(key, {name: part.empty() for name, part in parts.items()})
    for name, part in parts.items():
        part.absorb(states[name], name, bucket)


def _finish_nested(parts: Mapping[str, Part], state: Buckets, key: Any) -> dict[str, Any]:
    states = state.nested.get(key) or {name: part.empty() for name, part in parts.items()}
    return {name: part.finish(states[name]) for name, part in parts.items()}


def _requests(parts: Mapping[str, Part]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    for name, part in parts.items():
        asked |= part.request(name)
    return {"aggs": asked} if asked else {}


class Terms:
    """The most frequent values, or those with the greatest (least) figure nested in them.

    Counts, figures and their order are exact over segments, shards and partitions while no partition (no shard of a
    cluster) holds more than ``MOST_TERMS`` different values. Beyond that the engine leaves out the values with the
    fewest events: counts then say by ``doc_count_error_upper_bound`` how far off they may be, and an order by a figure
    is marked ``approximate``, since few events may hold the greatest figure. Equal ones stand by key, ascending;
    values without the figure (no event has the field) stand last in either direction.
    """

    def __init__(
        self, field_name: str, options: Mapping[str, Any], nested: Mapping[str, Part]
    ) -> None:
        if field_name in TIMES:
            raise QueryError("times make a date_histogram, not terms", query=str(options)[:200])
        _only(options, {"field", "size", "order", "missing", "min_doc_count"})
        self.field = field_name
        self.nested = nested
        self.size = _whole(options, "size", 10, most=MOST_SIZE)
        self.least = _whole(options, "min_doc_count", 1)
        self.missing = options.get("missing")
        self.by, self.descending = _terms_order(options.get("order", {"_count": "desc"}), nested)
        self._chosen: dict[str, Any] | None = None
        self._keys: list[Any] = []

    def choosing(self) -> Terms:
        """The same with nothing inside but the figure that it is ordered by: the first of two rounds."""
        options: dict[str, Any] = {
            "size": self.size,
            "order": {self.by: "desc" if self.descending else "asc"},
            "min_doc_count": self.least,
        }
        if self.missing is not None:
            options["missing"] = self.missing
        inside = {self.by: self.nested[self.by]} if self.by in self.nested else {}
        return Terms(self.field, options, inside)

    def choose(self, first: dict[str, Any], keys: list[Any]) -> None:
        """The second round answers for the buckets that the first one chose."""
        self._chosen, self._keys = first, keys

    def request(self, name: str) -> dict[str, Any]:
        chosen = self._chosen is not None
        size = min(MOST_TERMS, max(1_000, 10 * self.size)) if chosen else MOST_TERMS
        terms: dict[str, Any] = {"field": self.field, "size": size}
        if self.missing is not None:
            terms["missing"] = self.missing
        return {name: {"terms": terms, **_requests(self.nested)}}

    def empty(self) -> Buckets:
        return Buckets()

    def absorb(self, state: Buckets, name: str, answer: dict[str, Any]) -> None:
        found = answer[name]
        for bucket in found["buckets"]:
            key = text_of(bucket["key"]) if isinstance(bucket["key"], str) else bucket["key"]
            state.counts[key] = state.counts.get(key, 0) + bucket["doc_count"]
            if self.nested:
                _absorb_nested(self.nested, state, key, bucket)
        state.other += found["sum_other_doc_count"]
        if found["sum_other_doc_count"]:
            state.error += found["buckets"][-1]["doc_count"]

    def finish(self, state: Buckets) -> dict[str, Any]:
        if self._chosen is not None:
            rows = {bucket["key"]: bucket for bucket in self._chosen["buckets"]}
            shown = [{**rows[key], **_finish_nested(self.nested, state, key)} for key in self._keys]
            return {**self._chosen, "buckets": shown}
        keys = [key for key, count in state.counts.items() if count >= self.least]
        keys.sort(key=_term_rank, reverse=self.by == "_key" and self.descending)
        if self.by == "_count":
            keys.sort(key=lambda key: state.counts[key], reverse=self.descending)
        elif self.by in self.nested:
            keys = self._by_figure(state, keys)
        kept = keys[: self.size]
        shown = [
            {
                "key": key,
                "doc_count": state.counts[key],
                **_finish_nested(self.nested, state, key),
            }
            for key in kept
        ]
        rest = sum(state.counts[key] for key in keys[self.size :])
        return {
            "doc_count_error_upper_bound": state.error,
            "sum_other_doc_count": state.other + rest,
            "buckets": shown,
            **({"approximate": True} if state.other and self.by in self.nested else {}),
        }

    def _by_figure(self, state: Buckets, keys: list[Any]) -> list[Any]:
        """The keys, already in order of their own, by the nested figure; those without one last."""
        value_by_key = {
            key: _finish_nested(self.nested, state, key)[self.by]["value"] for key in keys
        }
        with_one = [key for key in keys if value_by_key[key] is not None]
        with_one.sort(key=value_by_key.__getitem__, reverse=self.descending)
        return with_one + [key for key in keys if value_by_key[key] is None]


def _term_rank(key: Any) -> tuple[bool, float, str]:
    """Numbers before text, each in its order."""
    return (True, 0, key) if isinstance(key, str) else (False, key, "")


def _terms_order(order: Any, nested: Mapping[str, Part]) -> tuple[str, bool]:
    """By what, and whether descending. The names of the request's own words come before those of nested figures."""
    if isinstance(order, Mapping) and len(order) == 1:
        ((by, direction),) = order.items()
        known = by in ("_count", "_key") or isinstance(nested.get(by), Figure)
        if known and direction in ("asc", "desc"):
            return by, direction == "desc"
    raise QueryError(
        "terms are ordered by _count, _key or a figure nested in them (sum, min, max, avg, value_count), asc or desc",
        query=str(order)[:200],
    )


class DateHistogram:
    """Counts by equal spans of time, or by months in UTC+7, which are summed from days."""

    def __init__(
        self, field_name: str, options: Mapping[str, Any], nested: Mapping[str, Part]
    ) -> None:
        known = {
            "field",
            "fixed_interval",
            "calendar_interval",
            "offset",
            "min_doc_count",
            "extended_bounds",
        }
        _only(options, known)
        if field_name not in TIMES:
            raise QueryError(
                "a date_histogram is of @timestamp or event.ingested", query=str(options)[:200]
            )
        self.field, self.nested = field_name, nested
        self.monthly = "calendar_interval" in options
        if self.monthly == ("fixed_interval" in options) or (
            self.monthly and options["calendar_interval"] not in ("month", "1M")
        ):
            raise QueryError(
                "a date_histogram needs a fixed_interval, or the calendar_interval month",
                query=str(options)[:200],
            )
        self.interval = DAY if self.monthly else _span(options, "fixed_interval")
        offset = _span(options, "offset") if "offset" in options else VIETNAM_MIDNIGHT
        if self.interval <= 0 or (self.monthly and offset != VIETNAM_MIDNIGHT):
            raise QueryError("this interval or offset is not possible", query=str(options)[:200])
        self.offset = offset % self.interval
        self.least = _whole(options, "min_doc_count", 0)
        self.bounds = _extended(options.get("extended_bounds"))

    def request(self, name: str) -> dict[str, Any]:
        histogram = {
            "field": self.field,
            "interval": self.interval,
            "offset": self.offset,
            "min_doc_count": 1,
        }
        return {name: {"histogram": histogram, **_requests(self.nested)}}

    def empty(self) -> Buckets:
        return Buckets()

    def absorb(self, state: Buckets, name: str, answer: dict[str, Any]) -> None:
        for bucket in answer[name]["buckets"]:
            key = self._start(int(bucket["key"]))
            state.counts[key] = state.counts.get(key, 0) + bucket["doc_count"]
            if self.nested:
                _absorb_nested(self.nested, state, key, bucket)

    def _start(self, time: int) -> int:
        """Microseconds of the start of the bucket that a time lies in."""
        if self.monthly:
            day = from_microseconds(time).astimezone(VIETNAM)
            return microseconds(datetime(day.year, day.month, 1, tzinfo=VIETNAM))
        return time - (time - self.offset) % self.interval

    def _next(self, start: int) -> int:
        if not self.monthly:
            return start + self.interval
        day = from_microseconds(start).astimezone(VIETNAM) + timedelta(days=31)
        return microseconds(datetime(day.year, day.month, 1, tzinfo=VIETNAM))

    def finish(self, state: Buckets) -> dict[str, Any]:
        keys = sorted(state.counts) if self.least else self._without_gaps(state)
        shown = [
            {
                "key_as_string": time_text(key),
                "key": key // 1000,
                "doc_count": state.counts.get(key, 0),
                **_finish_nested(self.nested, state, key),
            }
            for key in keys
            if state.counts.get(key, 0) >= self.least
        ]
        return {"buckets": shown}

    def _without_gaps(self, state: Buckets) -> list[int]:
        ends = list(state.counts) + [self._start(time) for time in self.bounds]
        if not ends:
            return []
        key, last, keys = min(ends), max(ends), []
        if (last - key) // self.interval > MOST_TERMS:
            raise QueryError(
                f"more than {MOST_TERMS} buckets; take a longer interval or a shorter time",
                query=f"{self.interval} µs",
            )
        while key <= last:
            keys.append(key)
            key = self._next(key)
        return keys


def _extended(bounds: Any) -> tuple[int, ...]:
    """``extended_bounds`` as microseconds; each is milliseconds or a time in text."""
    if bounds is None:
        return ()
    times = []
    for name in ("min", "max"):
        value = bounds.get(name) if isinstance(bounds, Mapping) else None
        span = span_of(value) if isinstance(value, str) else None
        if span is None and (not isinstance(value, int) or abs(value) > 2**50):
            raise QueryError("extended_bounds needs min and max", query=str(bounds)[:200])
        times.append(span[0] if span else int(value or 0) * 1000)
    return tuple(times)


@dataclass(slots=True)
class Union:
    """Terms seen, and what stands in when they are too many."""

    terms: set[Any] = field(default_factory=set)
    sketched: float = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Cardinality:
    """How many different values; exact up to ``MOST_TERMS``, beyond that marked ``approximate``."""

    field: str

    def request(self, name: str) -> dict[str, Any]:
        return {
            name: {"terms": {"field": self.field, "size": MOST_TERMS}},
            f"{name}~sketch": {"cardinality": {"field": self.field}},
        }

    def empty(self) -> Union:
        return Union()

    def absorb(self, state: Union, name: str, answer: dict[str, Any]) -> None:
        state.terms.update(bucket["key"] for bucket in answer[name]["buckets"])
        state.cut = state.cut or bool(answer[name]["sum_other_doc_count"])
        state.sketched = max(state.sketched, answer[f"{name}~sketch"]["value"] or 0)
        if len(state.terms) > MOST_TERMS:
            state.cut = True

    def finish(self, state: Union) -> dict[str, Any]:
        if not state.cut:
            return {"value": len(state.terms)}
        return {"value": max(len(state.terms), round(state.sketched)), "approximate": True}


def _only(options: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(options) - known)
    if unknown:
        raise QueryError(
            f"not supported here: {', '.join(unknown)}", query=str(dict(options))[:200]
        )


def _whole(options: Mapping[str, Any], name: str, default: int, *, most: int = 2**31) -> int:
    value = options.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise QueryError(f"{name} is a number from 0 to {most}", query=str(value)[:200])
    return value


def _span(options: Mapping[str, Any], name: str) -> int:
    """A span such as ``1h`` or ``-7h`` in microseconds."""
    found = INTERVAL.fullmatch(str(options[name]))
    if found is None:
        raise QueryError(
            f"{name} is a number with ms, s, m, h or d", query=str(options[name])[:200]
        )
    span = int(found["count"]) * UNITS[found["unit"]]
    return -span if found["sign"] == "-" else span


__all__ = ["Cardinality", "DateHistogram", "Part", "Terms"]

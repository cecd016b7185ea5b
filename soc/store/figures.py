"""Figures over the values of a field: min, max, avg, sum, value_count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from soc.store.document import from_microseconds

TIMES = ("observed_at", "received_at")


def time_text(microseconds: int) -> str:
    """As Elasticsearch writes a key: UTC with milliseconds."""
    return from_microseconds(microseconds).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@dataclass(slots=True)
class Running:
    """Count, sum, least and greatest so far."""

    count: int = 0
    total: float = 0.0
    least: float | None = None
    greatest: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; times are answered in milliseconds, as Elasticsearch does."""

    kind: str
    field: str

    def request(self, name: str) -> dict[str, Any]:
        kind = "value_count" if self.kind == "value_count" else "stats"
        return {name: {kind: {"field": self.field}}}

    def empty(self) -> Running:
        return Running()

    def absorb(self, state: Running, name: str, answer: dict[str, Any]) -> None:
        found = answer[name]
        if self.kind == "value_count":
            state.count += int(found["value"] or 0)
            return
        if not found["count"]:
            return
        state.count += int(found["count"])
        state.total += found["sum"]
        state.least = least_of(state.least, found["min"])
        state.greatest = greatest_of(state.greatest, found["max"])

    def finish(self, state: Running) -> dict[str, Any]:
        value = self._value(state)
        if self.field not in TIMES or value is None or self.kind not in ("min", "max"):
            return {"value": value}
        return {"value": value / 1000, "value_as_string": time_text(int(value))}

    def _value(self, state: Running) -> float | None:
        match self.kind:
            case "value_count":
                return state.count
            case "sum":
                return state.total
            case "min":
                return state.least
            case "max":
                return state.greatest
        return state.total / state.count if state.count else None


def least_of(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)


def greatest_of(one: float | None, other: float) -> float:
    return other if one is None else max(one, other)

"""A number of a report, and what stands behind it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, the question that was asked of the records, and the ids of those that answered."""

    title: str
    value: int | str
    query: str
    ids: tuple[str, ...]

"""Losses: ranges of records that will never come, named so that nobody has to guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loss:
    """Records ``first`` to ``last`` of a stream that will never come."""

    stream: str
    source: str
    first: int
    last: int
    reason: str


def joined(losses: Sequence[Loss]) -> list[Loss]:
    """Losses with neighbouring ranges of one stream made one."""
    by_stream: dict[tuple[str, str], list[Loss]] = {}
    for loss in losses:
        known = by_stream.setdefault((loss.stream, loss.reason), [])
        if known and known[-1].last + 1 == loss.first:
            first = known.pop().first
            known.append(Loss(loss.stream, loss.source, first, loss.last, loss.reason))
        else:
            known.append(loss)
    return [loss for known in by_stream.values() for loss in known]


def holes_between(before: Mapping[str, int], after: Mapping[str, int]) -> list[Loss]:
    """What damage has taken: streams whose last number is higher ``after`` than ``before``."""
    return [
        Loss(stream, "auto", before.get(stream, 0) + 1, last, "the spool was damaged on the disk")
        for stream, last in after.items()
        if last > before.get(stream, 0)
    ]

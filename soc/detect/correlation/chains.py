"""Chains: the moments of a correlation are entries of those above it.

A moment stands above by the events that came at that time, under the groups of the correlation above. ``starts`` marks
the first moment of a run: above, event_count counts runs and not moments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from soc.detect.correlation.groups import Change, Group
from soc.detect.correlation.rule import Correlation
from soc.detect.correlation.runs import end_of, join, run_at, touch
from soc.detect.correlation.windows import moments
from soc.model.event import Part
from soc.records.correlations import CorrelationEntryRow, entry_row, hash_of


def raise_moments(
    group: Group, change: Change, above: Sequence[Correlation]
) -> Iterator[tuple[Correlation, str, list[int]]]:
    """Bring the entries above in line with the moments of a stretch; yields each group above that changed, and when."""
    rule, session = group.rule, group.session
    span = rule.span_us
    start, end = change.start, change.end + span
    below = hash_of(rule.id, group.key)
    wanted = _wanted(group, start, end, above)
    row = CorrelationEntryRow
    last_at = end + span - 1 if rule.closing else end
    there = {
        one.id: one
        for one in session.scalars(
            select(row).where(row.below == below, row.at >= start, row.at <= last_at)
        )
    }
    touched: dict[tuple[str, str], list[int]] = defaultdict(list)
    for key, values in wanted.items():
        known = there.pop(key, None)
        if known is None:
            session.add(CorrelationEntryRow(**values))
        elif known.starts == values["starts"]:
            continue
        else:
            known.starts = values["starts"]
        touched[values["correlation_id"], values["group_key"]].append(values["at"])
    for gone in there.values():
        touched[gone.correlation_id, gone.group_key].append(gone.at)
        session.delete(gone)
    session.flush()
    by_id = {one.id: one for one in above}
    for (rule_id, group_key), times in touched.items():
        yield by_id[rule_id], group_key, times


def _wanted(
    group: Group, start: int, end: int, above: Sequence[Correlation]
) -> dict[str, dict[str, Any]]:
    """The rows that should stand above for the moments of a stretch, by id."""
    rule, below = group.rule, hash_of(group.rule.id, group.key)
    span = rule.span_us
    rows = group.rows_between(start - 2 * span, end + span)
    entries = group.entries(start - 2 * span, end + span)
    times = [one.at for one in entries]
    every = [at for at in moments(rule, entries) if start - span <= at <= end]
    made: dict[str, dict[str, Any]] = {}
    for number, moment in enumerate(every):
        if moment < start:
            continue
        starts = number == 0 or not touch(rule, every[number - 1], moment)
        run = join(rule, [run_at(rule, moment, times)])[0]
        stands = moment  # of a window that was closed, its latest events stand above
        if rule.closing:
            end_of_window = end_of(rule, run)
            stands = max(one.at for one in entries if moment <= one.at <= end_of_window)
        inside = [one for one in rows if one.at == stands]
        for one in inside:
            for values in _rows_above(one, rule, below, above, starts=starts):
                made[values["id"]] = values
    return made


def _rows_above(
    one: CorrelationEntryRow,
    rule: Correlation,
    below: str,
    above: Sequence[Correlation],
    *,
    starts: bool,
) -> Iterator[dict[str, Any]]:
    for upper in above:
        for group, value in one.carried.get(upper.id, ()):
            values = entry_row(
                Part(upper.id, group, value, one.carried),
                key=one.id,
                at=one.at,
                rule_id=rule.id,
                event_id=one.event_id,
                received_at=one.received_at,
                agency_id=one.agency_id,
                system_id=one.system_id,
                system_level=one.system_level,
                host=one.host,
            )
            yield values | {"starts": starts, "below": below}

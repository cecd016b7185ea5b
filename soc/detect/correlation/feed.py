"""From one match to its parts in the correlations above its rule: the door's share of the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product
from typing import Any

import orjson

from soc.detect.correlation.rule import Correlation
from soc.model.event import Fields, Part
from soc.normalise.folding import fold

MOST_GROUPS = 1_000  # of one event: fields with many values multiply
LONGEST_VALUE = 512  # characters of a group's or a counted value that tell it apart
NUMERIC = frozenset({"value_sum", "value_avg", "value_percentile", "value_median"})


class Feed:
    """Which matches feed which correlations."""

    def __init__(self, correlations: Mapping[str, Correlation], silent: Iterable[str] = ()) -> None:
        self.silent = frozenset(silent)
        self._direct: dict[str, list[Correlation]] = {}
        self._above: dict[str, list[Correlation]] = {}
        for one in correlations.values():
            for below in dict.fromkeys(one.rules):
                table = self._above if below in correlations else self._direct
                table.setdefault(below, []).append(one)

    def __bool__(self) -> bool:
        return bool(self._direct)

    def parts(self, rule_id: str, fields: Fields, agency_id: str | None) -> tuple[Part, ...]:
        """One for each group of each correlation that the rule feeds; none where a group-by field is missing."""
        return tuple(
            Part(one.id, group, value, self._carried(one, rule_id, fields, agency_id), one.time)
            for one in self._direct.get(rule_id, ())
            for group, value in groups(one, rule_id, fields, agency_id)
        )

    def _carried(
        self, below: Correlation, rule_id: str, fields: Fields, agency_id: str | None
    ) -> dict[str, list[Any]]:
        """Groups and values of this event for the correlations above, all the way up."""
        carried: dict[str, list[Any]] = {}
        for one in self._above.get(below.id, ()):
            carried[one.id] = [list(pair) for pair in groups(one, rule_id, fields, agency_id)]
            carried |= self._carried(one, rule_id, fields, agency_id)
        return carried


def groups(
    rule: Correlation, rule_id: str, fields: Fields, agency_id: str | None
) -> Iterator[tuple[str, Any]]:
    """Every group that an event of ``rule_id`` belongs to, with the value it brings; of several values one each."""
    places = rule.places.get(rule_id, {})
    held = [_texts(fields, places.get(name, (name,))) for name in rule.group_by]
    owner = "" if rule.whole_province else agency_id or ""
    values = list(_values(rule, fields, places)) if rule.fields else [None]
    for combination in islice(product(*held), MOST_GROUPS):
        group = orjson.dumps([owner, *combination]).decode()
        for value in values:
            yield group, value


def _values(
    rule: Correlation, fields: Fields, places: Mapping[str, tuple[str, ...]]
) -> Iterator[Any]:
    """Values to count apart (folded texts; several fields are one value together), or numbers to add."""
    if rule.kind in NUMERIC:
        yield from _raw(fields, places.get(rule.fields[0], rule.fields[:1]))
        return
    for combination in islice(
        product(*(_texts(fields, places.get(name, (name,))) for name in rule.fields)), MOST_GROUPS
    ):
        yield combination[0] if len(combination) == 1 else orjson.dumps(combination).decode()


def _raw(fields: Fields, names: Iterable[str]) -> list[Any]:
    for name in names:
        value = fields.get(name)
        if value is not None:
            return value if isinstance(value, list) else [value]
    return []


def _texts(fields: Fields, names: Iterable[str]) -> list[str]:
    """The different folded values of the first field that is there."""
    return list(
        dict.fromkeys(
            fold(str(one))[:LONGEST_VALUE].encode("utf-8", "replace").decode()
            for one in _raw(fields, names)
        )
    )

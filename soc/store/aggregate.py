"""Aggregations with Elasticsearch's JSON in and out, asked of every partition and put together here.

An aggregation is read once into a part. A part asks the engine, absorbs the answers of the partitions into a state,
and finishes the state into Elasticsearch's answer. Averages come from sums and counts, cardinality from the union of
terms, months from days in UTC+7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import orjson
import tantivy
from tantivy import Occur, Query

from soc.errors import QueryError, StoreError
from soc.store.buckets import Cardinality, DateHistogram, Part, Terms
from soc.store.document import Kind, key_of, kind_of, term_of
from soc.store.faults import faults
from soc.store.figures import Figure
from soc.store.leaves import SCHEMA, any_of
from soc.store.moments import time_field

MOST_PARTS = 32
"""Aggregations of one request, nested ones included."""
FIGURES = ("min", "max", "avg", "sum", "value_count")


class Asked(Protocol):
    """Something that answers aggregations: a partition, or a whole cluster."""

    def aggregate(self, request: dict[str, Any]) -> dict[str, Any]: ...

    def narrowed(self, field: str, keys: list[Any]) -> Self:
        """The same with only the events that have one of these values."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """One partition to ask."""

    searcher: tantivy.Searcher
    query: Query

    def aggregate(self, request: dict[str, Any]) -> dict[str, Any]:
        with faults("an aggregation failed"):
            answer: dict[str, Any] = self.searcher.aggregate(self.query, request)
        return answer

    def narrowed(self, field: str, keys: list[Any]) -> Self:
        terms = [term_of(key) if isinstance(key, str) else key for key in keys]
        wanted = any_of([Query.term_query(SCHEMA, field, term) for term in terms])
        both = Query.boolean_query([(Occur.Must, self.query), (Occur.Must, wanted)])
        return replace(self, query=both)


class Aggregation:
    """The aggregations of one request."""

    def __init__(self, aggs: Mapping[str, Any]) -> None:
        self._count = 0
        self._parts = self._read(aggs, depth=0)

    def _read(self, aggs: Mapping[str, Any], depth: int) -> dict[str, Part]:
        if aggs and depth > 1:
            raise refusal("aggregations nest one level", aggs)
        self._count += len(aggs)
        if self._count > MOST_PARTS:
            raise refusal(f"more than {MOST_PARTS} aggregations", {})
        return {name: self._read_one(name, body, depth) for name, body in aggs.items()}

    def _read_one(self, name: str, body: Any, depth: int) -> Part:
        if not isinstance(body, Mapping) or "~" in name:
            raise refusal(f"the aggregation {name!r} is not an object of the right form", body)
        nested = self._read(body.get("aggs") or body.get("aggregations") or {}, depth + 1)
        kinds = [kind for kind in body if kind not in ("aggs", "aggregations")]
        if len(kinds) != 1 or not isinstance(body[kinds[0]], Mapping):
            raise refusal(f"the aggregation {name!r} needs one kind", body)
        kind, options = kinds[0], body[kinds[0]]
        field = engine_field(options.get("field"), body)
        if kind == "terms":
            return Terms(field, options, nested)
        if kind == "date_histogram":
            return DateHistogram(field, options, nested)
        if nested:
            raise refusal(f"{kind} has no aggregations inside", body)
        if kind == "cardinality":
            return Cardinality(field)
        if kind in FIGURES:
            return Figure(kind, field)
        raise refusal(f"the aggregation {kind!r} is not supported", body)

    def run(self, targets: Sequence[Asked]) -> dict[str, Any]:
        """The answer over all targets.

        Raises:
            QueryError: too many buckets.
            StoreError: a partition cannot be read.
        """
        answers: dict[str, Any] = {}
        for name, part in self._parts.items():
            narrowed = list(targets)
            if isinstance(part, Terms) and part.nested:
                chosen = part.choosing()
                first = chosen.finish(_ask(name, chosen, targets))
                keys = [bucket["key"] for bucket in first["buckets"]]
                part.choose(first, keys)
                narrowed = _narrowed(part, keys, targets)
            answers[name] = part.finish(_ask(name, part, narrowed))
        return answers


def _narrowed(part: Terms, keys: list[Any], targets: Sequence[Asked]) -> list[Asked]:
    """The targets with only the events of the chosen keys, so that nested figures are exact."""
    if part.missing is not None or not keys:
        return list(targets)
    return [one.narrowed(part.field, keys) for one in targets]


def _ask(name: str, part: Part, targets: Sequence[Asked]) -> Any:
    state = part.empty()
    for target in targets:
        try:
            answer = target.aggregate(part.request(name))
        except StoreError as error:
            if "limit" in str(error).lower():
                raise refusal("too many buckets; ask for a shorter time or fewer", {}) from error
            raise
        part.absorb(state, name, answer)
    return state


def engine_field(name: object, body: object) -> str:
    """The index's field that an aggregation reads."""
    if not isinstance(name, str) or not name:
        raise refusal("an aggregation needs a field", body)
    time = time_field(name)
    if time is not None:
        return time
    if kind_of(name) is Kind.TEXT or kind_of(name) is Kind.IDENTITY or name == "_id":
        raise refusal(f"{name} cannot be aggregated", body)
    return f"x.{key_of(name)}"


def refusal(reason: str, body: object) -> QueryError:
    """The error that shows the piece of JSON it is about."""
    try:
        shown = orjson.dumps(body).decode()[:200]
    except TypeError:
        shown = repr(body)[:200]
    return QueryError(reason, query=shown)

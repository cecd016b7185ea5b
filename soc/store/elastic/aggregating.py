"""Aggregations: the parts that the embedded store reads, asked of Elasticsearch.

A part asks for one field that holds text and numbers; here they are two, so each question is asked of both and the
answers are laid together. The averages, orders and sizes are finished by the parts, in one way for both stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from soc.store.document import key_of
from soc.store.elastic.leaves import all_of, any_of, equal, is_term

NUMBERS, WITHOUT = "~n", "~none"
NO_BUCKETS: dict[str, Any] = {"buckets": [], "sum_other_doc_count": 0}


@dataclass(frozen=True, slots=True)
class WholeCluster:
    """``soc.store.aggregate.Asked``. ``ask`` takes a query and aggregations in Elasticsearch's words."""

    ask: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
    query: dict[str, Any]
    names: Mapping[str, str]  # of fields, by their key in ``x``

    def aggregate(self, request: dict[str, Any]) -> dict[str, Any]:
        return _answer(request, self.ask(self.query, self._request(request)))

    def narrowed(self, field: str, keys: list[Any]) -> Self:
        name = self.names[field]
        ways = [equal(name, int(key) if _whole(key) else key) for key in keys]
        return replace(self, query=all_of([self.query, any_of(ways)]))

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        for name, body in request.items():
            nested = self._request(body.get("aggs", {}))
            inside = {"aggs": nested} if nested else {}
            kind, options = next((key, value) for key, value in body.items() if key != "aggs")
            for ending, place in _places(kind, options["field"]):
                plain = {key: value for key, value in options.items() if key != "missing"}
                asked[name + ending] = {kind: {**plain, "field": place}, **inside}
            if "missing" in options:
                absent = is_term("has", self.names[options["field"]])
                asked[name + WITHOUT] = {"filter": {"bool": {"must_not": [absent]}}, **inside}
        return asked


def _whole(key: Any) -> bool:
    return isinstance(key, float) and key.is_integer()


def _places(kind: str, field: str) -> list[tuple[str, str]]:
    """Where to ask, and under which ending of the name."""
    if not field.startswith("x."):
        return [("", field)]
    path = field[2:].replace("/", ".")
    if kind == "stats":
        return [("", f"n.{path}")]
    return [("", f"x.{path}"), (NUMBERS, f"n.{path}")]


def _answer(request: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The answer as if there were one field."""
    told: dict[str, Any] = {}
    for name, body in request.items():
        own, numbers = found[name], found.get(name + NUMBERS)
        nested = body.get("aggs", {})
        if "terms" in body:
            told[name] = _terms(body["terms"], nested, found, name)
        elif "histogram" in body:
            told[name] = {"buckets": [_bucket(nested, one, one["key"]) for one in own["buckets"]]}
        elif numbers is not None:
            told[name] = {"value": own["value"] + numbers["value"]}
        else:
            told[name] = own
    return told


def _terms(
    options: dict[str, Any], nested: dict[str, Any], found: dict[str, Any], name: str
) -> dict[str, Any]:
    texts, numbers = found[name], found.get(name + NUMBERS) or NO_BUCKETS
    buckets = [_bucket(nested, one, one["key"]) for one in texts["buckets"]]
    buckets += [
        _bucket(nested, one, int(one["key"]) if _whole(one["key"]) else one["key"])
        for one in numbers["buckets"]
    ]
    absent = found.get(name + WITHOUT)
    if absent and absent["doc_count"]:
        buckets.append(_bucket(nested, absent, options["missing"]))
    other = texts["sum_other_doc_count"] + numbers["sum_other_doc_count"]
    return {"buckets": buckets, "sum_other_doc_count": other}


def _bucket(nested: dict[str, Any], found: dict[str, Any], key: Any) -> dict[str, Any]:
    return {"key": key, "doc_count": found["doc_count"], **_answer(nested, found)}


def field_names(aggs: object) -> dict[str, str]:
    """The names of the fields in a request, by the key that a part asks for."""
    names: dict[str, str] = {}
    if isinstance(aggs, Mapping):
        for key, value in aggs.items():
            if key == "field" and isinstance(value, str):
                names[f"x.{key_of(value)}"] = value
            names |= field_names(value)
    return names

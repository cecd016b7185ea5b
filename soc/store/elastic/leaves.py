"""The parts of a query as Elasticsearch's query DSL; the text is read by ``soc.store.query``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from soc.errors import QueryError
from soc.normalise.fields import ECS
from soc.store.document import NOT_INDEXED, Kind, address_term, kind_of
from soc.store.elastic.document import (
    EXACT_DOUBLE,
    big_term,
    flat_number,
    flat_text,
    path_of,
    words_of,
)
from soc.store.leaves import EARLIEST, LATEST, NUMERIC, TextRange, number_of
from soc.store.moments import span_of, time_field
from soc.store.patterns import Wild, Written
from soc.store.patterns import words_of as pattern_words
from soc.store.query import read_query, read_query_as

Dsl = dict[str, Any]
NOTHING: Dsl = {"match_none": {}}
EVERYTHING: Dsl = {"match_all": {}}
TEXT_FIELDS = tuple(f"w.{path_of(name)}" for name in ECS if kind_of(name) is Kind.TEXT)
LUCENE_LACKS = re.compile(r"\(\?(?!:)|\\[^dDwWsSnrtpPx\W]|\\[pPxnrt]|[*+?}][?+]|\[[^\]]*(?:\[:|&&)")
REGEX_PIECE = re.compile(r"\\.|\(\?:|.", re.DOTALL)
HIGHEST = "\U0010ffff"


def dsl_of(text: str) -> Dsl:
    """The query of a text.

    The embedded index's grammar reads it first, so that both stores refuse the same texts with the same words.

    Raises:
        QueryError: see ``soc.store.query.read_query``; also a regular expression that Lucene cannot read.
    """
    read_query(text)
    return read_query_as(text, ElasticLeaves)


def any_of(queries: list[Dsl]) -> Dsl:
    if len(queries) == 1:
        return queries[0]
    return {"bool": {"should": queries, "minimum_should_match": 1}} if queries else NOTHING


def all_of(queries: list[Dsl], without: list[Dsl] | None = None) -> Dsl:
    if len(queries) == 1 and not without:
        return queries[0]
    return {"bool": {"filter": queries, "must_not": without or []}}


def between(place: str, bounds: TextRange | tuple[Any, Any]) -> Dsl:
    """A range on one field; None is open."""
    if isinstance(bounds, tuple):
        bounds = TextRange(*bounds)
    limits: dict[str, Any] = {}
    if bounds.low is not None:
        limits["gte" if bounds.low_included else "gt"] = bounds.low
    if bounds.high is not None:
        limits["lte" if bounds.high_included else "lt"] = bounds.high
    return {"range": {place: limits}}


def is_term(place: str, value: Any) -> Dsl:
    return {"term": {place: {"value": value}}}


def equal(name: str, key: Any) -> Dsl:
    """Has exactly this folded text or number, wherever the value lies."""
    known = name in ECS
    if isinstance(key, str):
        ways = [is_term(f"x.{path_of(name)}", key)]
        return any_of(ways if known else [*ways, is_term("flat", flat_text(name, key))])
    if isinstance(key, int) and abs(key) > EXACT_DOUBLE:
        return is_term("big", big_term(name, key))
    ways = [is_term(f"n.{path_of(name)}", key)]
    return any_of(ways if known else [*ways, is_term("flat", flat_number(name, key))])


def wildcard_of(pieces: tuple[str | Wild, ...]) -> str:
    signs = {Wild.ANY: "*", Wild.ONE: "?"}
    return "".join(
        signs[one] if isinstance(one, Wild) else re.sub(r"([\\*?])", r"\\\1", one) for one in pieces
    )


class ElasticLeaves:
    """``soc.store.query.Grammar`` for Elasticsearch."""

    def __init__(self, refuse: Callable[[str, int | None], QueryError]) -> None:
        self._refuse = refuse

    def everything(self) -> Dsl:
        return EVERYTHING

    def any_of(self, queries: list[Dsl]) -> Dsl:
        return any_of(queries)

    def all_of(self, queries: list[Dsl], without: list[Dsl]) -> Dsl:
        return all_of(queries, without)

    def word(self, field: str | None, written: Written, position: int | None) -> Dsl:
        if written.pieces == (Wild.ANY,):
            return EVERYTHING if field is None else self.exists(field)
        if not written.has_wildcard:
            return self.phrase(field, written, position)
        if field is None or kind_of(field) is Kind.TEXT:
            words = [wildcard_of(word) for word in pattern_words(written)]
            rows = [
                all_of([{"wildcard": {place: {"value": word}}} for word in words])
                for place in _text_places(field)
            ]
            return any_of(rows)
        return self._patterns(field, "wildcard", wildcard_of(written.pieces), wildcard_of)

    def _patterns(
        self, field: str, kind: str, pattern: str, escaped: Callable[[tuple[str, ...]], str]
    ) -> Dsl:
        if kind_of(field) is Kind.IDENTITY or field == "_id":
            return {kind: {"id": {"value": pattern}}}
        ways = [{kind: {f"x.{path_of(field)}": {"value": pattern}}}]
        if field not in ECS:
            start = escaped((flat_text(field, ""),))
            ways.append({kind: {"flat": {"value": f"{start}{pattern}"}}})
        return any_of([_without_extras(way) if kind == "regexp" else way for way in ways])

    def phrase(
        self, field: str | None, written: Written, position: int | None, *, slop: int = 0
    ) -> Dsl:
        text = written.text
        if field is None or kind_of(field) is Kind.TEXT:
            words = words_of(text)
            return any_of(
                [
                    {"match_phrase": {place: {"query": words, "slop": slop}}}
                    for place in _text_places(field)
                ]
            )
        if time_field(field):
            return self._times(field, TextRange(text, text))
        if kind_of(field) is Kind.IDENTITY or field == "_id":
            return is_term("id", text)
        return self._value(field, text)

    def expression(self, field: str | None, expression: str, position: int | None) -> Dsl:
        lacking = LUCENE_LACKS.search(expression)
        if lacking:
            raise self._refuse(
                f"{lacking[0]!r} in a regular expression is not known to Elasticsearch", position
            )
        pattern = _lucene(expression)
        if field is None or kind_of(field) is Kind.TEXT:
            places = _text_places(field)
            return any_of(
                [_without_extras({"regexp": {one: {"value": pattern}}}) for one in places]
            )
        return self._patterns(field, "regexp", f"({pattern})", _escaped)

    def exists(self, field: str) -> Dsl:
        if time_field(field) or field in ("_id", "event.id"):
            return EVERYTHING
        return any_of([is_term("has", field), equal(NOT_INDEXED, field.lower())])

    def range(self, field: str, bounds: TextRange, position: int | None) -> Dsl:
        if bounds.low is None and bounds.high is None:
            return self.exists(field)
        if time_field(field):
            return self._times(field, bounds)
        if kind_of(field) is Kind.ADDRESS:
            return self._addresses(field, bounds)
        return any_of(self._numbers(field, bounds) + self._texts(field, bounds))

    def _value(self, field: str, text: str) -> Dsl:
        ways = [equal(field, text)]
        number = number_of(text)
        if number is not None:
            ways.append(equal(field, number))
        if kind_of(field) is Kind.ADDRESS:
            ways += self._network(field, text)
        return any_of(ways)

    def _network(self, field: str, text: str) -> list[Dsl]:
        place = f"a.{path_of(field)}"
        if "/" not in text:
            term = address_term(text)
            return [] if term is None else [is_term(place, term)]
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return []
        low = address_term(str(network.network_address))
        high = address_term(str(network.broadcast_address))
        return [between(place, (low, high))]

    def _addresses(self, field: str, bounds: TextRange) -> Dsl:
        low = None if bounds.low is None else address_term(bounds.low)
        high = None if bounds.high is None else address_term(bounds.high)
        family = (low or high or "")[:2]
        whole = TextRange(
            low or family, high or f"{family}g", bounds.low_included, bounds.high_included
        )
        return between(f"a.{path_of(field)}", whole)

    def _numbers(self, field: str, bounds: TextRange) -> list[Dsl]:
        low = None if bounds.low is None else number_of(bounds.low)
        high = None if bounds.high is None else number_of(bounds.high)
        if (low is None) != (bounds.low is None) or (high is None) != (bounds.high is None):
            return []
        limits: dict[str, float] = {}
        if low is not None:
            limits["gte" if bounds.low_included else "gt"] = low
        if high is not None:
            limits["lte" if bounds.high_included else "lt"] = high
        ways: list[Dsl] = [{"range": {f"n.{path_of(field)}": limits}}]
        if field not in ECS:
            ends = {name: flat_number(field, limit) for name, limit in limits.items()}
            open_ends = {} if low is not None else {"gte": f"{field}\0n"}
            open_ends |= {} if high is not None else {"lt": f"{field}\0o"}
            ways.append({"range": {"flat": open_ends | ends}})
        return ways

    def _texts(self, field: str, bounds: TextRange) -> list[Dsl]:
        if ECS.get(field) in NUMERIC:
            return []
        ways = [between(f"x.{path_of(field)}", bounds)]
        if field not in ECS:
            low = flat_text(field, bounds.low or "")
            high = flat_text(field, HIGHEST if bounds.high is None else bounds.high)
            ways.append(
                between("flat", TextRange(low, high, bounds.low_included, bounds.high_included))
            )
        return ways

    def _times(self, field: str, bounds: TextRange) -> Dsl:
        low, high = EARLIEST, LATEST
        if bounds.low is not None:
            first, last = _span(bounds.low)
            low = first if bounds.low_included else last + 1
        if bounds.high is not None:
            first, last = _span(bounds.high)
            high = last if bounds.high_included else first - 1
        return between(time_field(field) or field, (low, high)) if low <= high else NOTHING


def _text_places(field: str | None) -> tuple[str, ...]:
    return ("text", *TEXT_FIELDS) if field is None else (f"w.{path_of(field)}",)


def _span(text: str) -> tuple[int, int]:
    span = span_of(text)
    if span is None:
        raise QueryError("not a time", query=text)  # refused before by the embedded grammar
    return span


def _without_extras(query: Dsl) -> Dsl:
    """Without Lucene's own operators (``~ < > & @ # "``), which are plain characters elsewhere."""
    return {"regexp": {place: {**body, "flags": "NONE"} for place, body in query["regexp"].items()}}


def _escaped(pieces: tuple[str, ...]) -> str:
    return "".join(re.sub(r'([.?+*|{}\[\]()"\\#@&<>~^$-])', r"\\\1", piece) for piece in pieces)


def _lucene(expression: str) -> str:
    """Rust's syntax as Lucene's: groups capture nothing there."""
    pieces = REGEX_PIECE.findall(expression)
    return "".join("(" if piece == "(?:" else piece for piece in pieces)

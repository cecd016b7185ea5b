"""The smallest parts of a query: a word, a phrase, a pattern, a range, on one field or on all text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import tantivy
from tantivy import FieldType, Occur, Query

from soc.errors import QueryError
from soc.normalise.fields import ECS
from soc.store.document import (
    I64,
    MARK,
    NOT_INDEXED,
    WORDS,
    Kind,
    address_term,
    key_of,
    kind_of,
    schema,
    term_of,
    words_analyzer,
)
from soc.store.moments import span_of, time_field
from soc.store.patterns import LONGEST_BOUND, Bounds, Wild, Written, escape, pattern_of, words_of

SCHEMA = schema()
ANALYZER = words_analyzer()
WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
FRACTION = re.compile(r"-?[0-9]{1,300}\.[0-9]{1,300}")
NUMERIC = frozenset({"long", "integer", "float", "double", "scaled_float"})
EARLIEST, LATEST = -(2**62), 2**62  # microseconds
MOST_WORDS = 64  # of one phrase
PATTERN_BUDGET = 32_768
"""Of all patterns of one query, in characters: an automaton takes about 10 KiB for each."""
EXPRESSION_COST = (
    400  # a regular expression's automaton can have the largest size the engine allows
)
FAMILIES = ("v4", "v6")

TEXT_KEYS = tuple(key_of(name) for name in ECS if kind_of(name) is Kind.TEXT)
"""Keys of the fields that are found by words, beside ``text``."""


@dataclass(frozen=True, slots=True)
class TextRange:
    """A range as written; None is open."""

    low: str | None
    high: str | None
    low_included: bool = True
    high_included: bool = True


def any_of(queries: list[Query]) -> Query:
    """True where one of them is."""
    if len(queries) == 1:
        return queries[0]
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def all_of(queries: list[Query]) -> Query:
    """True where all of them are."""
    if len(queries) == 1:
        return queries[0]
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def number_of(text: str) -> int | float | None:
    """The number that a text writes in its usual form; ``0443`` is a name, not a number."""
    if WHOLE_NUMBER.fullmatch(text):
        number = int(text)
        return number if -I64 <= number < I64 else None
    if FRACTION.fullmatch(text):
        return float(text)
    return None


class Leaves:
    """Makes the leaves; ``refuse`` makes the error that names the query and the place."""

    def __init__(self, refuse: Callable[[str, int | None], QueryError]) -> None:
        self._refuse = refuse
        self._budget = PATTERN_BUDGET

    def everything(self) -> Query:
        return Query.all_query()

    def any_of(self, queries: list[Query]) -> Query:
        return any_of(queries)

    def all_of(self, queries: list[Query], without: list[Query]) -> Query:
        """True where all of them are and none of ``without`` is."""
        wanted = [(Occur.Must, query) for query in queries or [Query.all_query()]]
        return Query.boolean_query(wanted + [(Occur.MustNot, query) for query in without])

    @cached_property
    def _ranges(self) -> tantivy.Index:
        """An empty index that turns range texts into queries; the binding has no other way on JSON."""
        return tantivy.Index(SCHEMA)

    def word(self, field: str | None, written: Written, position: int | None) -> Query:
        """A word that may have wildcards."""
        if written.pieces == (Wild.ANY,):
            return Query.all_query() if field is None else self.exists(field)
        if not written.has_wildcard:
            return self.phrase(field, written, position)
        if field is None or kind_of(field) is Kind.TEXT:
            return self._pattern_words(field, written, position)
        return self._pattern(field, written.pattern(one=f"[^{MARK}]"), position)

    def phrase(
        self, field: str | None, written: Written, position: int | None, *, slop: int = 0
    ) -> Query:
        """Literal text: a whole value, or words in a row where the field is text (or none is named)."""
        text = written.text
        if field is None or kind_of(field) is Kind.TEXT:
            return self._words(field, text, slop, position)
        if slop:
            raise self._refuse(
                f"'~' after a phrase needs a text field, and {field} is not one", position
            )
        if time_field(field):
            return self._times(field, TextRange(text, text), position)
        if kind_of(field) is Kind.IDENTITY or field == "_id":
            return Query.term_query(SCHEMA, "id", text)
        return self._value(field, text)

    def expression(self, field: str | None, expression: str, position: int | None) -> Query:
        """A regular expression (Rust's syntax, folded) over whole values, or over words of text."""
        if field is None or kind_of(field) is Kind.TEXT:
            places = self._text_places(field)
            return any_of([self._expression(place, expression, position) for place in places])
        return self._pattern(field, expression, position, least_cost=EXPRESSION_COST)

    def _expression(self, place: tuple[str, str], expression: str, position: int | None) -> Query:
        return self._regex(place, expression, position, least_cost=EXPRESSION_COST)

    def exists(self, field: str) -> Query:
        """The event has a value in this field, also one that is too long to be indexed."""
        if time_field(field) or field in ("_id", "event.id"):
            return Query.all_query()
        prefix = "#has/" if kind_of(field) is Kind.TEXT else ""
        here = Query.exists_query(f"x.{prefix}{key_of(field)}")
        return any_of([here, self._value(NOT_INDEXED, field.lower())])

    def range(self, field: str, bounds: TextRange, position: int | None) -> Query:
        """Numbers by number, addresses by address, times by time, all else by the order of its text."""
        if bounds.low is None and bounds.high is None:
            return self.exists(field)
        if time_field(field):
            return self._times(field, bounds, position)
        if kind_of(field) in (Kind.TEXT, Kind.IDENTITY) or field == "_id":
            raise self._refuse(f"{field} has no order to take a range of", position)
        if kind_of(field) is Kind.ADDRESS:
            return self._addresses(field, bounds, position)
        ways = self._numbers(field, bounds) + self._texts(field, bounds, position)
        return any_of(ways) if ways else Query.empty_query()

    def _value(self, field: str, text: str) -> Query:
        """The whole value, as text and as the number it writes."""
        path = f"x.{key_of(field)}"
        ways = [Query.term_query(SCHEMA, path, term_of(text))]
        number = number_of(text)
        if number is not None:
            ways.append(Query.term_query(SCHEMA, path, number))
        if kind_of(field) is Kind.ADDRESS:
            ways += self._network(field, text)
        return any_of(ways)

    def _network(self, field: str, text: str) -> list[Query]:
        """``10.0.0.0/8``, or one address however it is written."""
        if "/" not in text:
            term = address_term(text)
            return [] if term is None else [self._address_range(field, f"[{term} TO {term}]")]
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return []
        low = address_term(str(network.network_address))
        high = address_term(str(network.broadcast_address))
        return [self._address_range(field, f"[{low} TO {high}]")]

    def _addresses(self, field: str, bounds: TextRange, position: int | None) -> Query:
        low, high = self._address(bounds.low, position), self._address(bounds.high, position)
        if low and high and low[:2] != high[:2]:
            raise self._refuse("a range is of IPv4 or of IPv6 addresses, not of both", position)
        family = (low or high or "")[:2]
        start = ("[" if bounds.low_included else "{") + low if low else f"[{family}"
        end = high + ("]" if bounds.high_included else "}") if high else f"{family}g]"
        return self._address_range(field, f"{start} TO {end}")

    def _address(self, text: str | None, position: int | None) -> str | None:
        if text is None:
            return None
        term = address_term(text)
        if term is None:
            raise self._refuse(f"{text!r} is not an IP address", position)
        return term

    def _address_range(self, field: str, bounds: str) -> Query:
        return self._parsed_range(f"#ip/{key_of(field)}", bounds)

    def _numbers(self, field: str, bounds: TextRange) -> list[Query]:
        low = None if bounds.low is None else number_of(bounds.low)
        high = None if bounds.high is None else number_of(bounds.high)
        if (low is None) != (bounds.low is None) or (high is None) != (bounds.high is None):
            return []
        start = ("[" if bounds.low_included else "{") + ("*" if low is None else f"{bounds.low}")
        end = ("*" if high is None else f"{bounds.high}") + ("]" if bounds.high_included else "}")
        return [self._parsed_range(key_of(field), f"{start} TO {end}")]

    def _parsed_range(self, key: str, bounds: str) -> Query:
        escaped = re.sub(r"([^\w])", r"\\\1", key)
        return self._ranges.parse_query(f"x.{escaped}:{bounds}")

    def _texts(self, field: str, bounds: TextRange, position: int | None) -> list[Query]:
        if ECS.get(field) in NUMERIC:
            return []
        if max(len(bounds.low or ""), len(bounds.high or "")) > LONGEST_BOUND:
            raise self._refuse(
                f"a bound of a range has at most {LONGEST_BOUND} characters", position
            )
        inside = Bounds(bounds.low, bounds.high, bounds.low_included, bounds.high_included)
        pattern = inside.pattern()
        return [] if pattern is None else [self._pattern(field, pattern, position)]

    def _times(self, field: str, bounds: TextRange, position: int | None) -> Query:
        low, high = EARLIEST, LATEST
        if bounds.low is not None:
            first, last = self._span(bounds.low, position)
            low = first if bounds.low_included else last + 1
        if bounds.high is not None:
            first, last = self._span(bounds.high, position)
            high = last if bounds.high_included else first - 1
        if low > high:
            return Query.empty_query()
        place = time_field(field) or field
        return Query.range_query(SCHEMA, place, FieldType.Integer, low, high)

    def _span(self, text: str, position: int | None) -> tuple[int, int]:
        span = span_of(text)
        if span is None:
            reason = f"{text!r} is not a time such as 2026-11-22 or 2026-11-22T10:30:00Z"
            raise self._refuse(reason, position)
        return span

    def _pattern(
        self, field: str, pattern: str, position: int | None, *, least_cost: int = 0
    ) -> Query:
        if time_field(field):
            raise self._refuse(f"{field} takes times and ranges of times", position)
        if kind_of(field) is Kind.IDENTITY or field == "_id":
            return self._regex(("id", ""), pattern, position, least_cost=least_cost)
        return self._regex(("x", key_of(field)), pattern, position, least_cost=least_cost)

    def _regex(
        self, place: tuple[str, str], pattern: str, position: int | None, *, least_cost: int = 0
    ) -> Query:
        """A pattern over the terms of one field of the index, or of one key of a JSON field."""
        wide = pattern.count(".") + pattern.count("[^")
        self._budget -= max(least_cost, len(pattern) + 9 * wide)
        if self._budget < 0:
            raise self._refuse("too many wildcards and expressions in one query", position)
        field, key = place
        start = f"{escape(key)}\0s" if key else ""
        end = f"{MARK}?" if field == "x" else ""
        try:
            return Query.regex_query(SCHEMA, field, f"(?s){start}(?:{pattern}){end}")
        except ValueError as error:
            raise self._refuse(_why_not(str(error)), position) from error

    def _text_places(self, field: str | None) -> list[tuple[str, str]]:
        """Where words are: one text field, or every place when none is named."""
        if field is not None:
            return [("w", key_of(field))]
        return [("text", ""), *(("w", key) for key in TEXT_KEYS)]

    def _words(self, field: str | None, text: str, slop: int, position: int | None) -> Query:
        words = ANALYZER.analyze(text)
        self._check_words(len(words), position)
        return any_of([self._in_a_row(place, words, slop) for place in self._text_places(field)])

    def _check_words(self, count: int, position: int | None) -> None:
        if not count:
            raise self._refuse("no letters or digits to look for", position)
        if count > MOST_WORDS:
            raise self._refuse(f"a phrase has at most {MOST_WORDS} words", position)

    def _in_a_row(self, place: tuple[str, str], words: list[str], slop: int) -> Query:
        path = ".".join(part for part in place if part)
        if len(words) == 1:
            return Query.term_query(SCHEMA, path, words[0])
        return Query.phrase_query(SCHEMA, path, list(words), slop)

    def _pattern_words(self, field: str | None, written: Written, position: int | None) -> Query:
        """Words with wildcards. Of several in a row each is looked for, and their order is not."""
        words = [pattern_of(word) for word in words_of(written)]
        self._check_words(len(words), position)
        rows = [
            all_of([self._regex(place, word, position) for word in words])
            for place in self._text_places(field)
        ]
        return any_of(rows)


def _why_not(engine_says: str) -> str:
    if "Empty match" in engine_says:
        return "a regular expression here is always the whole value: leave out ^, $ and \\b"
    if "size limit" in engine_says:
        return "this pattern is too large; use a shorter one"
    last = engine_says.strip().splitlines()[-1].removeprefix("error: ")
    return f"the regular expression cannot be read ({last})"


__all__ = ["SCHEMA", "WORDS", "Leaves", "TextRange", "all_of", "any_of"]

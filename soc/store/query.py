"""Lucene query strings, read once for both stores.

A ``Grammar`` makes the store's own queries of the parts: ``Leaves`` those of the embedded index,
``soc.store.elastic.leaves`` those of Elasticsearch. luqum reads the text into a tree; the tree is walked once.
``query`` may come from anybody, so its length, the number of its parts and its depth are bounded, and every refusal
is a QueryError that names the place.
"""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

from luqum.exceptions import ParseError
from luqum.parser import parser
from luqum.tree import (
    AndOperation,
    BaseGroup,
    Boost,
    From,
    Fuzzy,
    Item,
    Not,
    OrOperation,
    Phrase,
    Plus,
    Prohibit,
    Proximity,
    Range,
    Regex,
    SearchField,
    To,
    UnknownOperation,
    Word,
)
from tantivy import Query

from soc.errors import QueryError
from soc.normalise.fields import ECS, is_known
from soc.store.leaves import Leaves, TextRange
from soc.store.moments import time_field
from soc.store.patterns import Written, fold_expression, read_word

LONGEST_QUERY = 65_536  # characters: hunts converted from Sigma are long
MOST_PARTS = 4_096  # words, phrases, ranges
DEEPEST = 64  # brackets and NOTs inside one another
POSITION = re.compile(r"position (\d+)")
EVERYTHING = frozenset({"", "*", "*:*"})

_reading = threading.Lock()  # PLY keeps its stacks in the parser object

Q = TypeVar("Q")
Refuse = Callable[[str, int | None], QueryError]


class Grammar(Protocol[Q]):
    """What one store makes of the parts of a query. ``position`` is for the refusal's text."""

    def everything(self) -> Q: ...

    def any_of(self, queries: list[Q]) -> Q: ...

    def all_of(self, queries: list[Q], without: list[Q]) -> Q: ...

    def word(self, field: str | None, written: Written, position: int | None) -> Q: ...

    def phrase(
        self, field: str | None, written: Written, position: int | None, *, slop: int = 0
    ) -> Q: ...

    def expression(self, field: str | None, expression: str, position: int | None) -> Q: ...

    def exists(self, field: str) -> Q: ...

    def range(self, field: str, bounds: TextRange, position: int | None) -> Q: ...


def read_query(text: str) -> Query:
    """The query of a text; "" and "*" are everything.

    Raises:
        QueryError: unreadable, unsupported, too long or too deep; with the position where known.
    """
    return read_query_as(text, Leaves)


def read_query_as(text: str, grammar: Callable[[Refuse], Grammar[Q]]) -> Q:
    """The query of a text in another store's words. Raises QueryError as ``read_query`` does."""
    walk = _Walk(text, grammar)
    if text.strip() in EVERYTHING:
        return walk.make.everything()
    if len(text) > LONGEST_QUERY:
        raise QueryError(f"a query has at most {LONGEST_QUERY} characters", query=text[:80])
    return walk.query(_tree(text), field=None, depth=0)


def _tree(text: str) -> Item:
    try:
        with _reading:
            tree = parser.parse(text)
    except ParseError as error:
        found = POSITION.search(str(error))
        place = int(found[1]) if found else len(text)
        raise QueryError(_plain_reason(text, place), query=text, position=place) from error
    if tree is None:
        raise QueryError("nothing to look for", query=text)
    return tree


def _plain_reason(text: str, place: int) -> str:
    if place >= len(text):
        return "the text ends too early (a bracket or a quote is open, or an operator has no right side)"
    if text[place] == ":":
        return "a ':' inside a value; put the value in quotes or write '\\:'"
    return f"cannot read {text[place]!r} here; put values with special characters in quotes"


@lru_cache(maxsize=4_096)
def _close_names(name: str) -> tuple[str, ...]:
    return tuple(difflib.get_close_matches(name, ECS, n=3, cutoff=0.75))


class _Walk(Generic[Q]):
    """One walk over one tree."""

    def __init__(self, text: str, grammar: Callable[[Refuse], Grammar[Q]]) -> None:
        self.text = text
        self.parts = 0
        self.make = grammar(self.refuse)

    def refuse(self, reason: str, position: int | None = None) -> QueryError:
        return QueryError(reason, query=self.text, position=position)

    def query(self, node: Item, field: str | None, depth: int) -> Q:
        """The query of a node inside ``field``, None when no field has been named."""
        if depth > DEEPEST:
            raise self.refuse(f"more than {DEEPEST} levels of brackets", node.pos)
        match node:
            case SearchField():
                return self._field(node, depth)
            case BaseGroup() | Boost():
                return self.query(node.children[0], field, depth + 1)
            case Plus():
                return self.query(node.a, field, depth + 1)
            case Not() | Prohibit():
                return self.make.all_of([], [self.query(node.a, field, depth + 1)])
            case OrOperation():
                return self.make.any_of(
                    [self.query(one, field, depth + 1) for one in node.children]
                )
            case AndOperation() | UnknownOperation():
                return self._all(node, field, depth)
        return self._leaf(node, field)

    def _all(self, node: Item, field: str | None, depth: int) -> Q:
        wanted: list[Q] = []
        without: list[Q] = []
        for child in node.children:
            if isinstance(child, Not | Prohibit):
                without.append(self.query(child.a, field, depth + 1))
            else:
                wanted.append(self.query(child, field, depth + 1))
        return self.make.all_of(wanted, without)

    def _field(self, node: SearchField, depth: int) -> Q:
        name = read_name(node.name)
        inner = node.children[0]
        if name == "*" and isinstance(inner, Word) and inner.value == "*":
            return self.make.everything()
        if name == "_exists_":
            return self._exists(inner)
        self._check_name(name, node.pos)
        return self.query(inner, name, depth + 1)

    def _exists(self, inner: Item) -> Q:
        if not isinstance(inner, Word | Phrase):
            raise self.refuse("_exists_ needs one field name", inner.pos)
        name = read_name(inner.value.strip('"'))
        self._check_name(name, inner.pos)
        return self.make.exists(name)

    def _check_name(self, name: str, position: int | None) -> None:
        if "*" in name or "?" in name:
            raise self.refuse("wildcards in field names are not supported", position)
        if time_field(name) or name == "_id" or is_known(name):
            return
        close = _close_names(name)
        hint = f"; did you mean {', '.join(close)}?" if close else "; put text with ':' in quotes"
        raise self.refuse(f"unknown field {name!r}{hint}", position)

    def _leaf(self, node: Item, field: str | None) -> Q:
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise self.refuse(f"more than {MOST_PARTS} words", node.pos)
        match node:
            case Word():
                return self.make.word(field, read_word(node.value), node.pos)
            case Phrase():
                written = read_word(node.value[1:-1], wildcards=False)
                return self.make.phrase(field, written, node.pos)
            case Proximity():
                written = read_word(node.term.value[1:-1], wildcards=False)
                slop = int(node.degree)
                return self.make.phrase(field, written, node.pos, slop=slop)
            case Regex():
                expression = fold_expression(node.value[1:-1].replace("\\/", "/"))
                return self.make.expression(field, expression, node.pos)
            case Range() | From() | To():
                return self._range(node, field)
            case Fuzzy():
                raise self.refuse("'~' after a word is not supported; use wildcards", node.pos)
        raise self.refuse(f"{type(node).__name__} is not supported", node.pos)

    def _range(self, node: Range | From | To, field: str | None) -> Q:
        if field is None:
            raise self.refuse("a range needs a field name before it", node.pos)
        match node:
            case Range():
                low, high = self._bound(node.low), self._bound(node.high)
                included = node.include_low, node.include_high
            case From():
                low, high, included = self._bound(node.a), None, (node.include, True)
            case _:
                low, high, included = None, self._bound(node.a), (True, node.include)
        return self.make.range(field, TextRange(low, high, *included), node.pos)

    def _bound(self, node: Item) -> str | None:
        """The bound's text, None for ``*``."""
        if isinstance(node, Prohibit):
            inner = self._bound(node.a)
            return None if inner is None else f"-{inner}"
        if isinstance(node, Phrase):
            return read_word(node.value[1:-1], wildcards=False).text
        if isinstance(node, Word):
            return None if node.value == "*" else _bound_text(read_word(node.value))
        raise self.refuse("a range's bound is a word or a phrase", node.pos)


def _bound_text(written: Written) -> str:
    return "".join(
        piece if isinstance(piece, str) else {".*": "*", ".": "?"}[piece.value]
        for piece in written.pieces
    )


def read_name(raw: str) -> str:
    r"""A field's name as written in a query: ``winlog.event_data.Foo\ Bar`` has a blank."""
    return re.sub(r"\\(.)", r"\1", raw)

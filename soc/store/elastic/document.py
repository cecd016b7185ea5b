"""One event as one document of Elasticsearch, and the mapping of its indices.

The fields are those of the embedded index (``soc.store.document``), so that both stores answer alike:

- ``x.<name>``: folded text as ``keyword``; ``n.<name>``: numbers as ``double``; ``a.<name>``: addresses in their
  order. Two fields instead of one, so that a field that changes its type costs nothing;
- ``flat``: text and numbers of names that get no field of their own, as ``name, NUL, s, text`` and
  ``name, NUL, n, sortable hex``; ``big``: whole numbers that a double cannot tell apart;
- ``has``: the names that the event has; ``w.<name>`` and ``text``: words, cut here and joined by blanks;
- ``id``, ``tie``, ``observed_at``, ``received_at`` (microseconds), ``@timestamp`` (for Kibana), ``agency``, ``hold``;
- ``doc``: the event and its raw bytes (``soc.store.document.pack``), kept and not searched.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import orjson

from soc.errors import StoreError
from soc.model.event import Event, Fields, Scalar, Value
from soc.normalise.fields import ECS
from soc.normalise.folding import fold
from soc.store.document import (
    LONGEST_VALUE,
    NOT_INDEXED,
    Kind,
    address_term,
    index_form,
    key_of,
    kind_of,
    microseconds,
    pack,
    plain_fields,
    tie_of,
    unpack,
)
from soc.store.leaves import ANALYZER

MOST_NAMES = 2_000  # names outside ECS that get fields of their own, in one index by one process
MOST_FIELDS = 12_000
EXACT_DOUBLE = 2**53
PLAIN_NAME = re.compile(r"[\w@%-]{1,200}(\.[\w@%-]{1,200})*")
KEYWORD = {"type": "keyword", "ignore_above": LONGEST_VALUE}
WORDS = {"type": "text", "analyzer": "whitespace", "norms": False}
SOURCE_LEFT_OUT = ["n", "a", "w", "text", "has", "flat", "big", "tie"]


def index_template(prefix: str, *, shards: int, replicas: int) -> dict[str, Any]:
    """The composable template of all partitions whose name starts with ``prefix``."""
    leaf = {"dynamic": True, "subobjects": False, "type": "object"}
    templates = {"x.*": KEYWORD, "n.*": {"type": "double"}, "a.*": KEYWORD, "w.*": WORDS}
    plain = {name: {"type": "keyword"} for name in ("id", "tie", "agency", "hold", "has", "big")}
    return {
        "index_patterns": [f"{prefix}-events-*", f"{prefix}-held-*"],
        "priority": 500,
        "template": {
            "settings": {
                "number_of_shards": shards,
                "number_of_replicas": replicas,
                "refresh_interval": "500ms",
                "max_result_window": 10_001,
                "mapping.total_fields.limit": MOST_FIELDS,
                "mapping.total_fields.ignore_dynamic_beyond_limit": True,
            },
            "mappings": {
                "dynamic": False,
                "date_detection": False,
                "_source": {"excludes": SOURCE_LEFT_OUT},
                "dynamic_templates": [
                    {path[0]: {"path_match": path, "mapping": mapping}}
                    for path, mapping in templates.items()
                ],
                "properties": {
                    **plain,
                    **{name: dict(leaf) for name in ("x", "n", "a", "w")},
                    "@timestamp": {"type": "date_nanos", "ignore_malformed": True},
                    "observed_at": {"type": "long"},
                    "received_at": {"type": "long"},
                    "flat": {"type": "keyword"},
                    "text": WORDS,
                    "doc": {"type": "binary"},
                    "index_error": {"type": "keyword", "index": False, "doc_values": False},
                },
            },
        },
    }


@lru_cache(maxsize=65_536)
def path_of(name: str) -> str:
    """The name of a field below ``x``, ``n``, ``a`` and ``w``.

    >>> path_of("process.name"), path_of("winlog.event_data.Foo Bar")
    ('process.name', 'winlog.event_data.Foo%20Bar')
    """
    return key_of(name).replace("/", ".")


@lru_cache(maxsize=65_536)
def can_have_field(name: str) -> bool:
    """Whether Elasticsearch takes this name as a field's."""
    return PLAIN_NAME.fullmatch(path_of(name)) is not None


def flat_text(name: str, text: str) -> str:
    return f"{name}\0s{text}"


def flat_number(name: str, number: float) -> str:
    """A number in an order that is the order of its text.

    >>> flat_number("a", -1) < flat_number("a", 0) < flat_number("a", 2.5)
    True
    """
    bits = struct.unpack(">Q", struct.pack(">d", number + 0.0))[0]
    ordered = bits ^ (2**64 - 1) if bits >> 63 else bits | 2**63
    return f"{name}\0n{ordered:016x}"


def big_term(name: str, number: int) -> str:
    return f"{name}\0{number}"


@dataclass(slots=True)
class Names:
    """The names outside ECS that have fields of their own in one index."""

    known: set[str] = field(default_factory=set)

    def has_field(self, name: str) -> bool:
        if name in ECS or name in self.known:
            return True
        if len(self.known) >= MOST_NAMES or not can_have_field(name):
            return False
        self.known.add(name)
        return True


class _Body:
    """The searchable part of a document."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.parts: dict[str, dict[str, list[Any]]] = {"x": {}, "n": {}, "a": {}, "w": {}}
        self.has: list[str] = []
        self.flat: list[str] = []
        self.big: list[str] = []
        self.words: dict[str, None] = {}
        self.too_long: list[str] = []

    def put(self, name: str, value: Value) -> None:
        kind = kind_of(name)
        if kind is Kind.IDENTITY:
            return
        values: list[Scalar] = value if isinstance(value, list) else [value]
        forms = [
            index_form(one)
            for one in values
            if not (isinstance(one, str) and len(one) > LONGEST_VALUE)
        ]
        if len(forms) < len(values):
            self.too_long.append(name)
        if not values:
            return
        self.has.append(name)
        if kind is Kind.TEXT:
            self.parts["w"][path_of(name)] = [words_of(str(form)) for form in forms]
            return
        self.words.update(dict.fromkeys(str(form) for form in forms))
        self._put_values(name, forms)
        if kind is Kind.ADDRESS:
            terms = [term for form in forms if (term := address_term(str(form)))]
            if terms:
                self.parts["a"][path_of(name)] = terms

    def _put_values(self, name: str, forms: list[str | int | float]) -> None:
        own = self._names.has_field(name)
        for form in forms:
            text = isinstance(form, str)
            if own:
                self.parts["x" if text else "n"].setdefault(path_of(name), []).append(form)
            elif isinstance(form, str):
                self._put_flat(name, form)
            else:
                self.flat.append(flat_number(name, form))
            if isinstance(form, int) and abs(form) > EXACT_DOUBLE:
                self.big.append(big_term(name, form))

    def _put_flat(self, name: str, text: str) -> None:
        if len(name) + len(text) > LONGEST_VALUE - 8:  # a term has at most 32,766 bytes
            self.too_long.append(name)
        else:
            self.flat.append(flat_text(name, text))


def words_of(text: str) -> str:
    """The words of a folded text, as the embedded index cuts it, joined by blanks."""
    return " ".join(ANALYZER.analyze(text))


def document_of(event: Event, names: Names, holds: Iterable[str] = ()) -> bytes:
    """The document's JSON; values that no index can hold are put into a form that it can."""
    try:
        return _encode(event, names, holds)
    except (TypeError, ValueError, OverflowError):
        return _encode(replace(event, fields=plain_fields(event.fields)), names, holds)


def _encode(event: Event, names: Names, holds: Iterable[str]) -> bytes:
    body = _Body(names)
    for name, value in event.fields.items():
        body.put(name, value)
    _put_stamps(body, event)
    fields: Fields = event.fields
    if body.too_long:
        fields = {**fields, NOT_INDEXED: list(body.too_long)}
        body.put(NOT_INDEXED, list(body.too_long))
    document = {
        **_stamps(event),
        **{part: values for part, values in body.parts.items() if values},
        "has": body.has,
        "flat": body.flat,
        "big": body.big,
        "text": [words for value in body.words if (words := words_of(value))],
        "hold": list(holds),
        "doc": base64.b64encode(pack(event, fields)).decode(),
    }
    return orjson.dumps(document)


def _put_stamps(body: _Body, event: Event) -> None:
    """The event's owner is searchable even when its fields do not repeat it."""
    for name, value in (("soc.agency_id", event.agency_id), ("soc.system_id", event.system_id)):
        if value is not None:
            body.parts["x"][path_of(name)] = [fold(value)]
            body.has.append(name)
    if event.level:
        body.parts["n"]["soc.level"] = [event.level]
        body.has.append("soc.level")


def _stamps(event: Event) -> dict[str, Any]:
    stamps: dict[str, Any] = {
        "id": event.id,
        "tie": f"{tie_of(event.id):016x}",
        "observed_at": microseconds(event.observed_at),
        "received_at": microseconds(event.received_at),
        "@timestamp": event.observed_at.isoformat(),
    }
    if event.agency_id is not None:
        stamps["agency"] = event.agency_id
    return stamps


def bare_document(event: Event, reason: str, holds: Iterable[str] = ()) -> bytes:
    """An event whose values Elasticsearch refuses: found by time, id and owner, with the reason on it."""
    fields = plain_fields(event.fields)
    fields[NOT_INDEXED] = sorted(fields)
    marked = replace(event, fields=fields)
    document = {
        **_stamps(event),
        "has": [NOT_INDEXED],
        "x": {NOT_INDEXED: [fold(name) for name in sorted(fields) if len(name) < LONGEST_VALUE]},
        "doc": base64.b64encode(pack(marked, fields)).decode(),
        "hold": list(holds),
        "index_error": reason[:1_000],
    }
    return orjson.dumps(document)


def event_of(source: dict[str, Any]) -> Event:
    """The event of a hit's ``_source``."""
    stored = source.get("doc")
    if not isinstance(stored, str):
        raise StoreError("a document of Elasticsearch has no stored event")
    return unpack(base64.b64decode(stored))

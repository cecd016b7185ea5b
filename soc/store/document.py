"""One event as one document of the index, and back.

The index holds, for each event:

- ``x``: every value under its field's key, folded, as one JSON field (exact values, wildcards, ranges, sums);
- ``w``: the words of ``message`` and ``error.message``, with positions, as one JSON field;
- ``text``: the words of all other values, for a query without a field name;
- ``tie``, ``observed_at``, ``received_at`` (microseconds since 1970, since tantivy's dates keep whole
  seconds), ``id``, ``agency`` (the scope's filter) and ``hold``;
- ``doc``: the event itself as JSON and its raw bytes, stored and not searched.

A key is the field's name with ``/`` for ``.``: tantivy's range queries do not find keys that contain dots.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum
from functools import lru_cache

import orjson
import tantivy

from soc.errors import StoreError
from soc.model.event import EPOCH, Event, Fields, Scalar, Value
from soc.normalise.addresses import ip_address
from soc.normalise.fields import ECS
from soc.normalise.folding import fold

SCHEMA_VERSION = 1
LONGEST_VALUE = 8_191  # characters; longer values are kept and not indexed
NOT_INDEXED = "soc.not_indexed"
WORDS = "soc_words"  # the tokenizer: runs of letters and digits
BREAK = "X"
"""The word between two values in ``text``: folded text has no capital ASCII letter. The analyzer drops it and keeps its
position, so no phrase reaches from one value into the next. One joined text costs a quarter less of the engine's time
than 35 separate ones (measured)."""
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}t[0-9]{2}:[0-9]{2}:[0-9]{2}")
MARK = "\x01"
"""After a folded text that begins as a time does: tantivy makes dates of times in a JSON field, and then no search for
a text, no pattern and no count of values finds them. The mark keeps the order of the texts."""
MICROSECOND = timedelta(microseconds=1)
I64 = 2**63
LOW_64 = 2**64 - 1
HEX_ID = re.compile(r"[0-9a-f]{32}")


class Kind(IntEnum):
    """How the values of a field are indexed."""

    EXACT = 0
    ADDRESS = 1  # also in the order of addresses
    TEXT = 2  # by words only
    IDENTITY = 3  # the event's own id


def schema() -> tantivy.Schema:
    """The schema of ``SCHEMA_VERSION``."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("tie", fast=True)
    builder.add_integer_field("observed_at", fast=True)
    builder.add_integer_field("received_at", fast=True)
    builder.add_text_field("agency", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("hold", tokenizer_name="raw", index_option="basic", stored=True)
    builder.add_json_field("x", tokenizer_name="raw", index_option="basic", fast=True)
    builder.add_json_field("w", tokenizer_name=WORDS, index_option="position")
    builder.add_text_field("text", tokenizer_name=WORDS, index_option="position")
    builder.add_bytes_field("doc", stored=True)
    return builder.build()


def words_analyzer() -> tantivy.TextAnalyzer:
    """Runs of letters and digits, without ``BREAK``; folding has been done before."""
    words = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    return words.filter(tantivy.Filter.custom_stopword([BREAK])).build()


@lru_cache(maxsize=65_536)
def key_of(name: str) -> str:
    """The key of a field in ``x``.

    >>> key_of("process.parent.name"), key_of("winlog.event_data.Foo Bar")
    ('process/parent/name', 'winlog/event_data/Foo%20Bar')
    """
    return re.sub(r"[^\w.]", lambda odd: f"%{ord(odd[0]):02x}", name).replace(".", "/")


@lru_cache(maxsize=65_536)
def kind_of(name: str) -> Kind:
    """How the values of this field are indexed; types are those of ECS."""
    if name == "event.id":
        return Kind.IDENTITY
    kind = ECS.get(name)
    if kind == "match_only_text":
        return Kind.TEXT
    return Kind.ADDRESS if kind == "ip" else Kind.EXACT


EXACT, ADDRESS, TEXT, IDENTITY = Kind  # looked at for every value: an enum's attribute is slow
_PLACES: dict[str, tuple[str, Kind]] = {}
MOST_PLACES = 65_536  # names remembered; an attacker's labels must not fill the memory


def _place(name: str) -> tuple[str, Kind]:
    """Key and kind of a field, remembered: this is asked for every value of every event."""
    if len(_PLACES) >= MOST_PLACES:
        _PLACES.clear()
    place = _PLACES[name] = (key_of(name), kind_of(name))
    return place


@lru_cache(maxsize=65_536)
def address_term(text: str) -> str | None:
    """An IP address as text in the order of addresses, families apart; None when it is none.

    >>> address_term("10.0.0.1"), address_term("::1")
    ('v40a000001', 'v600000000000000000000000000000001')
    """
    address = ip_address(text)
    if address is None:
        return None
    return address_order(address)


def address_order(address: str) -> str:
    """Like ``address_term`` for a text that is known to be an address."""
    import ipaddress

    parsed = ipaddress.ip_address(address)
    return f"v4{int(parsed):08x}" if parsed.version == 4 else f"v6{int(parsed):032x}"


def microseconds(time: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z."""
    since = time - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_microseconds(count: int) -> datetime:
    """The aware UTC time; ``OverflowError`` outside the years 1-9999."""
    return EPOCH + count * MICROSECOND


def tie_of(event_id: str) -> int:
    """64 bits that put events of one microsecond into one order, the same for ever.

    >>> tie_of("0" * 31 + "7")
    7
    """
    if HEX_ID.fullmatch(event_id):
        whole = int(event_id, 16)
        return (whole >> 64) ^ (whole & LOW_64)
    return int.from_bytes(
        hashlib.blake2b(event_id.encode("utf-8", "replace"), digest_size=8).digest()
    )


def index_form(value: Scalar) -> str | int | float:
    """What ``x`` holds of one value: folded text, or a number that tantivy can hold."""
    if isinstance(value, str):
        return fold(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value if -I64 <= value < I64 else str(value)
    return value if math.isfinite(value) else str(value)


def term_of(folded: str) -> str:
    """The term of ``x`` for a folded text.

    >>> term_of("cmd.exe"), term_of("2026-11-22t10:30:00z")
    ('cmd.exe', '2026-11-22t10:30:00z\\x01')
    """
    return f"{folded}{MARK}" if folded[10:11] == "t" and MOMENT.match(folded) else folded


def text_of(term: str) -> str:
    """The folded text of a term of ``x``."""
    return term.removesuffix(MARK)


class _Page:
    """The index's side of one event."""

    __slots__ = ("too_long", "w", "words", "x")

    def __init__(self, fields: Fields) -> None:
        self.x: dict[str, object] = {}
        self.w: dict[str, list[str]] = {}
        self.words: set[str] = set()
        self.too_long: list[str] = []
        self._put_all(fields)

    def _put_all(self, fields: Fields) -> None:
        """Most values are one short text or a number of a plain field: those take the short way."""
        x, words, place_of = self.x, self.words, _PLACES.get
        for name, value in fields.items():
            key, kind = place_of(name) or _place(name)
            if kind is not EXACT:
                if kind is not IDENTITY:
                    self._put(name, key, kind, value)
            elif type(value) is str and len(value) <= LONGEST_VALUE:
                folded = value.lower() if value.isascii() else fold(value)
                x[key] = folded if folded[10:11] != "t" else term_of(folded)
                words.add(folded)
            elif type(value) is int and -I64 <= value < I64:
                x[key] = value
                words.add(str(value))
            else:
                self._put(name, key, kind, value)

    def _put(self, name: str, key: str, kind: Kind, value: Value) -> None:
        values: list[Scalar] = value if isinstance(value, list) else [value]
        forms = [
            index_form(one) for one in values if type(one) is not str or len(one) <= LONGEST_VALUE
        ]
        if len(forms) < len(values):
            self.too_long.append(name)
        if not forms:
            return
        texts = [str(form) for form in forms]
        if kind is TEXT:
            self.w[key] = texts
            self.x[f"#has/{key}"] = 1
            return
        terms = [term_of(form) if type(form) is str else form for form in forms]
        self.x[key] = terms[0] if len(terms) == 1 else terms
        self.words.update(texts)
        if kind is ADDRESS:
            addresses = [term for text in texts if (term := address_term(text))]
            if addresses:
                self.x[f"#ip/{key}"] = addresses

    def name_too_long(self) -> None:
        """Index the names of the values that are not indexed."""
        if self.too_long:
            self._put(NOT_INDEXED, key_of(NOT_INDEXED), Kind.EXACT, list(self.too_long))


def encode(event: Event, holds: Iterable[str] = ()) -> tantivy.Document:
    """The document of an event; long values are named in its ``soc.not_indexed``."""
    fields = event.fields
    page = _Page(fields)
    _put_stamps(page, event)
    if page.too_long:
        fields = {**fields, NOT_INDEXED: list(page.too_long)}
        page.name_too_long()
    document = tantivy.Document()
    document.add_text("id", event.id)
    document.add_unsigned("tie", tie_of(event.id))
    observed_at, received_at = microseconds(event.observed_at), microseconds(event.received_at)
    document.add_integer("observed_at", observed_at)
    document.add_integer("received_at", received_at)
    if event.agency_id is not None:
        document.add_text("agency", event.agency_id)
    document.add_json("x", page.x)
    if page.w:
        document.add_json("w", page.w)
    if page.words:
        document.add_text("text", f" {BREAK} ".join(page.words))
    for hold in holds:
        document.add_text("hold", hold)
    document.add_bytes("doc", _packed(event, fields, observed_at, received_at))
    return document


def _put_stamps(page: _Page, event: Event) -> None:
    """The event's owner is searchable even when its fields do not repeat it."""
    if event.agency_id is not None:
        page.x["soc/agency_id"] = fold(event.agency_id)
    if event.system_id is not None:
        page.x["soc/system_id"] = fold(event.system_id)
    if event.level:
        page.x["soc/level"] = event.level


def pack(event: Event, fields: Fields) -> bytes:
    """The stored form: length of the JSON (4 bytes, big endian), the JSON, the raw bytes."""
    return _packed(event, fields, microseconds(event.observed_at), microseconds(event.received_at))


def _packed(event: Event, fields: Fields, observed_at: int, received_at: int) -> bytes:
    head = orjson.dumps(
        (
            event.id,
            observed_at,
            received_at,
            event.source,
            event.agency_id,
            event.system_id,
            event.level,
            event.host,
            fields,
        )
    )
    return b"%b%b%b" % (len(head).to_bytes(4), head, event.raw)


def unpack(stored: bytes) -> Event:
    """The event of ``pack``."""
    try:
        length = int.from_bytes(stored[:4])
        row = orjson.loads(stored[4 : 4 + length])
        identity, observed_at, received_at, source, agency, system, level, host, fields = row
    except ValueError as error:
        raise StoreError(f"a stored event cannot be read back: {error}") from error
    return Event(
        id=identity,
        observed_at=from_microseconds(observed_at),
        received_at=from_microseconds(received_at),
        source=source,
        agency_id=agency,
        system_id=system,
        level=level,
        host=host,
        fields=fields,
        raw=stored[4 + length :],
    )


def event_of(document: tantivy.Document) -> Event:
    """The event of a document that the index found."""
    stored = document.get_first("doc")
    if not isinstance(stored, bytes):
        raise StoreError("a document of the index has no stored event")
    return unpack(stored)


def plain_fields(fields: Fields) -> Fields:
    """The fields with values that no index can hold in a form that it can."""
    return {_text(name): _plain(value) for name, value in fields.items()}


def _plain(value: Value) -> Value:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return _scalar(value)


def _scalar(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -I64 <= value < I64 else str(value)
    return value if math.isfinite(value) else str(value)


def _text(text: str) -> str:
    """Lone surrogates are no characters; the raw bytes keep what stood there."""
    return text.encode("utf-8", "replace").decode("utf-8")

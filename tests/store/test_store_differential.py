"""Random small events and queries: the index answers as a plain evaluation in Python does."""

from __future__ import annotations

import fnmatch
import itertools
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soc.model.event import Event, Fields, Value
from soc.normalise.folding import fold
from soc.store.embedded import EmbeddedStore
from tests.store.events import MONTHS, PROVINCE, event, numbers

NAMES = ("event.code", "user.name", "source.port", "labels.any")
TEXT = st.text(alphabet="abAB01.-* \\/:Đđé", min_size=1, max_size=5)
NUMBER = st.integers(-20, 20) | st.sampled_from([0.5, -1.5, 3.0, 10**15])
ONE = TEXT | NUMBER | st.booleans()
FIELDS = st.dictionaries(
    st.sampled_from(NAMES), ONE | st.lists(ONE, min_size=1, max_size=3), max_size=4
)


@dataclass(frozen=True)
class Asked:
    """A query and what it means."""

    text: str
    holds: Callable[[Fields], bool]


def values(fields: Fields, name: str) -> list[Value]:
    found = fields.get(name, [])
    return found if isinstance(found, list) else [found]


def text_of(value: Value) -> str | None:
    """The folded text of a value, None of a number."""
    if isinstance(value, bool):
        return str(value).lower()
    return fold(value) if isinstance(value, str) else None


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def bare(text: str, *, wildcards: str = "") -> str:
    return "".join(one if one.isalnum() or one in wildcards else f"\\{one}" for one in text)


def equal(name: str, value: Value) -> Asked:
    """``name:"value"``."""

    def same(other: Value) -> bool:
        if isinstance(other, bool | str):
            return text_of(other) == text_of(value if isinstance(value, bool | str) else str(value))
        if isinstance(value, str):
            return bool(re.fullmatch(r"-?(0|[1-9]\d*)|-?\d+\.\d+", value)) and float(value) == other
        return not isinstance(value, bool) and other == value

    written = str(value).lower() if isinstance(value, bool) else str(value)
    return Asked(
        f"{name}:{quoted(written)}", lambda fields: any(same(one) for one in values(fields, name))
    )


def wild(name: str, pattern: str) -> Asked:
    """``name:*pat?ern``, on text only."""
    expression = re.compile(fnmatch.translate(fold(pattern).replace("[", "[[]")), re.DOTALL)
    # fnmatch has no escapes, and the alphabet's own * is a wildcard here
    return Asked(
        f"{name}:{bare(pattern, wildcards='*?')}",
        lambda fields: any(
            (text := text_of(one)) is not None and expression.match(text) is not None
            for one in values(fields, name)
        ),
    )


def between(name: str, low: int, high: int) -> Asked:
    """A range whose bounds are numbers: numbers by number, text by text."""

    def inside(value: Value) -> bool:
        text = text_of(value)
        if text is not None:
            return name != "source.port" and str(low) <= text <= str(high)
        return low <= value <= high  # type: ignore[operator]

    return Asked(
        f'{name}:["{low}" TO "{high}"]',
        lambda fields: any(inside(one) for one in values(fields, name)),
    )


def between_texts(name: str, low: str, high: str) -> Asked:
    """A range whose bounds are words."""

    def inside(value: Value) -> bool:
        text = text_of(value)
        return text is not None and fold(low) <= text <= fold(high)

    return Asked(
        f"{name}:[{quoted(low)} TO {quoted(high)}]",
        lambda fields: any(inside(one) for one in values(fields, name)),
    )


def exists(name: str) -> Asked:
    return Asked(f"{name}:*", lambda fields: name in fields)


def both(one: Asked, other: Asked) -> Asked:
    return Asked(
        f"({one.text} AND {other.text})", lambda fields: one.holds(fields) and other.holds(fields)
    )


def either(one: Asked, other: Asked) -> Asked:
    return Asked(
        f"({one.text} OR {other.text})", lambda fields: one.holds(fields) or other.holds(fields)
    )


def without(one: Asked) -> Asked:
    return Asked(f"NOT {one.text}", lambda fields: not one.holds(fields))


def has_wildcard(pattern: str) -> bool:
    """A pattern without one is an equality, and ``*`` alone asks whether there is a value."""
    return bool(set(pattern) & {"*", "?"}) and bool(set(pattern) - {"*"})


NAME = st.sampled_from(NAMES)
WORD = st.text(alphabet="abxĐ", min_size=1, max_size=3)
LEAF = st.one_of(
    st.builds(equal, NAME, ONE),
    st.builds(
        wild,
        NAME,
        st.text(alphabet="abAB01?*đ", min_size=1, max_size=4).filter(has_wildcard),
    ),
    st.builds(between, NAME, st.integers(-20, 20), st.integers(-20, 20)),
    st.builds(between_texts, st.sampled_from(["user.name", "labels.any"]), WORD, WORD),
    st.builds(exists, NAME),
)
ASKED = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.builds(both, inner, inner), st.builds(either, inner, inner), st.builds(without, inner)
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def store() -> Iterator[EmbeddedStore]:
    with tempfile.TemporaryDirectory() as folder:
        made = EmbeddedStore(Path(folder), months=MONTHS, writable=True)
        yield made
        made.close()


fresh = itertools.count(1)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(FIELDS, min_size=1, max_size=12), st.lists(ASKED, min_size=8, max_size=20))
def test_every_query_finds_what_a_plain_evaluation_finds(
    store: EmbeddedStore, many: list[Fields], asked: list[Asked]
):
    """All events stay in one store; the label of the round keeps the rounds apart."""
    round_label = f"r{next(fresh)}"
    given_events: list[Event] = [
        event(1_000_000 + next(fresh), {**fields, "labels.round": round_label}, level=place % 6)
        for place, fields in enumerate(many)
    ]
    store.append(PROVINCE, given_events)
    for one in asked:
        page = store.search(PROVINCE, f"labels.round:{round_label} AND ({one.text})", size=50)
        wanted = {int(each.id, 16) for each in given_events if one.holds(each.fields)}
        assert set(numbers(page.events)) == wanted, one.text

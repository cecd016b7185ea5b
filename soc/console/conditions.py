"""A rule's condition for one event as lines that people read: what was asked, and what the event has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from soc.detect.explain import Explanation

MOST = 40


@dataclass(frozen=True, slots=True)
class Condition:
    """One test that made the rule match. ``name`` is the selection it stands in; ``denied`` means "not"."""

    label: str
    field: str
    value: Any
    name: str
    denied: bool


def conditions(explained: Explanation | None) -> tuple[Condition, ...]:
    """The tests that decided; of alternatives only those that hold. Nothing where nothing is explained."""
    if explained is None or not explained.holds:
        return ()
    found = list(dict.fromkeys(_deciding(explained, "", denied=False)))
    return tuple(found[:MOST])


def _deciding(part: Explanation, name: str, *, denied: bool) -> Iterator[Condition]:
    if part.kind == "test":
        yield Condition(part.label, part.field, _hashable(part.value), name, denied)
        return
    if part.kind == "not":
        for inner in part.parts:
            yield from _deciding(inner, name, denied=not denied)
        return
    for inner in part.parts:
        if part.kind == "name":
            yield from _deciding(inner, part.label, denied=denied)
        elif inner.holds != denied or (part.kind == "or" and denied):
            yield from _deciding(inner, name, denied=denied)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

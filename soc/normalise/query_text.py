"""Values inside Lucene query strings: the one place where they are escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

PLACEHOLDER = re.compile(r"\{([a-z@_][A-Za-z0-9_.@ -]*)\}")
NOTHING = frozenset({"", "-", "None"})  # what sources write where they know nothing
MOST_VALUES = 10  # of one field in a query


def value_text(value: object) -> str:
    r"""A value as a query has it: whole, so that nothing in it is an operator or a wildcard.

    >>> print(value_text('net "x" \\y *'), value_text(12), value_text(True))
    "net \"x\" \\y *" 12 true
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    text = str(value).encode("utf-8", "replace").decode()  # lone surrogates as the stores keep them
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def placeholders(query: str) -> tuple[str, ...]:
    """The fields that a query wants to know of an event, each once.

    >>> placeholders("host.name:{host.name} AND source.port:[1 TO 5] AND user.name:{user.name}")
    ('host.name', 'user.name')
    """
    return tuple(dict.fromkeys(PLACEHOLDER.findall(query)))


def unknown(query: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The placeholders for which an event has nothing."""
    return tuple(name for name in placeholders(query) if not _values(fields.get(name)))


def filled(query: str, fields: Mapping[str, Any]) -> str:
    """The query with an event's values; of several values, any.

    >>> filled("user.name:{user.name} AND source.ip:{source.ip}", {"user.name": "a", "source.ip": ["::1", "10.0.0.1"]})
    'user.name:"a" AND source.ip:("::1" OR "10.0.0.1")'

    Raises:
        KeyError: the event lacks one; ask ``unknown`` first.
    """

    def value_of(found: re.Match[str]) -> str:
        values = _values(fields.get(found[1]))
        if not values:
            raise KeyError(found[1])
        texts = [value_text(value) for value in values[:MOST_VALUES]]
        return texts[0] if len(texts) == 1 else f"({' OR '.join(texts)})"

    return PLACEHOLDER.sub(value_of, query)


def _values(value: Any) -> Sequence[Any]:
    many = value if isinstance(value, list | tuple) else [value]
    return [one for one in many if one is not None and str(one).strip() not in NOTHING]

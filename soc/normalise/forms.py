"""A product's messages as a table: each form is an expression, and what such a message says in ECS's words.

The groups of an expression are the product's names of values; a reader's table of names turns them into fields.
Expressions are matched from the beginning of a message, and each part of them is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from soc.model.event import Fields

LOOKED_AT = 4_000  # characters of a message


class Form(NamedTuple):
    """One kind of message."""

    pattern: re.Pattern[str]
    says: Mapping[str, str | list[str]]


def form(
    pattern: str, action: str, category: str = "", kinds: str = "info", outcome: str = ""
) -> Form:
    """A form; ``category`` and ``kinds`` are words with spaces between them, "" says nothing.

    >>> form("x", "login", "authentication", "start", "failure").says["event.category"]
    ['authentication']
    """
    says: dict[str, str | list[str]] = {"event.action": action, "event.type": kinds.split()}
    if category:
        says["event.category"] = category.split()
    if outcome:
        says["event.outcome"] = outcome
    return Form(re.compile(pattern, re.DOTALL), says)


def say(fields: Fields, forms: Sequence[Form], message: str) -> dict[str, str]:
    """Put what the first form that fits says into ``fields``, and give its values; empty where none fits.

    >>> fields: Fields = {}
    >>> say(fields, [form(r"user (?P<user>\\w+) came", "login")], "user lan came in"), fields["event.action"]
    ({'user': 'lan'}, 'login')
    """
    text = message[:LOOKED_AT]
    for one in forms:
        found = one.pattern.match(text)
        if found is not None:
            for name, value in one.says.items():
                fields[name] = list(value) if isinstance(value, list) else value
            return {name: value for name, value in found.groupdict().items() if value}
    return {}

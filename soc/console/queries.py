"""Lucene query strings made from values that people click on."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from soc.normalise.query_text import value_text


def term(field: str, value: object) -> str:
    r"""The query for exactly this value of a field.

    >>> term("process.command_line", 'net "x" \\y')
    'process.command_line:"net \\"x\\" \\\\y"'
    >>> term("source.ip", "10.0.0.1"), term("process.pid", 12)
    ('source.ip:"10.0.0.1"', 'process.pid:12')
    """
    return f"{field}:{value_text(value)}"


def both(left: str, right: str) -> str:
    """Both queries must hold; an empty one restricts nothing.

    >>> both("a:1 OR b:2", "c:3"), both("", "c:3")
    ('(a:1 OR b:2) AND c:3', 'c:3')
    """
    left = left.strip()
    if left in ("", "*"):
        return right
    wrapped = f"({left})" if any(word in left for word in (" OR ", " || ")) else left
    return f"{wrapped} AND {right}"


def without(left: str, right: str) -> str:
    """The first query except what the second finds.

    >>> without("", "c:3")
    '* AND NOT c:3'
    """
    return (
        both(left if left.strip() else "*", f"NOT {right}")
        if left.strip()
        else f"* AND NOT {right}"
    )


def search_address(query: str, **more: str) -> str:
    """The address of the search page for a query."""
    return "/search?" + urlencode({"q": query, **more})


def with_open(address: str, key: str) -> str:
    """The queue's address with this alert open beside it; its filters stay.

    >>> with_open("/alerts?severity=high&open=CB-1", "CB-2")
    '/alerts?severity=high&open=CB-2'
    """
    path, query = urlsplit(address).path, urlsplit(address).query
    kept = [(name, value) for name, value in parse_qsl(query) if name != "open"]
    return f"{path}?{urlencode([*kept, ('open', key)])}"

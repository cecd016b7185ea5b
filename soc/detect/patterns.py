"""Wildcard patterns and regular expressions as the automaton (Hyperscan) and ``re`` want them.

Folded patterns are matched on the bytes of the folded value without Hyperscan's UTF8 mode: a lone surrogate then
does no harm, and `?` is spelled out as "one encoded character".
"""

from __future__ import annotations

import re
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import orjson

from soc.detect.atoms import MANY, ONE, Parts

LINE_START = r"(?:\A|(?<=\n)(?!\Z))"
BARE_CIRCUMFLEX = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\^", re.DOTALL
)  # or an escape, or a class
ENCODED_CHARACTER = rb"(?:[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]*)"


def encode(text: str) -> bytes:
    """UTF-8 that also takes lone surrogates (as three bytes)."""
    return text.encode() if text.isascii() else text.encode("utf-8", "surrogatepass")


def escaped(text: str) -> bytes:
    """A literal for the automaton; anything but letters and digits as \\xHH."""
    return b"".join(
        bytes((byte,)) if chr(byte).isalnum() and byte < 128 else b"\\x%02x" % byte
        for byte in encode(text)
    )


def like_expression(parts: Parts) -> bytes:
    r"""A byte expression for Hyperscan (DOTALL, no UTF8).

    >>> like_expression((MANY, "ab", ONE, "c"))
    b'ab(?:[\\x00-\\x7f]|[\\xc0-\\xff][\\x80-\\xbf]*)c\\z'
    """
    starts, ends = parts[0] != MANY, parts[-1] != MANY
    body = b"".join(
        escaped(part) if isinstance(part, str) else b".*" if part == MANY else ENCODED_CHARACTER
        for part in _without_ends(parts)
    )
    return (b"\\A" if starts else b"") + body + (b"\\z" if ends else b"")


def json_expression(parts: Parts) -> bytes:
    r"""An expression for JSON text that has the pattern in it; a superset, for a caseless scan.

    >>> json_expression((MANY, "a\\b", MANY))
    b'a\\x5c\\x5cb'
    """
    return b"".join(
        escaped(orjson.dumps(part)[1:-1].decode())
        if isinstance(part, str)
        else b".*"
        if part == MANY
        else b".{1,6}"
        for part in _without_ends(parts)
    )


def _without_ends(parts: Parts) -> list[str | int]:
    middle = list(parts)
    while middle and middle[0] == MANY:
        del middle[0]
    while middle and middle[-1] == MANY:
        del middle[-1]
    return middle


def like_regex(parts: Parts) -> re.Pattern[str]:
    """The same as a ``re`` pattern for ``match``."""
    return re.compile(
        "".join(
            re.escape(part) if isinstance(part, str) else ".*" if part == MANY else "."
            for part in parts
        )
        + r"\Z",
        re.DOTALL,
    )


def simple_test(parts: Parts) -> tuple[str, str] | None:
    """("contains" | "starts" | "ends", text) where a pattern is that simple, else None."""
    match parts:
        case (0, str(text), 0):
            return "contains", text
        case (str(text), 0):
            return "starts", text
        case (0, str(text)):
            return "ends", text
    return None


def regex_flags(flags: str) -> int:
    """``re`` flags of Sigma's i, m and s."""
    named = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
    return sum(named[letter] for letter in flags)


def python_regex(pattern: str, flags: str) -> re.Pattern[str]:
    r"""A Sigma expression for ``re``, meaning what PCRE means.

    With the flag m, PCRE's ``^`` does not match after a line feed that ends the text; Python's does.

    >>> python_regex("^$", "m").search("a\n"), python_regex("[^b]$", "m").search("a\n").group()
    (None, 'a')
    """
    if "m" in flags or re.match(r"\(\?[aimsux]*m", pattern):
        pattern = BARE_CIRCUMFLEX.sub(
            lambda found: LINE_START if found[0] == "^" else found[0], pattern
        )
    return re.compile(pattern, regex_flags(flags))


def may_explode(pattern: str, flags: str) -> bool:
    """Whether an expression repeats something that itself repeats without bound, as (a+)+ does.

    Backtracking over those can take for ever, and ``re`` cannot be interrupted. Hyperscan does not backtrack.
    """

    def unbounded(tree: Any, inside: bool) -> bool:
        for code, argument in tree:
            if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
                many = argument[1] is op.MAXREPEAT or argument[1] > 50
                if many and inside:
                    return True
                if unbounded(argument[2], inside or many):
                    return True
            elif code is op.BRANCH:
                if any(unbounded(branch, inside) for branch in argument[1]):
                    return True
            elif code is op.SUBPATTERN:
                if unbounded(argument[3], inside):
                    return True
            elif code in (op.ASSERT, op.ASSERT_NOT):
                if unbounded(argument[1], inside):
                    return True
            elif code is op.ATOMIC_GROUP and unbounded(argument, inside):
                return True
        return False

    return unbounded(parser.parse(pattern, regex_flags(flags)), False)


__all__ = [
    "MANY",
    "ONE",
    "encode",
    "like_expression",
    "like_regex",
    "may_explode",
    "python_regex",
    "regex_flags",
    "simple_test",
]

"""A whole export file cut into rows that can be read alone: CSV with its names before each row, JSON objects, lines.

What a cut file lacks at its end is told from what is there: ``tail`` is the row that has not ended yet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

WRAPPED = re.compile(r'\{[^{}\[\]]*?"(?:value|data|items|results|records|rows|content)"\s*:\s*\[')
BETWEEN = re.compile(r"[\s,]*")
LOOKED_AT = 4_096
BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Rows:
    """The whole rows of a file so far, and the piece of one at its end (empty where it ends well)."""

    rows: tuple[bytes, ...]
    tail: bytes = b""


def cut(content: bytes) -> Rows:
    """The rows of an export.

    >>> cut(b"a,b\\n1,2\\n3,").rows, cut(b"a,b\\n1,2\\n3,").tail
    ((b'a,b\\n1,2',), b'a,b\\n3,')
    >>> cut(b'[{"a": 1}, {"a": 2}, {"a"').rows
    (b'{"a": 1}', b'{"a": 2}')
    """
    if content[:2] in BOMS:
        whole = content[: len(content) - len(content) % 2]
        content = whole.decode("utf-16", "replace").encode("utf-8", "replace")
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content.lstrip()[:1] in (b"{", b"["):
        return _objects(content)
    return _lines(content)


def _objects(content: bytes) -> Rows:
    """Of an array, an object around an array, or objects one after the other."""
    text = content.decode("utf-8", "surrogateescape")
    at = BETWEEN.match(text).end()  # type: ignore[union-attr]  # it fits everywhere
    around = WRAPPED.match(text, at, at + LOOKED_AT)
    if around is not None:
        at = around.end()
    elif text[at] == "[":
        at += 1
    decoder = json.JSONDecoder()
    rows: list[bytes] = []
    while True:
        at = BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        if at >= len(text) or text[at] == "]":
            return Rows(tuple(rows))
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return Rows(tuple(rows), text[at:].encode("utf-8", "surrogateescape"))
        rows.append(text[at:end].encode("utf-8", "surrogateescape"))
        at = end


def _lines(content: bytes) -> Rows:
    """Of CSV; a quoted value may hold line ends."""
    names = b""
    rows: list[bytes] = []
    for row, is_whole in _quoted_lines(content):
        if not names:
            names = row
            if not is_whole:
                return Rows(())
        elif not is_whole:
            return Rows(tuple(rows), names + b"\n" + row)
        else:
            rows.append(names + b"\n" + row)
    return Rows(tuple(rows))


def _quoted_lines(content: bytes) -> Iterator[tuple[bytes, bool]]:
    held: list[bytes] = []
    quotes = 0
    for line in content.splitlines(keepends=True):
        held.append(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0 and line.endswith((b"\n", b"\r")):
            row = b"".join(held).strip(b"\r\n")
            held, quotes = [], 0
            if row.strip():
                yield row, True
    if held and (row := b"".join(held).strip(b"\r\n")).strip():
        yield row, False

"""What a protocol's parser is to the sensor: bytes of both sides in, records out. Pure and bounded.

A conversation never raises for what the bytes say. It says by ``done`` that it needs no more, and hands over to another
parser by ``successor`` (STARTTLS, a proxy's tunnel, or what the first bytes turned out to be).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Said = tuple[str, int, dict[str, Any]]
"""A record: its kind, its time (µs since 1970), its fields."""

NOTHING: Sequence[Said] = ()
MOST_TEXT = 4096  # characters of one value


class Conversation:
    """The two sides of one connection, or the datagrams of one flow."""

    __slots__ = ("done", "is_swapped", "successor")
    name = ""  # network.protocol; empty while nobody knows

    def __init__(self) -> None:
        self.done = False
        self.is_swapped = False  # who spoke first is the server
        self.successor: Conversation | None = None

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        """The next bytes of one side; the records that they complete."""
        raise NotImplementedError

    def gap(self, from_client: bool, size: int, time: int) -> Sequence[Said]:
        """``size`` bytes of one side are missing. Unless a parser knows better, it ends there."""
        said = self.end(time)
        self.done = True
        return said

    def end(self, time: int) -> Sequence[Said]:
        """The flow is over: what is known and not yet said."""
        return NOTHING


def text(raw: bytes) -> str:
    """Bytes of the wire as text: UTF-8, or else each byte as a character of Latin-1; control characters escaped."""
    raw = raw[:MOST_TEXT]
    try:
        found = raw.decode("utf-8")
    except UnicodeDecodeError:
        found = raw.decode("latin-1")
    return found if found.isprintable() else "".join(map(_printable, found))


def _printable(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")

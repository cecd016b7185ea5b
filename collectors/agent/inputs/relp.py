"""RELP, the reliable event logging protocol: frames and answers, and what a sender repeats after a broken line.

Reference: librelp, "RELP - The Reliable Event Logging Protocol", protocol version 0. A frame is ``TXNR SP COMMAND SP
DATALEN [SP DATA] LF``. Pure: bytes in, commands and bytes out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from collectors.agent.wire import MAX_RECORD_BYTES

HEADER = re.compile(rb"(\d{1,9}) ([a-z]{1,32}) (\d{1,9})([ \n])")
STARTED = re.compile(rb"\d{1,9}(?: (?:[a-z]{1,32}(?: \d{0,9})?)?)?")  # a header that may still come
LONGEST_HEADER = 9 + 1 + 32 + 1 + 9 + 1
WINDOW = 128  # commands that a sender may have without an answer (librelp's default)
DIGEST = 8  # bytes of a message's hash
OFFERS = b"200 OK\nrelp_version=0\nrelp_software=soc-agent\ncommands=syslog"
DONE = b"200 OK"


class RelpError(Exception):
    """The peer does not speak RELP; the text says what it sent."""


@dataclass(frozen=True, slots=True)
class Command:
    """One frame of a sender."""

    number: int
    name: str
    data: bytes

    def answer(self, text: bytes = DONE) -> bytes:
        return b"%d rsp %d %b\n" % (self.number, len(text), text)


class Commands:
    """Cuts what one connection sends into commands."""

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, chunk: bytes) -> Iterator[Command]:
        """The commands that are whole.

        Raises:
            RelpError: these bytes are no RELP.
        """
        self._held += chunk
        while self._held:
            head = HEADER.match(self._held)
            if head is None:
                if len(self._held) > LONGEST_HEADER or not STARTED.fullmatch(self._held):
                    raise RelpError(f"no RELP frame begins with {bytes(self._held[:40])!r}")
                return
            length = int(head[3])
            if length > MAX_RECORD_BYTES:
                raise RelpError(f"a frame of {length} bytes; {MAX_RECORD_BYTES} are the most")
            start = head.end()
            stop = start + length if head[4] == b" " else start - 1
            if head[4] == b"\n" and length:
                raise RelpError(f"a frame says {length} bytes and has none")
            if len(self._held) <= stop:
                return
            if self._held[stop : stop + 1] != b"\n":
                raise RelpError(f"a frame of {length} bytes does not end where it says")
            data = bytes(self._held[start:stop]) if head[4] == b" " else b""
            command = Command(int(head[1]), head[2].decode(), data)
            del self._held[: stop + 1]
            yield command


def digest(message: bytes) -> str:
    return hashlib.blake2b(message, digest_size=DIGEST).hexdigest()


def repeated(tail: Sequence[str], sent: Sequence[str]) -> int:
    """How many of the first messages of a new connection are kept already.

    After a broken line a sender repeats what it has no answer for, in its order, and goes on. So what is kept of it
    are the last messages kept, and the first ones repeated: the longest run that is both.

    >>> repeated(["a", "b", "c"], ["b", "c", "d"]), repeated(["a", "b"], ["x"])
    (2, 0)
    """
    for length in range(min(len(tail), len(sent)), 0, -1):
        if list(tail[-length:]) == list(sent[:length]):
            return length
    return 0


class Tails:
    """The digests of the last messages kept of each sender, by its address and a slot for each of its connections."""

    def __init__(self) -> None:
        self._tails: dict[tuple[str, int], list[str]] = {}
        self._used: set[tuple[str, int]] = set()

    def load(self, address: str, slot: int, written: str) -> None:
        """A tail as it was kept; one that is known stays."""
        size = 2 * DIGEST
        digests = [written[at : at + size] for at in range(0, len(written), size)]
        self._tails.setdefault((address, slot), digests)

    def knows(self, address: str) -> bool:
        """Whether a new connection of this sender may repeat something."""
        return any(tail for place, tail in self._tails.items() if self._free(place, address))

    def begin(self, address: str, sent: Sequence[str]) -> tuple[int, int]:
        """(slot, how many of ``sent`` are kept already) for a new connection that begins with these digests."""
        free = [place for place in self._tails if self._free(place, address)]
        counts = {place: repeated(self._tails[place], sent) for place in free}
        best = max(free, key=lambda place: (counts[place], -place[1]), default=None)
        if best is None or (counts[best] == 0 and self._tails[best]):
            slot = next(n for n in count() if (address, n) not in self._used)
            best = (address, slot)
        self._used.add(best)
        return best[1], counts.get(best, 0)

    def end(self, address: str, slot: int) -> None:
        """The connection has ended."""
        self._used.discard((address, slot))

    def kept(self, address: str, slot: int, digests: Sequence[str]) -> str:
        """Take in what is about to be kept; the tail as it is to be written with it."""
        tail = [*self._tails.get((address, slot), ()), *digests][-WINDOW:]
        self._tails[address, slot] = tail
        return "".join(tail)

    def _free(self, place: tuple[str, int], address: str) -> bool:
        return place[0] == address and place not in self._used

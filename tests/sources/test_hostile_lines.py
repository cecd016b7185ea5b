"""Long lines made to be slow: every reader reads or refuses 64 KB within 50 ms."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from soc.collect.discovery import read, readers, sniff
from soc.errors import RecordError
from tests.sources.accept import as_received, raw_records, samples

SIZE = 65_536
WITHIN = 0.050  # seconds of processor time; the best of three, as others use the machine
FILLERS = (
    b"a", b"0", b" ", b"\\", b'"', b"\x00", b"a=", b'a="', b'a="\\"', b"a b=", b", a", b", a: ", b"a: ", b"[", b"(",
    b"{", b"1.1.1.1", b"1.1.1.1:1->", b"%ASA-", b"%%01A/", b"::", b":", b",", b"/", b"- ",
    b"system,info ", b"<1>", b"\xe1\xba\xa1",
)  # fmt: skip


def beginnings(source: str) -> Iterator[bytes]:
    """The samples of a reader cut at several places, so that its expressions are well on their way."""
    for sample in samples():
        if sample.parent.name == source:
            for raw in raw_records(sample)[:6]:
                yield from (raw[: len(raw) * part // 4] for part in range(5))


def seconds(raw: bytes, source: str) -> float:
    record, best = as_received(raw, source), float("inf")
    for _ in range(3):
        started = time.process_time()
        with suppress(RecordError):  # refused, which is an answer
            list(read(record))
        best = min(best, time.process_time() - started)
        if best < WITHIN:
            break
    return best


@pytest.mark.parametrize("source", sorted(readers()))
def test_a_line_made_to_be_slow_is_read_or_refused_quickly(source: str) -> None:
    """One sender must not hold up the door."""
    starts = sorted({b"", *beginnings(source)}, key=len)
    slow = {
        (start[-60:], filler): round(taken, 3)
        for number, start in enumerate(starts)
        for filler in FILLERS[number % 4 :: 4] or FILLERS
        if (taken := seconds((start + filler * SIZE)[:SIZE], source)) >= WITHIN
    }
    assert slow == {}


@pytest.mark.parametrize("filler", FILLERS, ids=repr)
def test_the_reader_of_a_line_made_to_be_slow_is_found_quickly(filler: bytes) -> None:
    """Every reader is asked whether the line is its own."""
    raw = (filler * SIZE)[:SIZE]
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        sniff(raw)
        best = min(best, time.process_time() - started)
    assert best < WITHIN

"""The decoder: good bytes, half-good bytes, hostile bytes."""

from __future__ import annotations

import struct
from contextlib import suppress

import msgspec
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from soc.errors import BatchError, BatchTooLarge
from soc.receive.batches import decode, decompress, open_batch
from tests.receive.builders import a_sender, packed, plain_bytes

AGENT = a_sender().row
GOOD = plain_bytes(["one", b"\xff two", ""])
HEADER_END = 9 + struct.unpack(">I", GOOD[5:9])[0]
HEAD = struct.Struct(">BHQQI")


def record(kind: int = 0, stream: int = 0, sequence: int = 9, raw: bytes = b"x") -> bytes:
    return HEAD.pack(kind, stream, sequence, 0, len(raw)) + raw


def test_records_come_out_as_they_went_in():
    """Any bytes, also none."""
    batch = decode(GOOD, AGENT)
    assert [(r.sequence, r.raw) for r in batch.records] == [(1, b"one"), (2, b"\xff two"), (3, b"")]
    assert batch.reason == ""


def test_every_cut_keeps_the_whole_records_before_it():
    """At whatever byte a batch ends, what can be read is read, and the rest is named and kept."""
    for end in range(HEADER_END + 1, len(GOOD)):
        batch = decode(GOOD[:end], AGENT)
        whole = [r.raw for r in batch.records]
        assert whole == [b"one", b"\xff two", b""][: len(whole)]
        ends = {HEADER_END + 26, HEADER_END + 26 + 28}
        assert bool(batch.reason) == (end not in ends)
        assert len(batch.broken) == (end not in ends)


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (b"", "0 bytes are too few"),
        (b"SOCB\x01", "5 bytes are too few"),
        (b"EVIL" + GOOD[4:], "not a batch"),
        (b"SOCB\x02" + GOOD[5:], "batch version 2"),
        (GOOD[:5] + b"\xff\xff\xff\xff" + GOOD[9:], "the header says 4294967295 bytes"),
        (b"SOCB\x01\x00\x00\x00\x02{}", "header: "),
        (b"SOCB\x01\x00\x00\x00\x01{", "header: "),
    ],
)
def test_a_header_that_cannot_be_read_is_refused_with_its_place(plain, reason):
    """Nothing of such a batch can be placed."""
    with pytest.raises(BatchError, match=reason):
        decode(plain, AGENT)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (record(kind=7), "unknown kind 7"),
        (record(stream=5), "stream 5, which the header does not name"),
        (record(sequence=0), "sequence number 0"),
        (record(sequence=2**63), "sequence number"),
        (record(kind=1, raw=b"{"), "loss record 9"),
        (record(kind=1, raw=b'{"last": 3, "reason": "x"}'), "a loss from 9 to 3"),
    ],
)
def test_an_odd_record_is_kept_apart_and_the_others_are_read(odd, reason):
    """Its frame is sound, so the next record is found."""
    batch = decode(GOOD + odd + record(raw=b"last"), AGENT)
    assert [r.raw for r in batch.records][-1] == b"last"
    assert reason in batch.reason
    assert [piece.raw for piece in batch.broken] == [odd[HEAD.size :]]


def test_a_length_beyond_the_end_keeps_the_bytes_that_are_there():
    """A wrong length costs this record and what follows, and says so."""
    batch = decode(GOOD + HEAD.pack(0, 0, 4, 0, 1000) + b"the rest", AGENT)
    assert len(batch.records) == 3
    assert (batch.broken[0].raw, batch.reason) == (
        b"the rest",
        "record 4 says 1000 bytes, 8 are there",
    )


def test_a_zip_bomb_is_refused_by_its_own_claim():
    """Without decompressing it."""
    with pytest.raises(BatchTooLarge, match="over 1000000 bytes"):
        decompress(packed(bytes(50_000_000)), limit_bytes=1_000_000)


def test_a_zip_bomb_that_hides_its_size_is_refused():
    """The output is counted, not believed."""
    writer = zstandard.ZstdCompressor(level=3, write_content_size=False).compressobj()
    bomb = b"".join(writer.compress(bytes(1_000_000)) for _ in range(200)) + writer.flush()
    assert len(bomb) < 50_000
    with pytest.raises(BatchTooLarge):
        decompress(bomb, limit_bytes=1_000_000)


@pytest.mark.parametrize("body", [b"", b"not zstd at all", b"\x28\xb5\x2f\xfd", b"PK\x03\x04" * 9])
def test_what_is_no_zstd_is_refused(body):
    """With a reason that names zstd."""
    with pytest.raises(BatchError, match="zstd"):
        open_batch(body, AGENT, limit_bytes=10_000)


def test_a_frame_that_is_cut_off_gives_what_it_holds():
    """The blocks before the cut are read."""
    texts = [f"record {n} {n * 7919 % 104729}" * 20 for n in range(20_000)]
    body = packed(plain_bytes(texts))
    batch = open_batch(body[: len(body) // 2], AGENT, limit_bytes=2**26)
    assert 1000 < len(batch.records) < 19_000
    assert [r.raw.decode() for r in batch.records] == texts[: len(batch.records)]
    assert "cut off" in batch.reason


def test_bytes_after_the_frame_are_named():
    """Two frames in one body are not ours."""
    batch = open_batch(packed(GOOD) + b"more", AGENT, limit_bytes=2**20)
    assert (len(batch.records), batch.reason) == (3, "zstd: bytes after the end of the frame")


def test_the_id_depends_on_the_agent_and_the_records_but_not_on_when_it_was_sent():
    """So that a repeat has the same id."""
    from tests.receive.builders import NOW

    later = NOW.replace(year=2027)
    again = decode(plain_bytes(["one", b"\xff two", ""], sent_at=later), AGENT)
    other = decode(GOOD, a_sender(name="ag-9").row)
    assert again.id == decode(GOOD, AGENT).id != other.id
    assert again.content_sha256 == decode(GOOD, AGENT).content_sha256


@settings(max_examples=300)
@given(st.binary(max_size=400))
@example(b"SOCB\x01\x00\x00\x00\x00")
def test_any_bytes_give_a_batch_or_a_batch_error(plain):
    """Nothing else comes out of the decoder."""
    with suppress(BatchError):
        decode(plain, AGENT)


@settings(max_examples=300)
@given(st.data())
def test_any_change_of_a_batch_gives_a_batch_or_a_batch_error(data):
    """A flipped byte, a cut, an insertion: never another error, never a byte that was not sent."""
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert"])):
            case "flip":
                changed[at] ^= data.draw(st.integers(1, 255))
            case "cut":
                del changed[at : at + data.draw(st.integers(1, 9))]
                changed = changed or bytearray(b"S")
            case "insert":
                changed[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    try:
        batch = decode(bytes(changed), AGENT)
    except BatchError:
        return
    assert all(r.raw in changed for r in batch.records)


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_body_gives_a_batch_or_a_batch_error(body):
    """The same for the compressed form."""
    with suppress(BatchError):
        open_batch(b"\x28\xb5\x2f\xfd" + body, AGENT, limit_bytes=100_000)


def test_the_header_is_checked_field_by_field():
    """An incarnation that is not 32 hex digits would make ids that nobody can check."""
    text = msgspec.json.encode(
        {"incarnation": "../..", "host": "h", "zone": "UTC", "sent_at": 1, "streams": []}
    )
    with pytest.raises(BatchError, match="incarnation"):
        decode(b"SOCB\x01" + len(text).to_bytes(4, "big") + text, AGENT)

"""The spool: killed at any byte, corrupted at any byte, full."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from collectors.agent import wire
from collectors.agent.errors import SpoolError, SpoolInUse
from collectors.agent.losses import Loss
from collectors.agent.segments import segment_numbers, segment_path
from collectors.agent.spool import Batch, Spool

AT = 1732243200_000000
STREAM = "file:/var/log/a.log"


def put(spool: Spool, *lines: bytes, stream: str = STREAM, offset: int | None = None) -> None:
    positions = None if offset is None else {stream: offset}
    spool.append(stream, "auto", lines, collected_at=AT, positions=positions)


def records_of(batch: Batch | None) -> list[tuple[int, bytes]]:
    """(sequence, payload) of the records, losses left out."""
    frames = batch.frames if batch else []
    found = [one for frame in frames for _, _, one in wire.walk_records(frame.block)]
    return [(one.sequence, one.payload) for one in found if one.kind == wire.RECORD]


def everything(spool: Spool) -> list[tuple[int, bytes]]:
    found = []
    while batch := spool.next_batch(1 << 20):
        found += records_of(batch)
        spool.acknowledge(batch)
    return found


def test_gives_back_what_was_put_in_order_with_numbers_from_one(tmp_path):
    spool = Spool(tmp_path)
    put(spool, b"a", b"\xff\x00")
    put(spool, b"")
    assert everything(spool) == [(1, b"a"), (2, b"\xff\x00"), (3, b"")]


def test_counts_each_stream_by_itself(tmp_path):
    spool = Spool(tmp_path)
    put(spool, b"a", stream="journal")
    put(spool, b"b", stream="process")
    assert everything(spool) == [(1, b"a"), (1, b"b")]


def test_goes_on_counting_after_all_was_acknowledged_and_reopened(tmp_path):
    spool = Spool(tmp_path)
    put(spool, b"a", b"b", offset=4)
    everything(spool)
    spool.close()
    again = Spool(tmp_path)
    put(again, b"c")
    assert everything(again) == [(3, b"c")]
    assert again.position(STREAM) == 4


def test_keeps_its_incarnation_over_a_restart(tmp_path):
    first = Spool(tmp_path)
    put(first, b"a")
    first.close()
    assert Spool(tmp_path).incarnation == first.incarnation


def test_a_new_spool_is_a_new_incarnation(tmp_path):
    assert Spool(tmp_path / "a").incarnation != Spool(tmp_path / "b").incarnation


def test_refuses_a_second_process_on_the_same_folder(tmp_path):
    spool = Spool(tmp_path)
    with pytest.raises(SpoolInUse):
        Spool(tmp_path)
    spool.close()


def test_an_unacknowledged_batch_holds_the_same_records_after_a_restart(tmp_path):
    """Even though more has come in the meantime."""
    spool = Spool(tmp_path)
    put(spool, b"a")
    sent = records_of(spool.next_batch(1 << 20))
    put(spool, b"b")
    spool.close()
    again = Spool(tmp_path)
    put(again, b"c")
    assert records_of(again.next_batch(1 << 20)) == sent


def test_acknowledged_segments_leave_the_disk(tmp_path):
    spool = Spool(tmp_path, segment_bytes=4096)
    for _ in range(40):
        put(spool, b"x" * 1000)
    assert len(segment_numbers(tmp_path)) > 5
    everything(spool)
    assert len(segment_numbers(tmp_path)) == 1


def small_spool(folder: Path) -> tuple[list[tuple[int, bytes]], Path]:
    """Five one-line frames, the position of each its own number; nothing sent."""
    spool = Spool(folder)
    lines = [f"line {number}".encode() for number in range(1, 6)]
    for number, line in enumerate(lines, 1):
        put(spool, line, offset=number)
    spool.close()
    return list(enumerate(lines, 1)), segment_path(folder, segment_numbers(folder)[-1])


def reopened(folder: Path, tmp_path: Path, content: bytes, name: str) -> Spool:
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    (copy / name).write_bytes(content)
    return Spool(copy)


def test_torn_at_any_byte_it_holds_a_prefix_and_the_position_agrees(tmp_path):
    """As if killed while writing that byte: the rest is read again, each line keeps its number."""
    folder = tmp_path / "spool"
    wanted, path = small_spool(folder)
    whole = path.read_bytes()
    for size in range(len(whole)):
        spool = reopened(folder, tmp_path, whole[:size], path.name)
        done = spool.position(STREAM) or 0
        for number, line in wanted[done:]:
            put(spool, line, offset=number)
        assert everything(spool) == wanted, size
        spool.close()


def test_a_flipped_byte_anywhere_is_never_shipped(tmp_path):
    folder = tmp_path / "spool"
    wanted, path = small_spool(folder)
    whole = path.read_bytes()
    for at in range(len(whole)):
        bad = whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :]
        spool = reopened(folder, tmp_path, bad, path.name)
        done = spool.position(STREAM) or 0
        assert everything(spool) == wanted[:done], at
        assert spool.damage
        spool.close()


def test_numbers_already_sent_are_never_given_to_other_records(tmp_path):
    """The disk lost bytes that had been sent: counting starts anew under a new incarnation."""
    folder = tmp_path / "spool"
    _, path = small_spool(folder)
    spool = Spool(folder)
    assert spool.next_batch(1 << 20)
    spool.close()
    damaged = reopened(folder, tmp_path, path.read_bytes()[:-20], path.name)
    assert damaged.incarnation != spool.incarnation


def test_damage_within_an_older_segment_is_named_with_its_range(tmp_path):
    spool = Spool(tmp_path, segment_bytes=4096)
    for number in range(12):
        put(spool, b"%04d" % number * 250)
    spool.close()
    second = segment_path(tmp_path, segment_numbers(tmp_path)[1])
    content = bytearray(second.read_bytes())
    content[-5] ^= 1
    second.write_bytes(content)
    again = Spool(tmp_path)
    arrived = {number for number, _ in everything(again)}
    [loss] = again.take_losses()
    assert set(range(1, 13)) - arrived == set(range(loss.first, loss.last + 1))


def losses_of(batch: Batch) -> list[tuple[str, int, bytes]]:
    return [
        (frame.streams[one.stream][0], one.sequence, one.payload)
        for frame in batch.frames
        for _, _, one in wire.walk_records(frame.block)
        if one.kind == wire.LOSS
    ]


def test_over_the_limit_the_oldest_go_and_the_loss_names_the_exact_range(tmp_path):
    spool = Spool(tmp_path, limit_bytes=64 * 1024)
    for number in range(300):
        put(spool, b"%03d" % number + b"x" * 400)
    batch = spool.next_batch(1 << 20)
    assert batch
    kept = {number for number, _ in records_of(batch)}
    lost: set[int] = set()
    for stream, first, payload in losses_of(batch):
        assert stream == STREAM
        lost |= set(range(first, json.loads(payload)["last"] + 1))
    assert kept | lost == set(range(1, 301))
    assert not kept & lost
    assert max(lost) < min(kept)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) <= 64 * 1024


def test_losses_survive_being_dropped_themselves(tmp_path):
    """Two streams, the first only at the very beginning: its loss is still there at the end."""
    spool = Spool(tmp_path, limit_bytes=64 * 1024)
    put(spool, b"first", stream="journal")
    for _ in range(1000):
        put(spool, b"x" * 400)
    batch = spool.next_batch(1 << 20)
    assert batch
    assert ("journal", 1) in [(stream, first) for stream, first, _ in losses_of(batch)]


def test_what_is_in_flight_is_not_dropped(tmp_path):
    spool = Spool(tmp_path, limit_bytes=64 * 1024)
    put(spool, b"in flight")
    sent = spool.next_batch(1 << 20)
    for _ in range(1000):
        put(spool, b"x" * 400)
    spool.close()
    again = Spool(tmp_path, limit_bytes=64 * 1024)
    assert records_of(again.next_batch(1 << 20)) == records_of(sent)


def test_a_full_disk_refuses_and_leaves_the_spool_whole(tmp_path, monkeypatch):
    spool = Spool(tmp_path)
    put(spool, b"a")

    def half_a_write(descriptor: int, content: bytes, real=os.write) -> int:
        real(descriptor, bytes(content[: len(content) // 2]))
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", half_a_write)
        with pytest.raises(SpoolError):
            put(spool, b"b")
    put(spool, b"c")
    assert everything(spool) == [(1, b"a"), (2, b"c")]


def test_skipped_numbers_become_a_named_loss(tmp_path):
    spool = Spool(tmp_path)
    put(spool, b"a", stream="process")
    spool.skip("process", "linux_audit", 2, "disk full")
    spool.skip("process", "linux_audit", 1, "disk full")
    put(spool, b"b", stream="process")
    assert spool.take_losses() == [Loss("process", "linux_audit", 2, 4, "disk full")]
    assert everything(spool) == [(1, b"a"), (5, b"b")]


def test_a_sixteen_mebibyte_record_passes_through(tmp_path):
    spool = Spool(tmp_path)
    big = os.urandom(1024) * (16 * 1024)
    put(spool, big)
    assert everything(spool) == [(1, big)]

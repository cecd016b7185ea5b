"""A killed writer: everything acknowledged is there once, and a repeat completes the rest."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soc.errors import StoreError
from soc.store.embedded import EmbeddedStore
from tests.store.events import MONTHS, PROVINCE, event

KILLS = 20
BATCH = 40
WRITER = """
import sys
from datetime import timedelta
from pathlib import Path
from soc.store.embedded import EmbeddedStore
from tests.store.events import MONTHS, NOON, PROVINCE, event

home, first, batch = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = EmbeddedStore(home, months=MONTHS, writable=True)
repeat = True
while True:
    some = [
        event(n, {"process.pid": n}, level=n % 6, received_at=NOON + timedelta(minutes=n // 100))
        for n in range(first, first + batch)
    ]
    said = store.append(PROVINCE, some, maybe_stored=repeat)
    assert len(said.stored) + len(said.already) == batch
    print(first, flush=True)
    first, repeat = first + batch, False
"""


def start(home: Path, first: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(home), str(first), str(BATCH)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())


@pytest.mark.slow
def test_after_kills_at_any_moment_every_acknowledged_event_is_there_once(tmp_path: Path):
    """Each writer begins by repeating the batch that the killed one had in hand."""
    chance, first = random.Random(11), 0
    for _ in range(KILLS):
        writer = start(tmp_path / "events", first)
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline())]
        time.sleep(chance.random() * 0.25)
        writer.kill()
        acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
        writer.wait()
        writer.stdout.close()
        first = acknowledged[-1] + BATCH
    store = EmbeddedStore(tmp_path / "events", months=MONTHS, writable=True)
    last = [event(n, level=n % 6) for n in range(first, first + BATCH)]
    ids = [one.id for one in store.scan(PROVINCE, "")]
    acknowledged_ids = {event(n).id for n in range(first)}
    store.close()
    assert len(ids) == len(set(ids))
    assert acknowledged_ids <= set(ids)
    assert set(ids) - acknowledged_ids <= {one.id for one in last}


def test_a_second_writer_is_told_who_writes(tmp_path: Path):
    first = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    with pytest.raises(StoreError, match=r"being written by another process \(number \d+\)"):
        EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    first.close()


def test_the_next_writer_may_begin_when_the_first_has_closed(tmp_path: Path):
    EmbeddedStore(tmp_path, months=MONTHS, writable=True).close()
    second = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    assert second.append(PROVINCE, [event(1)]).stored
    second.close()


def test_a_process_that_only_reads_may_not_append(tmp_path: Path):
    reader = EmbeddedStore(tmp_path, months=MONTHS, writable=False)
    with pytest.raises(StoreError, match="reads the events only"):
        reader.append(PROVINCE, [event(1)])


def test_what_a_kill_left_half_made_is_removed(tmp_path: Path):
    (tmp_path / ".new-short-2026-11-22" / "index").mkdir(parents=True)
    (tmp_path / ".gone-short-2026-11-21").mkdir()
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    assert store.health(PROVINCE).partitions == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["writer.lock"]
    store.close()
